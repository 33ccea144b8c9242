"""Noise reduction: a mix of two functions, the one that keeps the noise and the one that does not."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from NExpRLib import load_model, upsample
from NExpRLib.volumes.meaning import Meaning
from NExpRLib.volumes.measured_grid import MeasuredGrid
from NExpRLib.volumes.noise import noise_level, noise_of, noise_of_phase
from NExpRLib.volumes.sidecar import set_sidecar
from NExpRLib.volumes.volume import Volume

from ..conftest import TINY, of_stacks, write_model

CONFIG = replace(TINY, skip="bicubic", equivariant=True, noise_level=True)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load_model(
        write_model(tmp_path_factory.mktemp("noise") / "model", CONFIG, last_layer=0.05), "cpu", "float32"
    )


def noisy(shape, level=7.0):
    return 100 + level * np.random.default_rng(0).standard_normal(shape)


def test_function_follows_gain_and_offset_with_the_noise_scaled_along(model):
    pixels = noisy((13, 18))
    expected = model.represent(pixels, noise_reduction=1, noise=7).rasterize(1.7)
    result = model.represent(20 * pixels - 700, noise_reduction=1, noise=140).rasterize(1.7)
    np.testing.assert_allclose(result, 20 * expected - 700, atol=0.05)


def test_reduction_is_a_linear_mix(model):
    pixels = noisy((2, 1, 12, 14))
    kept, half, removed = (model.represent(pixels, noise_reduction=share) for share in (0, 0.25, 1))
    assert np.abs(kept.rasterize(2) - removed.rasterize(2)).max() > 0.01
    expected = 0.75 * kept.rasterize(2) + 0.25 * removed.rasterize(2)
    np.testing.assert_allclose(half.rasterize(2), expected, atol=1e-4)


def test_no_reduction_ignores_the_noise(model):
    pixels = noisy((12, 14))
    np.testing.assert_array_equal(
        model.represent(pixels, noise=50).rasterize(2), model.represent(pixels, noise=0).rasterize(2)
    )


def test_tiles_and_periodic_borders_see_the_noise_level(model):
    pixels = noisy((40, 44))
    whole = model.represent(pixels, noise_reduction=0.5, noise=7, periodic=True).rasterize(2, grid="kspace")
    parts = model.represent(pixels, noise_reduction=0.5, noise=7, periodic=True, tile=16).rasterize(2, grid="kspace")
    np.testing.assert_allclose(whole, parts, atol=1e-3)


def test_every_slice_of_a_volume_loses_the_noise_of_the_volume(model):
    pixels = noisy((3, 40, 44)).astype(np.float32)
    result = sitk.GetArrayFromImage(
        upsample(sitk.GetImageFromArray(pixels), 2, measured="stored", model=model, noise_reduction=1)
    )
    level = np.median([_level_that_gives(model, image, drawn) for image, drawn in zip(pixels, result)])
    assert level == pytest.approx(7, rel=0.1)


def _level_that_gives(model, pixels, drawn):
    levels = np.arange(5, 9, 0.05)
    differences = [
        np.abs(model.represent(pixels, noise_reduction=1, noise=level).rasterize(2) - drawn).mean() for level in levels
    ]
    return levels[np.argmin(differences)]


def test_noise_is_removed_before_slices_are_refined(model, skip_only_model):
    """The stack is then drawn as if it had never been noisy."""
    image = sitk.GetImageFromArray(noisy((6, 20, 24)).astype(np.float32))
    image.SetSpacing((1.0, 1.0, 3.0))
    options = {"isotropic": True, "measured": "stored", "model": model, "slices_model": of_stacks(skip_only_model)}
    seen = []
    kept = upsample(image, **options)
    removed = upsample(image, noise_reduction=1, progress=seen.append, **options)
    assert removed.GetSize() == kept.GetSize() == (24, 20, 18)
    assert np.abs(sitk.GetArrayFromImage(removed) - sitk.GetArrayFromImage(kept)).max() > 0.01
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(1)


@pytest.mark.parametrize("share", [-0.1, 1.5, float("nan")])
def test_shares_only(model, share):
    with pytest.raises(ValueError, match="from 0 to 1"):
        model.represent(noisy((8, 8)), noise_reduction=share)


def test_models_that_cannot(tiny_model):
    with pytest.raises(ValueError, match="cannot reduce noise: choose another one"):
        upsample(sitk.GetImageFromArray(noisy((2, 16, 16))), 2, model=tiny_model, noise_reduction=0.5)


def test_not_with_data_consistency(model):
    with pytest.raises(ValueError, match="leave out either"):
        upsample(sitk.GetImageFromArray(noisy((2, 16, 16))), 2, model=model, noise_reduction=0.5, data_consistency=True)


def test_gradients_of_the_noise_level_flow():
    from NExpRLib.network import NExpRNetwork

    network = NExpRNetwork(CONFIG)
    torch.nn.init.normal_(network.decoder[-1].weight)
    network(torch.rand(1, 2, 8, 8)).sum().backward()
    assert network.encoder.head[1].weight.grad[:, -1].abs().sum() > 0


@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize("snr", [8, 20, 50])
def test_measured_noise_is_within_a_tenth(background, snr):
    """Rician, of a slice with smooth shading, edges and fine texture in a part of it; also of an ellipse of k-space."""
    rng = np.random.default_rng(1)
    rows, columns = np.mgrid[:256, :220] / 256
    signal = 100 + 40 * np.sin(7 * rows) * np.cos(5 * columns) + 60 * (np.hypot(rows - 0.5, columns - 0.4) < 0.2)
    signal += 20 * np.sin(900 * rows * columns) * (rows > 0.6)
    if background:
        signal *= np.hypot((rows - 0.5) / 0.45, (columns - 0.43) / 0.38) < 1
    sigma = signal[signal > 0].mean() / snr
    real, imaginary = sigma * rng.standard_normal((2, *signal.shape))
    noisy = signal + real + 1j * imaginary
    assert noise_level(np.abs(noisy)[None])[0] == pytest.approx(sigma, rel=0.1)
    radius = np.hypot(np.fft.fftfreq(256, 0.5)[:, None], np.fft.fftfreq(220, 0.5))
    without_corners = np.fft.ifft2(np.fft.fft2(noisy) * (radius <= 1))
    assert noise_level(np.abs(without_corners)[None])[0] == pytest.approx(sigma, rel=0.15)


def test_noise_is_measured_where_there_are_data():
    """What is filled in around them, and values that were clipped, hold none."""
    pixels = noisy((6, 200, 200)).astype(np.float32)
    rows, columns = np.mgrid[:200, :200] - 100
    pixels[:, np.hypot(rows, columns) > 80] = np.nan
    whole = Volume.from_image(sitk.GetImageFromArray(pixels))
    (filled,) = Meaning(whole).parts(2)
    grid = MeasuredGrid((200, 200), (200, 200))
    assert noise_of(filled, 2, grid)[0] == pytest.approx(7, rel=0.05)
    clipped = np.minimum(noisy((4, 128, 128)) + 300 * (np.arange(128) > 100), 160)
    clipped[:, :40] = 10
    assert noise_level(clipped)[0] == pytest.approx(7, rel=0.1)


def phase(positions, sigma=0.0):
    """Three slices, with noise of ``sigma`` radians."""
    x = positions / 96 - 0.5
    angles = 6 * np.exp(-((x - 0.1) ** 2 + (x[:, None] + 0.1) ** 2) / 0.02) + 4 * x
    shape = 3, len(x), len(x)
    noise = sigma * np.random.default_rng(0).standard_normal(shape)
    return np.angle(np.exp(1j * (angles + noise))).astype(np.float32)


@pytest.mark.parametrize("background", ["none", "noise", "zero", "nan"])
@pytest.mark.parametrize("sigma", [0.05, 0.3])
def test_noise_of_phase_is_within_a_tenth(sigma, background):
    """Though the cosine has none where the sine has all of it; there is no signal in a third of the columns."""
    pixels = phase(np.arange(192) / 2, sigma)
    outside = {"noise": np.random.default_rng(1).uniform(-np.pi, np.pi, (3, 192, 64)), "zero": 0, "nan": np.nan}
    if background != "none":
        pixels[:, :, 128:] = outside[background]
    meaning = Meaning(Volume.from_image(sitk.GetImageFromArray(pixels)), {"Modality": "MR", "ImageType": ["P"]})
    assert noise_of_phase(*meaning.parts(2), 2, MeasuredGrid((192, 192), (192, 192))) == pytest.approx(sigma, rel=0.1)


def test_noise_of_phase_is_removed():
    """With the shipped model, most of it; cosine and sine by themselves would lose a fifth."""
    image = sitk.GetImageFromArray(phase(np.arange(96.0), 0.1))
    set_sidecar(image, {"Modality": "MR", "ImageType": ["P"]})
    model, truth, errors = load_model("mri", "cpu"), phase((np.arange(192) - 0.5) / 2), []
    for share in (0, 1):
        result = sitk.GetArrayFromImage(upsample(image, 2, model=model, noise_reduction=share))
        error = np.angle(np.exp(1j * (result - truth)))[:, 8:-8, 8:-8]
        errors.append(np.sqrt(np.square(error).mean()))
    assert errors[1] < 0.6 * errors[0]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("scale", [2.0**-60, 2.0**110])
def test_noise_is_that_of_the_values_whatever_their_unit(scale):
    slices = noisy((3, 64, 64)).astype(np.float32)
    assert noise_level(slices * np.float32(scale)) == pytest.approx([scale * value for value in noise_level(slices)])
