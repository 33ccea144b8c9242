"""Inputs that cannot be upsampled; see the fixture ``refused`` for what each has to end with."""

import gzip
import os

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk


def image_of(pixels, **options):
    return sitk.GetImageFromArray(np.asarray(pixels), **options)


def labels():
    pixels = np.zeros((4, 30, 30), np.uint8)
    pixels[:, 5:20, 8:25] = 2
    return pixels


def with_value(value):
    pixels = np.random.default_rng(0).uniform(0, 1, (3, 10, 10)).astype(np.float32)
    pixels[1, 2, 3] = value
    return pixels


IMAGES = {
    "infinite": (image_of(with_value(np.inf)), ".mha", "NaN or infinite"),
    "RGB": (image_of(np.zeros((3, 10, 10, 3), np.uint8), isVector=True), ".nrrd", "one scalar channel"),
    "vector": (image_of(np.zeros((3, 10, 10, 2), np.float32), isVector=True), ".mha", "one scalar channel"),
    "labels": (image_of(labels()), ".nii.gz", "label map"),
    "complex": (image_of(with_value(1).astype(np.complex64)), ".nii", "magnitude"),
}


@pytest.mark.parametrize(("image", "extension", "said"), IMAGES.values(), ids=IMAGES)
def test_images_that_are_no_scalar_volume(refused, output, tmp_path, image, extension, said):
    sitk.WriteImage(image, tmp_path / f"in{extension}")
    assert said in refused(tmp_path / f"in{extension}", output, "--scale", 2)


@pytest.mark.parametrize("shape", [(3, 1, 1), (1, 1, 1), (1, 9, 9), (3, 9, 9)])
def test_single_pixels_single_slices_and_constants_work(upsample, output, tmp_path, shape):
    sitk.WriteImage(image_of(np.full(shape, 7, np.int16)), tmp_path / "in.nrrd")
    status, _, err = upsample(tmp_path / "in.nrrd", output, "--scale", 2, "--plane", "axial")
    assert (status, err) == (0, "")
    assert sitk.GetArrayFromImage(sitk.ReadImage(output)).shape == (shape[0], 2 * shape[1], 2 * shape[2])


def written(image, path):
    sitk.WriteImage(image, path, useCompression=not path.name.endswith((".raw.mha", ".raw.nrrd", ".nii", ".dcm")))
    return path


FORMATS = [".nii", ".nii.gz", ".mha", ".raw.mha", ".nrrd", ".raw.nrrd", ".dcm"]


def noise_file(path):
    pixels = np.random.default_rng(0).integers(0, 4000, (1, 60, 60), dtype=np.uint16)
    return written(image_of(pixels), path)


@pytest.mark.parametrize("extension", FORMATS)
@pytest.mark.parametrize("share", [0, 0.02, 0.5, 0.97])
def test_empty_and_truncated_files(refused, output, tmp_path, extension, share):
    path = noise_file(tmp_path / f"in{extension}")
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert "in" + extension in refused(path, output, "--scale", 2)


@pytest.mark.parametrize("extension", FORMATS)
def test_files_that_lack_the_last_two_bytes(refused, output, tmp_path, extension):
    path = noise_file(tmp_path / f"in{extension}")
    path.write_bytes(path.read_bytes()[:-2])
    assert "cannot be read" in refused(path, output, "--scale", 2)


@pytest.mark.parametrize("extension", FORMATS)
def test_files_that_hold_something_else(refused, output, tmp_path, extension):
    path = tmp_path / f"in{extension}"
    path.write_text("This is a text that has nothing to do with volumes. " * 50)
    assert "cannot be read" in refused(path, output, "--scale", 2)


@pytest.mark.parametrize("extension", [".nii.gz", ".mha", ".nrrd"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.999])
def test_flipped_bits_in_compressed_voxels(refused, output, tmp_path, extension, share):
    noise = image_of(np.random.default_rng(0).integers(0, 4000, (2, 60, 60), dtype=np.int16))
    path = written(noise, tmp_path / f"in{extension}")
    content = bytearray(path.read_bytes())
    content[int(share * len(content))] ^= 0x10
    path.write_bytes(content)
    assert "cannot be read" in refused(path, output, "--scale", 2)


def test_truncation_hidden_by_compressing_again(refused, volume, output, tmp_path):
    plain = written(volume, tmp_path / "plain.nii").read_bytes()
    (tmp_path / "in.nii.gz").write_bytes(gzip.compress(plain[:-100]))
    assert "incomplete" in refused(tmp_path / "in.nii.gz", output, "--scale", 2)


def test_header_without_its_data_file(refused, volume, output, tmp_path):
    sitk.WriteImage(volume, tmp_path / "in.mhd")
    (tmp_path / "in.raw").unlink()
    assert "cannot be read" in refused(tmp_path / "in.mhd", output, "--scale", 2)


def test_flipped_bits_in_a_compressed_data_file(refused, output, tmp_path):
    noise = image_of(np.random.default_rng(0).integers(0, 4000, (2, 60, 60), dtype=np.int16))
    sitk.WriteImage(noise, tmp_path / "in.mhd", useCompression=True)
    content = bytearray((tmp_path / "in.zraw").read_bytes())
    content[len(content) // 2] ^= 0x10
    (tmp_path / "in.zraw").write_bytes(content)
    assert "cannot be read" in refused(tmp_path / "in.mhd", output, "--scale", 2)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read anything")
def test_file_without_permission(refused, volume, output, tmp_path):
    path = written(volume, tmp_path / "in.nii")
    path.chmod(0)
    assert "no permission" in refused(path, output, "--scale", 2)


def test_nifti_with_sheared_axes(refused, output, tmp_path):
    affine = np.eye(4)
    affine[0, 1] = 0.3
    image = nibabel.Nifti1Image(np.random.default_rng(0).random((12, 10, 3), dtype=np.float32), affine)
    nibabel.save(image, tmp_path / "in.nii")
    assert "axes are not at right angles" in refused(tmp_path / "in.nii", output, "--scale", 2)


def test_2d_nifti(upsample, output, tmp_path):
    image = image_of(np.random.default_rng(0).random((12, 10), dtype=np.float32))
    image.SetOrigin((-20, 30))
    path = written(image, tmp_path / "in.nii")
    assert upsample(path, output, "--scale", 2)[0] == 0


def test_two_orientations_are_said(upsample, volume, tmp_path):
    path = written(volume, tmp_path / "in.nii")
    status, out, _ = upsample(path, tmp_path / "same.nii", "--scale", 2)
    assert (status, "orientations in the file" in out) == (0, False)
    image = nibabel.load(path)
    header = image.header.copy()
    header["qform_code"], header["sform_code"] = 1, 4
    header["srow_y"][3] += 31
    nibabel.save(nibabel.Nifti1Image(np.asarray(image.dataobj), None, header), tmp_path / "two.nii")
    status, out, _ = upsample(tmp_path / "two.nii", tmp_path / "out.nii", "--scale", 2)
    assert status == 0
    assert "differ by up to 31 mm" in out


@pytest.mark.parametrize("unit", ["meter", "micron"])
@pytest.mark.parametrize("shape", [(12, 10, 3), (12, 10)])
def test_units_are_no_other_orientation(upsample, tmp_path, unit, shape):
    affine = np.diag([0.5, 0.5, 2, 1])
    image = nibabel.Nifti1Image(np.random.default_rng(0).random(shape, dtype=np.float32), affine)
    image.header.set_xyzt_units(unit)
    nibabel.save(image, tmp_path / "in.nii")
    status, out, _ = upsample(tmp_path / "in.nii", tmp_path / "out.nii", "--scale", 2)
    assert (status, "orientations in the file" in out) == (0, False)


@pytest.mark.skipif(os.name != "posix", reason="names are Unicode here")
def test_names_that_are_no_utf8(refused, volume, output, tmp_path):
    path = written(volume, tmp_path / "in.nii")
    bad = os.fsdecode(bytes(tmp_path) + b"/in\xff.nii")
    assert "UTF-8" in refused(path, os.fsdecode(bytes(tmp_path) + b"/out\xff.nii"), "--scale", 2)
    os.rename(path, bad)
    assert "UTF-8" in refused(bad, output, "--scale", 2)


def test_missing_input(refused, output, tmp_path):
    assert "no file or folder" in refused(tmp_path / "nowhere.nii.gz", output, "--scale", 2)
    assert "no file or folder" in refused(tmp_path / "nowhere", tmp_path / "out", "--scale", 2)


def test_folder_without_volumes(refused, tmp_path):
    (tmp_path / "in").mkdir()
    assert "no volume" in refused(tmp_path / "in", tmp_path / "out", "--scale", 2)
    (tmp_path / "in" / "notes.txt").write_text("text")
    assert "no volume" in refused(tmp_path / "in", tmp_path / "out", "--scale", 2)
    assert not (tmp_path / "out").exists()


def test_nifti_of_the_other_byte_order(upsample, tmp_path):
    pixels = np.random.default_rng(0).random((12, 10, 3)).astype(">f4")
    nibabel.save(nibabel.Nifti1Image(pixels, np.eye(4), nibabel.Nifti1Header(endianness=">")), tmp_path / "in.nii")
    assert upsample(tmp_path / "in.nii", tmp_path / "out.nii", "--scale", 2)[0] == 0


def test_orientations_that_differ_by_a_voxel_are_said(upsample, volume, tmp_path):
    image = nibabel.load(written(volume, tmp_path / "in.nii"))
    header = image.header.copy()
    header["qform_code"], header["sform_code"] = 1, 4
    header["srow_y"][3] += 1
    nibabel.save(nibabel.Nifti1Image(np.asarray(image.dataobj), None, header), tmp_path / "two.nii")
    assert "differ by up to 1 mm" in upsample(tmp_path / "two.nii", tmp_path / "out.nii", "--scale", 2)[1]
