"""Quality of the shipped models on volumes that no training has seen."""

import numpy as np
import pytest
import SimpleITK as sitk

from NExpRLib import load_model, upsample
from NExpRLib.intensity import robust_range

pytest.importorskip("torchmetrics", reason="needs the extra train")

from NExpRTraining.evaluation.metrics import evaluate_slice, normalized_slices  # noqa: E402
from NExpRTraining.evaluation.restorers import NExpR, classical_methods  # noqa: E402
from NExpRTraining.studies.hard_borders import cut_slices, rim  # noqa: E402
from NExpRTraining.studies.noise_brightness import changes, settings  # noqa: E402
from NExpRTraining.studies.noise_gain import noise_gain  # noqa: E402
from NExpRTraining.studies.smooth_structures import height_and_shift  # noqa: E402
from NExpRTraining.studies.volumes import middle_slice, spline, whole_slice  # noqa: E402

SLICES_PER_VOLUME = 2


def middle_slices(folder, pattern, window=None):
    """Slices about the middle of each volume of the test set, in [0, 1]."""
    slices = []
    for path in sorted((folder / "test").glob(pattern)):
        pixels = sitk.GetArrayFromImage(sitk.ReadImage(path))
        volume = normalized_slices(pixels.reshape(-1, *pixels.shape[-2:]), window)
        first = max(0, len(volume) // 2 - 1)
        slices += list(volume[first : first + SLICES_PER_VOLUME])
    return slices


@pytest.mark.slow
@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize(
    ("name", "pattern", "degradation", "window", "gain"),
    [
        ("mri", "prostate_*", "kspace", None, 0.5),
        ("mri-fast", "prostate_*", "kspace", None, 0.4),
        ("ct", "ct_*.nii.gz", "bicubic", (-140, 260), 2.5),
        ("ct-fast", "ct_*.nii.gz", "bicubic", (-140, 260), 2.0),
    ],
    ids=["mri", "mri-fast", "ct", "ct-fast"],
)
def test_models_exceed_zero_filling_and_splines(real_data, name, pattern, degradation, window, gain, scale):
    methods = {**classical_methods(degradation), "NExpR": NExpR(degradation, load_model(name, "cpu"))}
    slices = middle_slices(real_data, pattern, window)
    results = [evaluate_slice(truth, scale, degradation, methods)[1] for truth in slices]
    psnr = {method: np.mean([result[method][1]["PSNR"] for result in results]) for method in methods}
    best = max(value for method, value in psnr.items() if method != "NExpR")
    assert psnr["NExpR"] > best + gain


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "volume", "least", "most"),
    [
        ("mri", "brain_t2w_oms-patient04-study1", 0.8, 1.1),
        ("mri-fast", "prostate_t2_tra_prostatex-0000", 0.8, 1.1),
        ("ct", "ct_liver_totalsegmentator", 0.8, 1.1),
        ("ct-fast", "ct_liver_totalsegmentator", 0.8, 1.1),
    ],
)
def test_noise_is_as_strong_as_the_readme_says(real_data, name, volume, least, most):
    model = load_model(name, "cpu")
    pixels = middle_slice(sitk.ReadImage(real_data / "test" / f"{volume}.nii.gz")).astype(np.float64)
    gain = noise_gain(lambda image: model.represent(image, (0, 1)).rasterize(2), pixels, 0.02)
    assert least < gain < most


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "volume", "limit"),
    [
        ("mri", "brain_t2w_oms-patient04-study1", 2.05),
        ("mri", "prostate_t2_sag_prostatex-0000", 1.2),
        ("ct", "ct_liver_totalsegmentator", 1.0),
        ("ct", "ct_head_base_dcm-qa-ct-ge", 1.0),
        ("ct-fast", "ct_liver_totalsegmentator", 1.0),
    ],
)
def test_overshoots_are_as_far_as_the_readme_says(real_data, name, volume, limit):
    model, pixels = load_model(name, "cpu"), whole_slice(sitk.ReadImage(real_data / "test" / f"{volume}.nii.gz"))
    of_model, of_spline = (rim(pixels, result) for result in (model.represent(pixels).rasterize(2), spline(pixels)))
    assert of_model.max() < limit * of_spline.max()


@pytest.mark.slow
def test_overshoots_of_an_image_that_the_scanner_interpolated(real_data):
    """As users get it, from the pixels that were measured: less far than from the stored ones."""
    image = sitk.ReadImage(real_data / "test" / "brain_t2w_oms-patient04-study1.nii.gz")
    middle = image.GetSize()[2] // 2
    low, high = robust_range(sitk.GetArrayViewFromImage(image))
    stored = sitk.Cast(image[:, :, middle - 1 : middle + 2], sitk.sitkFloat32)
    pixels, result = (
        (sitk.GetArrayFromImage(each)[1] - low) / (high - low) for each in (stored, upsample(stored, 2, device="cpu"))
    )
    assert rim(pixels, result).max() < 1.75 * rim(pixels, spline(pixels)).max()


@pytest.mark.parametrize(
    ("name", "volume"),
    [
        ("mri", "brain_t2w_oms-patient04-study1"),
        ("mri-fast", "prostate_t2_tra_prostatex-0000"),
        ("ct", "ct_liver_totalsegmentator"),
        ("ct", "ct_head_base_dcm-qa-ct-ge"),
        ("ct-fast", "ct_liver_totalsegmentator"),
    ],
)
def test_hardly_a_rim_beside_a_hard_border(name, volume, real_data):
    """Networks that take such a border for a blurred edge sharpen it to a rim of a thousand pixels, bright as bone."""
    model = load_model(name, "cpu")
    for pixels in cut_slices(sitk.ReadImage(real_data / "test" / f"{volume}.nii.gz")):
        of_model, of_spline = (rim(pixels, result) for result in (model.represent(pixels).rasterize(2), spline(pixels)))
        assert np.sum(of_model > 0.1) < 20
        assert np.mean(of_model > 0.02) < 1.2 * np.mean(of_spline > 0.02)


@pytest.mark.parametrize("sigma", [1.5, 2.0, 3.0])
@pytest.mark.parametrize(("name", "moved"), [("mri", 0.003), ("mri-fast", 0.003), ("ct", 0.003), ("ct-fast", 0.004)])
def test_smooth_structures_keep_their_height_and_place(name, moved, sigma):
    """A blob that its pixels determine, without noise: nothing says that a scanner has blurred it."""
    height, shift = height_and_shift(load_model(name, "cpu"), sigma, 0.0, np.random.default_rng(0))
    assert abs(height - 1) < 0.01
    assert shift < moved


@pytest.mark.parametrize("name", ["mri", "mri-fast", "mri-slices"])
def test_noisy_tissue_and_background_stay_as_bright_as_they_are(name):
    """Without noise reduction, and where the thickness of slices is a guess."""
    model = load_model(name, "cpu")
    of_tissue, of_background = changes(model, 10, settings(model.card)[0])
    assert abs(of_tissue) < 0.002
    assert abs(of_background) < 0.05
