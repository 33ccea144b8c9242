"""``nexpr upsample`` on files."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

import NExpRLib
from NExpRLib import load_model

EXTENSIONS = [".nii", ".nii.gz", ".nrrd", ".mha"]


def assert_same_image(image, expected):
    """NIfTI stores spacing and direction in single precision."""
    assert image.GetSize() == expected.GetSize()
    assert image.GetPixelID() == expected.GetPixelID()
    np.testing.assert_allclose(image.GetSpacing(), expected.GetSpacing(), rtol=1e-6)
    np.testing.assert_allclose(image.GetOrigin(), expected.GetOrigin(), atol=1e-4)
    np.testing.assert_allclose(image.GetDirection(), expected.GetDirection(), atol=1e-6)
    assert np.abs(sitk.GetArrayFromImage(image).astype(float) - sitk.GetArrayFromImage(expected)).max() <= 1


@pytest.mark.parametrize("written", EXTENSIONS)
@pytest.mark.parametrize("read", [*EXTENSIONS, ".mhd"])
def test_formats(upsample, volume, tiny_model, tmp_path, read, written):
    source, output = tmp_path / f"in{read}", tmp_path / f"out{written}"
    sitk.WriteImage(volume, source)
    before = sorted(tmp_path.iterdir())
    status, out, err = upsample(source, output, "--scale", 2.5)
    assert (status, err) == (0, "")
    assert str(output) in out
    sidecars = [tmp_path / "out.json"] if ".nii" in written else []
    assert sorted(tmp_path.iterdir()) == sorted([*before, output, *sidecars])
    assert_same_image(sitk.ReadImage(output), NExpRLib.upsample(volume, 2.5, model=tiny_model))


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        (["--scale", "2,3.3"], {"scale": (2, 3.3)}),
        (["--spacing", "0.3"], {"spacing": 0.3}),
        (["--spacing", "0.25,0.3"], {"spacing": (0.25, 0.3)}),
        (["--size", "40", "37"], {"size": (40, 37)}),
        (["--scale", "2", "--plane", "sagittal"], {"scale": 2, "plane": "sagittal"}),
        (["--scale", "2", "--plane", "0"], {"scale": 2, "plane": 0}),
        (["--scale", "2.2", "--grid", "kspace"], {"scale": 2.2, "grid": "kspace"}),
        (["--scale", "2.2", "--data-consistency"], {"scale": 2.2, "data_consistency": True}),
    ],
    ids=str,
)
def test_options(upsample, volume, tiny_model, tmp_path, arguments, options):
    sitk.WriteImage(volume, tmp_path / "in.nrrd")
    status, _, err = upsample(tmp_path / "in.nrrd", tmp_path / "out.nrrd", *arguments)
    assert (status, err) == (0, "")
    assert_same_image(sitk.ReadImage(tmp_path / "out.nrrd"), NExpRLib.upsample(volume, **options, model=tiny_model))


def test_like_a_reference(upsample, volume, tmp_path):
    reference = sitk.Image((40, 50, 4), sitk.sitkUInt8)
    reference.SetDirection(volume.GetDirection())
    reference.SetOrigin(volume.TransformContinuousIndexToPhysicalPoint((1.3, 2.1, 0)))
    reference.SetSpacing((0.3, 0.2, 4.0))
    sitk.WriteImage(volume, tmp_path / "in.nrrd")
    sitk.WriteImage(reference, tmp_path / "reference.nrrd")
    status, _, err = upsample(tmp_path / "in.nrrd", tmp_path / "out.nrrd", "--like", tmp_path / "reference.nrrd")
    assert (status, err) == (0, "")
    result = sitk.ReadImage(tmp_path / "out.nrrd")
    assert result.GetSize() == reference.GetSize()
    np.testing.assert_allclose(result.GetOrigin(), reference.GetOrigin(), atol=1e-9)
    np.testing.assert_allclose(result.GetSpacing(), reference.GetSpacing(), rtol=1e-9)


def test_2d_image(upsample, tmp_path):
    image = sitk.GetImageFromArray(np.random.default_rng(0).uniform(0, 1, (12, 15)).astype(np.float32))
    sitk.WriteImage(image, tmp_path / "in.mha")
    assert upsample(tmp_path / "in.mha", tmp_path / "out.mha", "--scale", 2)[0] == 0
    assert sitk.ReadImage(tmp_path / "out.mha").GetSize() == (30, 24)


def test_existing_output_is_replaced(upsample, volume, tmp_path):
    sitk.WriteImage(volume, tmp_path / "in.nrrd")
    (tmp_path / "out.nrrd").write_text("old")
    assert upsample(tmp_path / "in.nrrd", tmp_path / "out.nrrd", "--scale", 2)[0] == 0
    assert sitk.ReadImage(tmp_path / "out.nrrd").GetSize() == (36, 30, 4)


def test_folder_of_volumes(upsample, volume, tmp_path):
    source, output = tmp_path / "in", tmp_path / "new" / "out"
    source.mkdir()
    for name in ("a.nii.gz", "b.nrrd", "c.mhd"):
        sitk.WriteImage(volume, source / name)
    (source / "notes.txt").write_text("no volume")
    (source / ".hidden.nii").write_text("no volume")
    status, _, err = upsample(source, output, "--scale", 2)
    assert (status, err) == (0, "")
    assert sorted(path.name for path in output.iterdir()) == ["a.json", "a.nii.gz", "b.nrrd", "c.mha"]
    for path in output.glob("*.*[!n]"):
        assert sitk.ReadImage(path).GetSize() == (36, 30, 4)


def test_folder_for_one_volume(upsample, volume, tmp_path):
    sitk.WriteImage(volume, tmp_path / "in.nrrd")
    (tmp_path / "out").mkdir()
    assert upsample(tmp_path / "in.nrrd", tmp_path / "out", "--scale", 2)[0] == 0
    assert sitk.ReadImage(tmp_path / "out" / "in.nrrd").GetSize() == (36, 30, 4)


def test_subfolders_are_not_passed_over_in_silence(upsample, refused, volume, tmp_path):
    source = tmp_path / "in"
    (source / "visit2").mkdir(parents=True)
    sitk.WriteImage(volume, source / "visit2" / "b.nrrd")
    assert "subfolders are not searched" in refused(source, tmp_path / "out", "--scale", 2)
    sitk.WriteImage(volume, source / "a.nrrd")
    status, out, _ = upsample(source, tmp_path / "out", "--scale", 2)
    assert status == 0
    assert "subfolders are not searched: visit2" in out


def test_one_bad_volume_of_a_folder_is_named_and_the_others_are_written(upsample, volume, tmp_path):
    source, output = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for name in ("a.nrrd", "c.nrrd"):
        sitk.WriteImage(volume, source / name)
    (source / "b.nrrd").write_text("damaged")
    status, _, err = upsample(source, output, "--scale", 2)
    assert status == 2
    assert "b.nrrd" in err
    assert "1 of 3 volumes" in err
    assert "Traceback" not in err
    assert sorted(path.name for path in output.iterdir()) == ["a.nrrd", "c.nrrd"]


def write_dicom_series(volume, folder, series="1"):
    """One file per slice of an axial volume."""
    folder.mkdir(exist_ok=True)
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    direction = volume.GetDirection()
    orientation = [direction[3 * row + column] for column in (0, 1) for row in range(3)]
    for k in range(volume.GetSize()[2]):
        image = volume[:, :, k]
        position = volume.TransformIndexToPhysicalPoint((0, 0, k))
        for key, value in {
            "0008|0060": "MR",
            "0008|0016": "1.2.840.10008.5.1.4.1.1.4",
            "0008|0018": f"1.2.826.0.1.3680043.2.1125.{series}.{k + 1}",
            "0020|000d": "1.2.826.0.1.3680043.2.1125.100",
            "0020|000e": f"1.2.826.0.1.3680043.2.1125.{series}",
            "0020|0013": str(k + 1),
            "0020|0032": "\\".join(f"{x:.6f}" for x in position),
            "0020|0037": "\\".join(f"{x:.6f}" for x in orientation),
        }.items():
            image.SetMetaData(key, value)
        writer.SetFileName(str(folder / f"{series}-{k}.dcm"))
        writer.Execute(image)


@pytest.fixture
def dicom(volume, tmp_path):
    volume = volume + 300
    volume.SetDirection((1, 0, 0, 0, 1, 0, 0, 0, 1))
    write_dicom_series(volume, tmp_path / "series")
    return tmp_path / "series", volume


def test_dicom_series(upsample, dicom, tiny_model, tmp_path):
    folder, volume = dicom
    status, _, err = upsample(folder, tmp_path / "out.nrrd", "--scale", 2)
    assert (status, err) == (0, "")
    assert_same_image(sitk.ReadImage(tmp_path / "out.nrrd"), NExpRLib.upsample(volume, 2, model=tiny_model))


def test_dicom_series_with_a_missing_slice_is_refused(upsample, dicom, tmp_path):
    folder, _ = dicom
    (folder / "1-1.dcm").unlink()
    status, _, err = upsample(folder, tmp_path / "out.nrrd", "--scale", 2)
    assert status == 2
    assert "4 to 8 mm apart" in err
    assert not (tmp_path / "out.nrrd").exists()


def test_several_dicom_series_of_a_folder(upsample, dicom, tmp_path):
    folder, volume = dicom
    write_dicom_series(volume, folder, series="2")
    status, _, err = upsample(folder, tmp_path / "out.nrrd", "--scale", 2)
    assert status == 2
    assert "2 volumes" in err
    assert upsample(folder, tmp_path / "out", "--scale", 2)[0] == 0
    assert len(list((tmp_path / "out").glob("*.nii.gz"))) == 2


def test_scale_above_the_trained_range_is_noted(upsample, volume, tmp_path):
    sitk.WriteImage(volume, tmp_path / "in.nrrd")
    assert "above the 4x" in upsample(tmp_path / "in.nrrd", tmp_path / "out.nrrd", "--scale", 5)[1]
    assert "above the 4x" not in upsample(tmp_path / "in.nrrd", tmp_path / "out.nrrd", "--scale", 4)[1]


@pytest.mark.parametrize(("side", "hint"), [("out.nrrd", ": name files before it"), ("0.5,0.9", ""), ("0", "")])
def test_what_is_no_side_of_voxels_is_said(upsample, volume, tmp_path, side, hint):
    sitk.WriteImage(volume, tmp_path / "in.nrrd")
    status, _, err = upsample(tmp_path / "in.nrrd", "--isotropic", side, "-o", tmp_path / "out.nrrd")
    assert status == 2
    assert f"{side} is not a positive number below a billion{hint} (see" in err


@pytest.mark.parametrize(("distance", "noted"), [(4.0, False), (12.0, True)])
def test_slices_further_apart_than_was_trained_for_are_noted(upsample, tmp_path, distance, noted):
    image = sitk.GetImageFromArray(np.random.default_rng(0).normal(300, 60, (4, 8, 8)).astype(np.float32))
    image.SetSpacing([1.0, 1.0, distance])
    sitk.WriteImage(image, tmp_path / "in.nrrd")
    options = "--isotropic", "--slices-model", "mri-slices"
    status, out, _ = upsample(tmp_path / "in.nrrd", tmp_path / "out.nrrd", *options)
    assert status == 0
    assert ("The slices are 12 pixels apart, above the 8" in out) is noted


def test_function_behind_the_written_volume(upsample, volume, tiny_model_folder, tmp_path):
    """The command, the saved function and the written volume agree."""
    sitk.WriteImage(volume, tmp_path / "in.nrrd")
    upsample(tmp_path / "in.nrrd", tmp_path / "out.nrrd", "--scale", 3)
    model, pixels = load_model(tiny_model_folder, "cpu"), sitk.GetArrayFromImage(volume)
    expected = model.represent(pixels[1], model.intensity_range(pixels)).rasterize(3)
    result = sitk.GetArrayFromImage(sitk.ReadImage(tmp_path / "out.nrrd"))[1]
    assert np.abs(result - expected).max() < 0.51


def test_installed_command(volume, tiny_model_folder, tmp_path):
    command = shutil.which("nexpr", path=Path(sys.executable).parent)
    if command is None:
        pytest.skip("the package is not installed")
    sitk.WriteImage(volume, tmp_path / "in.nrrd")
    arguments = ["upsample", "in.nrrd", "out.nrrd", "--scale", "2", "--model", tiny_model_folder]
    finished = subprocess.run([command, *arguments], cwd=tmp_path, capture_output=True, text=True)
    assert (finished.returncode, finished.stderr) == (0, "")
    assert "Written: out.nrrd" in finished.stdout
    assert (tmp_path / "out.nrrd").exists()


def test_scale_above_the_trained_range_along_one_axis_is_noted(upsample, volume, tmp_path):
    sitk.WriteImage(volume, tmp_path / "in.nrrd")
    for scales in ("1.5,6", "6,1.5"):
        assert "6.00x is above the 4x" in upsample(tmp_path / "in.nrrd", tmp_path / "out.nrrd", "--scale", scales)[1]


def test_scale_above_the_trained_range_counts_measured_pixels_and_says_so(upsample, volume, tmp_path):
    sitk.WriteImage(volume, tmp_path / "in.nrrd")
    said = upsample(tmp_path / "in.nrrd", tmp_path / "out.nrrd", "--scale", 3, "--measured", "0.5,1.5")[1]
    assert "Measured, as named: 0.5 x 1.5 mm (rows x columns)." in said
    assert "6.00x the measured pixels is above the 4x" in said


def test_dicom_series_into_a_folder_is_compressed_nifti(upsample, dicom, tmp_path):
    assert upsample(dicom[0], tmp_path / "out", "--scale", 2)[0] == 0
    assert [path.name for path in (tmp_path / "out").glob("*.nii*")] == ["series.nii.gz"]
