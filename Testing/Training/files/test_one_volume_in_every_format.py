"""A volume is the same whatever format it comes in."""

import sys

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from .dicom_files import write_series

ACROSS, DOWN = np.array((0.8, 0.6, 0.0)), np.array((0.0, 0.0, -1.0))
SPACING = (0.8, 0.5, 3.0)  # between columns, rows and slices
ORIGIN = np.array((12.5, -30.25, 7.0))


@pytest.fixture
def in_every_format(tmp_path):
    """{format: path} of an oblique volume, each written by another library than reads it where there is one."""
    pixels = np.random.default_rng(0).integers(0, 3000, (4, 18, 15)).astype(np.int16)
    direction = np.column_stack([ACROSS, DOWN, np.cross(ACROSS, DOWN)])
    positions = [ORIGIN + k * SPACING[2] * direction[:, 2] for k in range(4)]
    orientation = (*ACROSS, *DOWN)
    write_series(tmp_path / "DICOM", pixels, positions, orientation=orientation, spacing=(SPACING[1], SPACING[0]))
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = direction * SPACING, ORIGIN
    nibabel.save(nibabel.Nifti1Image(pixels.T, np.diag((-1, -1, 1, 1)) @ affine), tmp_path / "volume.nii.gz")
    image = sitk.GetImageFromArray(pixels)
    image.SetSpacing(SPACING)
    image.SetOrigin(ORIGIN.tolist())
    image.SetDirection(direction.ravel().tolist())
    paths = {"DICOM": tmp_path / "DICOM", "NIfTI": tmp_path / "volume.nii.gz"}
    for name, extension in (("NRRD", ".nrrd"), ("MetaImage", ".mha")):
        paths[name] = tmp_path / f"volume{extension}"
        sitk.WriteImage(image, paths[name])
    return paths


def corners(image):
    size = image.GetSize()
    indices = np.stack(np.meshgrid(*((0, n - 1) for n in size), indexing="ij"), axis=-1).reshape(-1, 3).tolist()
    return np.array([image.TransformIndexToPhysicalPoint(index) for index in indices])


def test_results_have_the_same_voxels_at_the_same_place(upsample, in_every_format, tmp_path):
    results = {}
    for name, path in in_every_format.items():
        status, _, err = upsample(path, tmp_path / f"{name}.nrrd", "--scale", 2)
        assert status == 0, err
        results[name] = sitk.ReadImage(tmp_path / f"{name}.nrrd")
    first = results["NRRD"]
    expected = ORIGIN - 0.25 * (SPACING[0] * ACROSS + SPACING[1] * DOWN)  # half a new pixel beyond the old center
    assert corners(first)[0] == pytest.approx(expected, abs=1e-6)
    for result in results.values():
        np.testing.assert_array_equal(sitk.GetArrayFromImage(result), sitk.GetArrayFromImage(first))
        np.testing.assert_allclose(corners(result), corners(first), atol=1e-3)


def test_without_dcm2niix_all_but_dicom_works(upsample, refused, in_every_format, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "dcm2niix", None)
    for name, path in in_every_format.items():
        if name == "DICOM":
            assert "pip install dcm2niix" in refused(path, tmp_path / "out.nrrd", "--scale", 2)
        else:
            assert upsample(path, tmp_path / f"{name}.nrrd", "--scale", 2)[0] == 0
