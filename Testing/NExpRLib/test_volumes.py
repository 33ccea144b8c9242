"""Upsampling of volumes: batches and tiles, running out of memory, consistency, cancelling, and what is refused."""

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from scipy.fft import dctn, idctn

from NExpRLib import load_model, upsample
from NExpRLib.kspace import kspace_crop
from NExpRLib.memory import available_memory, is_out_of_memory
from NExpRLib.network import NExpRNetwork
from NExpRLib.volumes.checks import check_memory
from NExpRLib.volumes.plan import plan_upsampling
from NExpRLib.volumes.run import Upsampling
from NExpRLib.volumes.volume import Volume, geometry_of


def noise(shape, high=100.0):
    return sitk.GetImageFromArray(np.random.default_rng(0).uniform(0, high, shape).astype(np.float32))


def upsampled(image, model, scale=1.6, **options):
    return sitk.GetArrayFromImage(upsample(image, scale, model=model, plane=2, **options))


@pytest.mark.parametrize("grid", ["fov", "kspace"])
@pytest.mark.parametrize("scale", [1, 2, 3.4])
def test_every_slice_is_its_function_on_the_whole_grid(tiny_model, grid, scale):
    image = noise((3, 11, 14))
    pixels = sitk.GetArrayFromImage(image)
    periodic = grid == "kspace"
    functions = tiny_model.represent(pixels[:, None], tiny_model.intensity_range(pixels), periodic=periodic)
    expected = functions.rasterize(scale, grid=grid)[:, 0]
    assert np.abs(upsampled(image, tiny_model, scale, grid=grid) - expected).max() < 1e-5 * 100


@pytest.mark.parametrize("batch_size", [1, 2, 3, 7, 100])
def test_result_does_not_depend_on_the_batch_size(tiny_model, batch_size):
    image = noise((7, 20, 23))
    expected = np.concatenate([upsampled(image[:, :, k : k + 1], _with_range_of(image, tiny_model)) for k in range(7)])
    volume = Volume.from_image(image)
    plan = plan_upsampling(volume.geometry, scale=1.6, plane=2)
    result = Upsampling(volume, plan).run(tiny_model, batch_size=batch_size)
    assert np.abs(result.pixels - expected).max() < 1e-5 * 100


def _with_range_of(image, model):
    """The model with the intensity range of a whole volume, to upsample one of its slices."""
    window = model.intensity_range(sitk.GetArrayFromImage(image))
    return type(model)(model.network, {**model.card, "window": window}, model.device)


@pytest.mark.parametrize("plane", [0, 1, 2])
def test_result_is_not_copied_into_the_order_of_the_volume(tiny_model, monkeypatch, plane):
    """A copy beside the result and its image would not be in the memory that is asked for."""
    image, results = noise((8, 9, 10)), []
    to_image = sitk.GetImageFromArray
    monkeypatch.setattr(sitk, "GetImageFromArray", lambda array: results.append(array) or to_image(array))
    upsample(image, 2, model=tiny_model, plane=plane)
    monkeypatch.undo()
    (result,) = results
    assert result.flags.c_contiguous


class LimitedMemory:
    """The network on a device that holds a limited number of input pixels."""

    def __init__(self, pixels, error):
        self.pixels, self.error, self.forward, self.passed = pixels, error, NExpRNetwork.forward, []

    def __call__(self, network, x):
        if x.numel() > self.pixels:
            raise self.error
        self.passed.append(tuple(x.shape))
        return self.forward(network, x)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:119] . DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:75] . DefaultCPUAllocator: not enough memory: you tried to ..."),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("could not create a primitive"),
        torch.cuda.OutOfMemoryError("Allocation on device 0 would exceed allowed memory. (out of memory)"),
        MemoryError(),
    ],
    ids=lambda error: f"{type(error).__name__} {error}"[:60],
)
def test_what_running_out_of_memory_looks_like(error):
    assert is_out_of_memory(error)
    assert not is_out_of_memory(RuntimeError("could not create a primitive descriptor for a convolution"))
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_out_of_memory(ValueError("out of memory"))


@pytest.mark.parametrize(
    ("shape", "pixels", "largest"),
    [((5, 40, 30), 3 * 40 * 30, (3, 1, 40, 30)), ((2, 150, 140), 19_000, (1, 1, 80, 74))],
    ids=["smaller batches", "tiles"],
)
def test_less_at_once_when_memory_runs_out(tiny_model, monkeypatch, shape, pixels, largest):
    image = noise(shape)
    expected = upsampled(image, tiny_model)
    limited = LimitedMemory(pixels, RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB."))
    monkeypatch.setattr(NExpRNetwork, "forward", lambda network, x, conditions=None: limited(network, x))
    assert np.abs(upsampled(image, tiny_model) - expected).max() < 1e-5 * 100
    assert largest in limited.passed


def test_too_little_memory_for_anything(tiny_model, monkeypatch):
    limited = LimitedMemory(10, torch.cuda.OutOfMemoryError("CUDA out of memory."))
    monkeypatch.setattr(NExpRNetwork, "forward", lambda network, x, conditions=None: limited(network, x))
    with pytest.raises(MemoryError, match="not enough memory"):
        upsampled(noise((2, 20, 20)), tiny_model)


def test_other_errors_are_not_taken_for_lack_of_memory(tiny_model, monkeypatch):
    limited = LimitedMemory(10, RuntimeError("Given groups=1, expected input to have 1 channels"))
    monkeypatch.setattr(NExpRNetwork, "forward", lambda network, x, conditions=None: limited(network, x))
    with pytest.raises(RuntimeError, match="Given groups"):
        upsampled(noise((2, 20, 20)), tiny_model)


def test_lower_precision_is_close(tiny_model_folder):
    image = noise((2, 40, 40))
    lower, full = (load_model(tiny_model_folder, "cpu", precision) for precision in ("bfloat16", "float32"))
    error = np.abs(upsampled(image, lower) - upsampled(image, full)).max() / 100
    assert 0 < error < 1e-2


@pytest.mark.parametrize("grid", ["fov", "kspace"])
@pytest.mark.parametrize("shape", [(2, 16, 20), (2, 15, 17)])
@pytest.mark.parametrize("scale", [2, 2.5, (1, 3.3)])
def test_data_consistency(tiny_model, grid, shape, scale):
    """On the k-space grid, slices continue periodically; otherwise they are mirrored, as by the cosine transform."""
    image = noise(shape)
    measured = sitk.GetArrayFromImage(image).astype(np.float64)

    def cropped(result):
        if grid == "kspace":
            return kspace_crop(result, shape[1:])
        spectrum = dctn(result, axes=(1, 2), norm="ortho")[:, : shape[1], : shape[2]]
        return idctn(spectrum, axes=(1, 2), norm="ortho") * np.sqrt(measured[0].size / result[0].size)

    def consistency(**options):
        result = upsampled(image, tiny_model, scale, grid=grid, **options).astype(np.float64)
        return 10 * np.log10(100**2 / np.mean((cropped(result) - measured) ** 2))

    assert consistency(data_consistency=True) > 120
    assert consistency() < 60


def test_progress_rises_to_one_and_may_cancel(tiny_model):
    volume, fractions = Volume.from_image(noise((5, 20, 20))), []
    upsampling = Upsampling(volume, plan_upsampling(volume.geometry, scale=2, plane=2))
    upsampling.run(tiny_model, fractions.append, batch_size=2)
    assert fractions == [2 / 5, 4 / 5, 1]

    class Cancelled(Exception):
        pass

    def cancel(fraction):
        if fraction > 0.5:
            raise Cancelled

    with pytest.raises(Cancelled):
        upsampling.run(tiny_model, cancel, batch_size=2)


def test_input_is_left_as_it_was(tiny_model):
    image = noise((3, 10, 12))
    before = sitk.GetArrayFromImage(image)
    upsampled(image, tiny_model, data_consistency=True)
    assert np.array_equal(sitk.GetArrayFromImage(image), before)


def test_model_by_its_folder(tiny_model, tiny_model_folder):
    image = noise((2, 10, 12))
    for model in (tiny_model_folder, str(tiny_model_folder)):
        assert np.array_equal(upsampled(image, model, device="cpu"), upsampled(image, tiny_model))


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 9, 8), (9, 1, 1), (3, 2, 2), (1, 1)])
def test_smallest_volumes(tiny_model, shape):
    image = upsample(noise(shape), 3, model=tiny_model)
    assert np.isfinite(sitk.GetArrayFromImage(image)).all()
    assert image.GetNumberOfPixels() == 9 * np.prod(shape)


def test_beyond_the_extent_of_the_input_lies_its_minimum(tiny_model):
    image = noise((1, 10, 10)) + 5
    reference = sitk.Image((40, 30, 1), sitk.sitkUInt8)
    reference.SetSpacing((0.5, 0.5, 1))
    reference.SetOrigin((-5, 0, 0))
    result = sitk.GetArrayFromImage(upsample(image, like=reference, plane=2, model=tiny_model))[0]
    inside = np.zeros((30, 40), bool)
    inside[:20, 9:30] = True
    minimum = sitk.GetArrayFromImage(image).min()
    assert (result[~inside] == minimum).all()
    assert np.ptp(result[inside]) > 50


def test_path_instead_of_an_image_is_refused(tiny_model):
    with pytest.raises(ValueError, match=r"SimpleITK\.ReadImage"):
        upsample("brain.nii.gz", 2, model=tiny_model)


def test_result_that_does_not_fit_into_memory(tiny_model):
    with pytest.raises(ValueError, match=r"10000000 x 10000000 x 3 voxels would take 4,400 TB of memory"):
        upsample(sitk.Image((10, 10, 3), sitk.sitkUInt16), 1e6, plane=2, model=tiny_model)


def test_memory_for_the_work_on_a_single_slice_counts():
    """A slice of one byte per pixel takes many times that in floating point while it is made."""
    side = int((available_memory() / 10) ** 0.5)
    target = plan_upsampling(geometry_of(sitk.Image((10, 10, 1), sitk.sitkUInt8)), size=(side, side))
    with pytest.raises(ValueError, match="smaller scale"):
        check_memory(target, np.uint8)


def test_batches_are_smaller_for_large_results(tiny_model):
    fractions = []
    upsampled(noise((8, 16, 16)), tiny_model, scale=60, progress=fractions.append)
    assert len(fractions) >= 2  # 7.4 million pixels


def test_data_consistency_needs_the_whole_slice(tiny_model):
    with pytest.raises(ValueError, match="scale, spacing or size"):
        upsample(noise((3, 10, 10)), like=noise((3, 10, 10)), data_consistency=True, model=tiny_model)


def test_data_consistency_of_cubes_needs_that_they_fill_the_slice(tiny_model):
    """The slices are as far apart as the cubes are wide, so that only pixels are refined."""
    filled, not_filled = noise((4, 8, 10)), noise((4, 9, 10))
    for image in (filled, not_filled):
        image.SetSpacing((0.8, 1.0, 0.8))
    options = {"data_consistency": True, "model": tiny_model, "plane": 2}
    with pytest.raises(ValueError, match="scale, spacing or size"):
        upsample(not_filled, isotropic=True, **options)
    result, same = upsample(filled, isotropic=True, **options), upsample(filled, (1.25, 1), **options)
    assert result.GetSize() == (10, 10, 4)
    np.testing.assert_allclose(sitk.GetArrayFromImage(result), sitk.GetArrayFromImage(same), atol=1e-4)


def test_cpu_when_the_gpu_has_too_little_memory(tiny_model):
    class OnSmallGPU:
        device, card, intensity_range = torch.device("cuda"), tiny_model.card, tiny_model.intensity_range

        def represent(self, *_arguments, **_options):
            raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB.")

        def to(self, device):
            return {"cpu": tiny_model}[device]

    image = noise((3, 20, 23))
    assert np.abs(upsampled(image, OnSmallGPU()) - upsampled(image, tiny_model)).max() < 1e-5 * 100


def test_minimum_beyond_the_extent_is_that_of_the_volume(tiny_model):
    image = noise((2, 10, 10))
    image[4, 4, 1] = -50
    reference = sitk.Image((40, 30, 2), sitk.sitkUInt8)
    reference.SetSpacing((0.5, 0.5, 1))
    result = sitk.GetArrayFromImage(upsample(image, like=reference, plane=2, model=tiny_model))
    assert (result[:, :, -1] == -50).all()


def test_grid_of_a_reference_of_the_same_extent_is_that_of_the_scale(tiny_model):
    """Up to the border: half a pixel of it lies beyond the centers of the outermost pixels."""
    image = noise((2, 10, 12))
    expected = upsample(image, 3, model=tiny_model, plane=2)
    result = upsample(image, like=expected, model=tiny_model, plane=2)
    np.testing.assert_allclose(sitk.GetArrayFromImage(result), sitk.GetArrayFromImage(expected), atol=1e-3)


def test_tiles_of_a_slice_with_one_long_side(tiny_model, monkeypatch):
    image = noise((1, 60, 300))
    expected = upsampled(image, tiny_model)
    limited = LimitedMemory(14_000, RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB."))
    monkeypatch.setattr(NExpRNetwork, "forward", lambda network, x, conditions=None: limited(network, x))
    assert np.abs(upsampled(image, tiny_model) - expected).max() < 1e-5 * 100
