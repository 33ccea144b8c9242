"""Quality of the shipped models on volumes that no training has seen."""

import numpy as np
import pytest
import SimpleITK as sitk

from NExpRLib import load_model
from NExpRLib.model_card import model_names

pytest.importorskip("torchmetrics", reason="needs the extra train")

from Training.evaluation import evaluate_slice, normalized_slices  # noqa: E402
from Training.restorers import NExpR, classical_methods  # noqa: E402

from .hard_borders import cut_slices, rim, spline  # noqa: E402

SLICES_PER_VOLUME = 2


@pytest.fixture(scope="module")
def prostate_slices(real_data):
    """Slices about the middle of each prostate volume of the test set, in [0, 1]."""
    slices = []
    for path in sorted((real_data / "test").glob("prostate_*")):
        image = sitk.ReadImage(path)
        volume = normalized_slices(sitk.GetArrayFromImage(image))
        middle = len(volume) // 2
        slices += list(volume[middle - 1 : middle - 1 + SLICES_PER_VOLUME])
    return slices


@pytest.fixture(scope="module")
def mri_model():
    if "mri" not in model_names():
        pytest.skip("the model mri is not in the package")
    return load_model("mri", "cpu")


@pytest.mark.slow
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_mri_model_exceeds_zero_filling_and_splines(mri_model, prostate_slices, scale):
    methods = {**classical_methods("kspace"), "NExpR": NExpR("kspace", mri_model)}
    results = [evaluate_slice(truth, scale, "kspace", methods)[1] for truth in prostate_slices]
    psnr = {name: np.mean([result[name][1]["PSNR"] for result in results]) for name in methods}
    assert psnr["NExpR"] > psnr["Zero-filling"] + 0.5
    assert psnr["NExpR"] > psnr["Cubic B-spline"] + 0.5
    assert psnr["NExpR"] > psnr["Bicubic"] + 0.5


@pytest.mark.parametrize(
    ("name", "volume"),
    [
        ("mri", "brain_t2w_oms-patient04-study1"),
        ("mri-fast", "prostate_t2_tra_prostatex-0000"),
        ("ct", "ct_liver_totalsegmentator"),
        ("ct", "ct_head_base_dcm-qa-ct-ge"),
    ],
)
def test_hardly_a_rim_beside_a_hard_border(name, volume, real_data):
    """Networks that take such a border for a blurred edge sharpen it to a rim of a thousand pixels, bright as bone."""
    model = load_model(name, "cpu")
    for pixels in cut_slices(real_data / "test" / f"{volume}.nii.gz"):
        of_model, of_spline = (rim(pixels, result) for result in (model.represent(pixels).rasterize(2), spline(pixels)))
        assert np.sum(of_model > 0.1) < 20
        assert np.mean(of_model > 0.02) < np.mean(of_spline > 0.02)
