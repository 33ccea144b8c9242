"""``nexpr demo``: the volumes, the figure and the table."""

import numpy as np
import pytest
import SimpleITK as sitk

pytest.importorskip("nilearn", reason="needs the extra demo")
pytest.importorskip("matplotlib", reason="needs the extra demo")
pytest.importorskip("torchmetrics", reason="needs the extra train")

from NExpRLib.kspace import kspace_crop  # noqa: E402
from NExpRTraining.data.brain_template import template_slices  # noqa: E402


@pytest.fixture
def few_slices(monkeypatch):
    monkeypatch.setattr("NExpRTraining.data.brain_template.SLICE_SPACING", 60)


def test_demo(nexpr, few_slices, tiny_model_folder, tmp_path):
    folder = tmp_path / "results"
    status, out, err = nexpr("demo", "--model", tiny_model_folder, "--device", "cpu", "--output", folder)
    assert (status, err) == (0, "")
    assert str(folder) in out
    assert sorted(p.name for p in folder.iterdir()) == ["figure.png", "input.nii.gz", "nexpr.nii.gz", "truth.nii.gz"]
    assert (folder / "figure.png").read_bytes().startswith(b"\x89PNG")

    low, result, truth = (sitk.ReadImage(folder / f"{name}.nii.gz") for name in ("input", "nexpr", "truth"))
    assert result.GetSize() == truth.GetSize()
    for image in (low, result):
        np.testing.assert_allclose(image.GetOrigin(), truth.GetOrigin(), atol=1e-4)
        extent = np.multiply(image.GetSize(), image.GetSpacing())
        np.testing.assert_allclose(extent, np.multiply(truth.GetSize(), truth.GetSpacing()), rtol=1e-5)
    measured, whole = (sitk.GetArrayFromImage(image) for image in (low, truth))
    np.testing.assert_allclose(measured, kspace_crop(whole, measured.shape[1:]), atol=1e-3)
    restored = sitk.GetArrayFromImage(result)
    assert np.corrcoef(restored.ravel(), whole.ravel())[0, 1] > 0.9

    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in out.splitlines() if line.startswith("|")]
    assert rows[0] == ["Method", "PSNR", "SSIM", "Consistency"]
    assert [row[0] for row in rows[2:]] == ["Zero-filling", "Bicubic", "Cubic B-spline", "NExpR"]
    zero_filling = dict(zip(rows[0], rows[2]))
    assert float(zero_filling["Consistency"]) > 100
    expected = 10 * np.log10(1 / np.mean((np.clip(restored, 0, 1) - whole) ** 2, axis=(1, 2))).mean()
    assert float(rows[-1][1]) == pytest.approx(expected, abs=0.05)


def test_template_lies_where_nilearn_says():
    from nilearn.datasets import load_mni152_template

    template, slices = load_mni152_template(resolution=1), template_slices()
    index = (90, 100, 8)
    x, y, z = slices.TransformIndexToPhysicalPoint(index)
    i, j, k, _ = np.linalg.solve(template.affine, (-x, -y, z, 1))
    value = np.asarray(template.dataobj)[round(i), round(j), round(k)]
    assert slices[index] == pytest.approx(value)
    assert value > 0.1


@pytest.mark.parametrize("scale", ["1", "0", "-2", "nan", "100"])
def test_bad_scale(nexpr, tmp_path, scale):
    status, _, err = nexpr("demo", "--scale", scale, "--output", tmp_path / "results")
    assert status == 2
    assert "above 1 and at most 8" in err
    assert not (tmp_path / "results").exists()


def test_folder_that_cannot_be_made(nexpr, tiny_model_folder, tmp_path):
    (tmp_path / "file").touch()
    status, _, err = nexpr("demo", "--model", tiny_model_folder, "--output", tmp_path / "file" / "results")
    assert status == 2
    assert "cannot be made" in err
