"""``nexpr upsample`` on what files hold beyond one scalar volume, and on what is left of earlier runs."""

import os
import time

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from NExpRLib import upsample as upsample_image
from NExpRTraining.files.volume_files import atomic_output

from ..files.dicom_files import write_series
from ..fuzz import fuzz

UP = [(0, 0, 3.0 * k) for k in range(4)]


def noise(shape=(4, 15, 18), low=-200, high=900, dtype=np.int16):
    return np.random.default_rng(0).integers(low, high, shape).astype(dtype)


def voxels(path):
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


@pytest.mark.parametrize("extension", [".nii.gz", ".nrrd", ".mha"])
def test_time_series(upsample, tmp_path, extension):
    pixels = noise((3, 4, 15, 18))
    image = nibabel.Nifti1Image(pixels.T, np.diag([0.5, 0.75, 3, 1]))
    image.header.set_zooms((0.5, 0.75, 3, 2.5))
    nibabel.save(image, tmp_path / "in.nii")
    status, out, err = upsample(tmp_path / "in.nii", tmp_path / f"out{extension}", "--scale", 2)
    assert (status, err) == (0, "")
    assert "3 times 18 x 15 x 4 voxels" in out
    result = voxels(tmp_path / f"out{extension}")
    assert result.shape == (3, 4, 30, 36)
    for number in range(3):
        single = nibabel.Nifti1Image(pixels[number].T, np.diag([0.5, 0.75, 3, 1]))
        nibabel.save(single, tmp_path / "single.nii")
        upsample(tmp_path / "single.nii", tmp_path / "single.nrrd", "--scale", 2)
        assert np.array_equal(result[number], voxels(tmp_path / "single.nrrd"))
    if extension == ".nii.gz":
        header = nibabel.load(tmp_path / "out.nii.gz").header
        assert header.get_zooms() == pytest.approx((0.25, 0.375, 3, 2.5))


def test_volume_of_a_time_series_that_cannot_be_used_is_named(refused, tmp_path):
    pixels = noise((3, 4, 15, 18)).astype(np.float32)
    pixels[1] = np.nan
    nibabel.save(nibabel.Nifti1Image(pixels.T, np.eye(4)), tmp_path / "in.nii")
    assert "Volume 2 of 3: The image contains no data" in refused(
        tmp_path / "in.nii", tmp_path / "out.nii", "--scale", 2, "--plane", 2
    )


def test_time_series_like_itself(upsample, tmp_path):
    nibabel.save(nibabel.Nifti1Image(noise((3, 4, 15, 18)).T, np.diag([0.5, 0.75, 3, 1])), tmp_path / "in.nii.gz")
    assert upsample(tmp_path / "in.nii.gz", tmp_path / "out.nii.gz", "--like", tmp_path / "in.nii.gz")[0] == 0
    assert voxels(tmp_path / "out.nii.gz").shape == (3, 4, 15, 18)


def test_range_and_fill(upsample, tmp_path):
    sitk.WriteImage(sitk.GetImageFromArray(noise(low=-500, high=500)), tmp_path / "in.nrrd")
    reference = sitk.Image((60, 60, 4), sitk.sitkUInt8)
    reference.SetSpacing((0.5, 0.5, 1))
    sitk.WriteImage(reference, tmp_path / "reference.nrrd")
    target = ("--like", tmp_path / "reference.nrrd")
    assert upsample(tmp_path / "in.nrrd", tmp_path / "out.nrrd", *target, "--fill", -7, "--range", "keep")[0] == 0
    result = voxels(tmp_path / "out.nrrd")
    assert (result[:, 31:] == -7).all()
    assert (result.min(), result.max()) == (-500, 499)


def test_each_volume_gets_the_model_of_its_modality(upsample, nexpr, tmp_path):
    write_series(tmp_path / "in", noise(), UP, modality="CT", SeriesInstanceUID="1.2.3.1", SeriesDescription="ct")
    mr = write_series(tmp_path / "mr", noise(low=0), UP, SeriesInstanceUID="1.2.3.2", SeriesDescription="mr")
    for path in mr.iterdir():
        path.rename(tmp_path / "in" / f"mr{path.name}")
    status, out, _ = nexpr("upsample", tmp_path / "in", tmp_path / "out", "--scale", 2, "--device", "cpu")
    assert status == 0
    assert 'Model "ct"' in out
    assert 'Model "mri"' in out
    assert "was trained on" not in out
    named = ("--model", "mri-fast", "--device", "cpu")
    status, out, _ = nexpr("upsample", tmp_path / "in", tmp_path / "named", "--scale", 2, *named)
    assert out.count('The volume is CT, and the model "mri-fast" was trained on MR.') == 1


@pytest.mark.parametrize(("air", "chosen"), [(-1000, "ct"), (0, "mri")])
def test_without_a_header_the_values_choose_the_model(nexpr, tmp_path, air, chosen):
    pixels = np.random.default_rng(0).normal(air, 5, (2, 16, 16)).round()
    pixels[:, 4:12, 4:12] += 1000
    image = sitk.GetImageFromArray(pixels.astype(np.int16))
    sitk.WriteImage(image, tmp_path / "in.nii.gz")
    options = ("--scale", 2, "--measured", "stored", "--device", "cpu")
    status, out, _ = nexpr("upsample", tmp_path / "in.nii.gz", tmp_path / "out.nii.gz", *options)
    assert status == 0
    assert f'The model "{chosen}" is taken: no header names the modality, and' in out
    by_default, named = (upsample_image(image, 2, device="cpu", **model) for model in ({}, {"model": chosen}))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(by_default), sitk.GetArrayFromImage(named))
    status, out, _ = nexpr("upsample", tmp_path / "in.nii.gz", tmp_path / "out.nii.gz", *options, "--model", "mri-fast")
    assert "is taken" not in out
    assert ("The volume is CT, and the model" in out) == (chosen == "ct")


def test_formats_that_are_not_read_are_named(refused, tmp_path):
    sitk.WriteImage(sitk.GetImageFromArray(noise((15, 18), 0, 255, np.uint8)), tmp_path / "in.png")
    assert "no NIfTI, NRRD, MetaImage, MGH or DICOM" in refused(tmp_path / "in.png", tmp_path / "out.nii", "--scale", 2)


@pytest.mark.parametrize("extension", [".nrrd", ".mha"])
def test_sizes_that_are_not_said_are_noted(upsample, tmp_path, extension):
    path = tmp_path / f"in{extension}"
    sitk.WriteImage(sitk.GetImageFromArray(noise()), path)
    lines = path.read_bytes().split(b"\n")
    left = [line for line in lines if not line.startswith((b"space directions", b"ElementSpacing"))]
    of_space = (b"space origin: (0,0,0)\n", b"space: left-posterior-superior\n")
    content = b"\n".join(left)
    for line in of_space:
        content = content.replace(line, b"")
    path.write_bytes(content)
    status, out, _ = upsample(path, tmp_path / "out.nrrd", "--scale", 2)
    assert (status, "taken for 1 mm" in out) == (0, True)


META = {
    "NDims": ("NDims = -1", "NDims"),
    "no size": ("DimSize = 18 0 4", "DimSize"),
    "no spacing": ("ElementSpacing = 1 0 1", "ElementSpacing"),
    "no number": ("ElementSpacing = 1 nan 1", "ElementSpacing"),
    "no type": ("ElementType = MET_SOMETHING", "ElementType"),
    "too large": ("DimSize = 18 15 400", "incomplete"),
}


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize(("line", "said"), META.values(), ids=META)
def test_metaimage_headers_that_make_no_sense(refused, tmp_path, line, said, compressed):
    path = tmp_path / "in.mha"
    sitk.WriteImage(sitk.GetImageFromArray(noise()), path, compressed)
    key = line.split(" = ")[0].encode()
    lines = [line.encode() if own.startswith(key) else own for own in path.read_bytes().split(b"\n")]
    path.write_bytes(b"\n".join(lines))
    assert said in refused(path, tmp_path / "out.nrrd", "--scale", 2)


@pytest.mark.parametrize("size", [None, b"1", b"99999"])
def test_compressed_size_of_a_metaimage_may_be_wrong(upsample, tmp_path, size):
    """ITK would return memory that nobody has written."""
    sitk.WriteImage(sitk.GetImageFromArray(noise()), tmp_path / "right.mha", True)
    lines = (tmp_path / "right.mha").read_bytes().split(b"\n")
    where = next(n for n, line in enumerate(lines) if line.startswith(b"CompressedDataSize"))
    lines[where : where + 1] = [] if size is None else [b"CompressedDataSize = " + size]
    (tmp_path / "in.mha").write_bytes(b"\n".join(lines))
    for name in ("right", "in"):
        assert upsample(tmp_path / f"{name}.mha", tmp_path / f"{name}.nrrd", "--scale", 2)[0] == 0
    assert np.array_equal(voxels(tmp_path / "in.nrrd"), voxels(tmp_path / "right.nrrd"))


def test_names_that_are_too_long_are_found_before_the_run(refused, tmp_path):
    sitk.WriteImage(sitk.GetImageFromArray(noise()), tmp_path / "in.nrrd")
    assert "too long" in refused(tmp_path / "in.nrrd", tmp_path / f"{'a' * 252}.nrrd", "--scale", 2)


@pytest.mark.parametrize("length", [243, 248])
def test_names_that_are_nearly_too_long_work(upsample, tmp_path, length):
    sitk.WriteImage(sitk.GetImageFromArray(noise()), tmp_path / "in.nrrd")
    assert upsample(tmp_path / "in.nrrd", tmp_path / f"{'a' * length}.nrrd", "--scale", 2)[0] == 0


def test_what_a_killed_run_left_is_removed_by_the_next(tmp_path):
    with atomic_output(tmp_path / "out.nrrd") as temporary:
        left = tmp_path / f".out.{0:016x}.part.nrrd"
        left.write_text("half")
        os.utime(left, times=(time.time() - 4000,) * 2)
        temporary.write_text("of a run that goes on")
        with atomic_output(tmp_path / "out.nrrd") as again:
            again.write_text("whole")
        assert not left.exists()
        assert temporary.read_text() == "of a run that goes on"
    assert [path.name for path in tmp_path.iterdir()] == ["out.nrrd"]


def test_runs_side_by_side_in_containers_do_not_share_files(tmp_path, monkeypatch):
    """There, processes have the same number, and do not see each other."""
    monkeypatch.setattr(os, "getpid", lambda: 1)
    names = [f"{'sub-1_ses-1_task-rest_acq-highres_run-01_' * 2}echo-{echo}.nii.gz" for echo in (1, 2)]
    with atomic_output(tmp_path / names[0]) as first, atomic_output(tmp_path / names[1]) as second:
        first.write_text("1")
        second.write_text("2")
    assert [(tmp_path / name).read_text() for name in names] == ["1", "2"]


def test_broken_files_end_well(upsample, tiny_model_folder):
    """A few of those of ``python -m Testing.Training.fuzz``."""
    failures, _ = fuzz(40, seed=3, run=lambda source, output: upsample(source, output, "--scale", 2, "--plane", 2))
    assert not failures
