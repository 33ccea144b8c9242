"""NIfTI files against nibabel: voxels, what is kept, and what cannot be read."""

import gzip

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from NExpRLib.volumes.sidecar import sidecar_of
from NExpRTraining.files.volume_files import read_volume, write_volume

from .nifti_files import TURN, affine_of, agrees, pixels, written


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.hdr", "a.img", "a.mgz", "a.mgh", "b.nii", "A.NII.GZ"])
def test_formats(tmp_path, name):
    kinds = {"a.hdr": nibabel.Nifti1Pair, "a.img": nibabel.Nifti1Pair, "b.nii": nibabel.Nifti2Image}
    path = tmp_path / name
    if name.startswith("a.mg"):
        nibabel.save(nibabel.MGHImage(pixels(), affine_of()), path)
    else:
        written(path, kind=kinds.get(name, nibabel.Nifti1Image))
    assert agrees(read_volume(path), path)


def test_both_files_of_a_pair_are_one_volume(upsample, tmp_path):
    (tmp_path / "in").mkdir()
    written(tmp_path / "in" / "a.img", kind=nibabel.Nifti1Pair)
    assert upsample(tmp_path / "in", tmp_path / "out", "--scale", 2)[0] == 0
    assert [path.name for path in (tmp_path / "out").glob("*.nii*")] == ["a.nii.gz"]


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "u4", "f4", "f8", "i8", ">i2", ">f4"])
def test_types(tmp_path, dtype):
    header = nibabel.Nifti1Header(endianness=">" if dtype.startswith(">") else "<")
    header.set_data_dtype(dtype)
    path = written(tmp_path / "a.nii", pixels(dtype=np.dtype(dtype)) // 5, header=header)
    image = read_volume(path)
    assert agrees(image, path)
    assert sitk.GetArrayFromImage(image).dtype == np.dtype(dtype).newbyteorder("=")


@pytest.mark.parametrize(
    ("slope", "inter", "dtype"),
    [(1, -1024, np.int16), (2, 0, np.uint16), (-3, 0, np.int32), (0.1, -7, np.float32), (1e-8, 0, np.float32)],
)
def test_scaling(tmp_path, slope, inter, dtype):
    """Whole numbers stay whole: the same volume as NRRD has them."""
    stored = np.linspace(0, 32767, 315).reshape(7, 9, 5).astype(np.int16)
    image = nibabel.Nifti1Image(stored, affine_of())
    image.header.set_slope_inter(slope, inter)
    nibabel.save(image, tmp_path / "a.nii")
    read = read_volume(tmp_path / "a.nii")
    assert agrees(read, tmp_path / "a.nii")
    assert sitk.GetArrayFromImage(read).dtype == dtype


def test_codes_description_and_units_are_kept(upsample, tmp_path):
    header = nibabel.Nifti1Header()
    header["descrip"], header["cal_max"] = b"TE=30;TR=2000", 900
    header.set_xyzt_units("micron", "sec")
    written(tmp_path / "a.nii", header=header, codes=(4, 0))
    assert upsample(tmp_path / "a.nii", tmp_path / "out.nii.gz", "--scale", 2)[0] == 0
    result = nibabel.load(tmp_path / "out.nii.gz")
    assert (int(result.header["sform_code"]), int(result.header["qform_code"])) == (4, 0)
    assert result.header["descrip"].item().endswith(b"; TE=30;TR=2000")
    assert result.header.get_xyzt_units() == ("micron", "sec")
    assert result.header["cal_max"] == 900
    refined = affine_of() @ np.diag([0.5, 0.5, 1, 1]) + np.pad(
        (affine_of()[:3, :2].sum(1) * -0.25)[:, None], ((0, 1), (3, 0))
    )
    assert np.allclose(result.affine, refined, atol=1e-4)


def test_bids_sidecar_is_read(tmp_path):
    path = written(tmp_path / "a.nii.gz")
    (tmp_path / "a.json").write_text('{"Modality": "MR", "SliceThickness": 2.5}')
    assert sidecar_of(read_volume(path)) == {"Modality": "MR", "SliceThickness": 2.5}
    (tmp_path / "a.json").write_text("{")
    assert sidecar_of(read_volume(path)) == {}


def test_facts_of_a_sidecar_that_make_no_sense_are_left_out(tmp_path):
    path = written(tmp_path / "a.nii.gz")
    (tmp_path / "a.json").write_text(
        '{"Modality": 7, "SliceThickness": "4", "ImageType": "ORIGINAL\\\\PRIMARY\\\\M", "Rows": 0, '
        '"PixelPaddingValue": "x", "EchoTime": "y"}'
    )
    facts = sidecar_of(read_volume(path))
    assert facts == {"SliceThickness": 4.0, "ImageType": ["ORIGINAL", "PRIMARY", "M"], "EchoTime": "y"}


def changed(path, **fields):
    """A NIfTI file whose header fields are set past nibabel's checks."""
    content = bytearray(written(path, codes=(0, 0)).read_bytes())
    header = np.frombuffer(content[:348], nibabel.Nifti1Header.template_dtype).copy()
    for name, value in fields.items():
        header[name] = value
    content[:348] = header.tobytes()
    path.write_bytes(content)
    return path


BROKEN = {
    "pixdim 0": ({"pixdim": [1, 0, 1, 1, 0, 0, 0, 0]}, "how large its voxels are"),
    "pixdim NaN": ({"pixdim": [1, 1, np.nan, 1, 0, 0, 0, 0]}, "how large its voxels are"),
    "pixdim infinite": ({"pixdim": [1, 1, np.inf, 1, 0, 0, 0, 0]}, "how large its voxels are"),
    "qform with pixdim 0": ({"pixdim": [1, 0, 1, 1, 0, 0, 0, 0], "qform_code": 1}, "pixdim"),
    # ITK mirrors the axis, nibabel does not.
    "qform with pixdim negative": ({"pixdim": [1, -2, 1, 1, 0, 0, 0, 0], "qform_code": 1}, "mirrors"),
    "qform that turns nothing": ({"qform_code": 1, "quatern_b": 7}, "qform"),
    "sform of zeros": ({"sform_code": 1, "srow_x": [0] * 4, "srow_y": [0] * 4}, "sform"),
    "sform NaN": ({"sform_code": 1, "srow_x": [np.nan] * 4}, "sform"),
    "vox_offset infinite": ({"vox_offset": np.inf}, "vox_offset"),
    "vox_offset beyond": ({"vox_offset": 1e6}, "incomplete"),
    "vox_offset negative": ({"vox_offset": -4}, "vox_offset"),
    "no dimensions": ({"dim": [0] * 8}, "dim"),
    "negative size": ({"dim": [3, 7, -9, 5, 1, 1, 1, 1]}, "dim"),
    "huge": ({"dim": [3, 32767, 32767, 32767, 1, 1, 1, 1]}, "incomplete"),
    "unknown type": ({"datatype": 77}, "datatype"),
    "colors": ({"datatype": 128}, "colors"),
    "complex": ({"datatype": 32}, "magnitude"),
    "Analyze": ({"magic": b"\0\0\0\0"}, "Analyze"),
    "lone file of a pair": ({"magic": b"ni1"}, "pair"),
    "scaling infinite": ({"scl_slope": 2, "scl_inter": np.inf}, "scal"),
}


@pytest.mark.parametrize(("fields", "said"), BROKEN.values(), ids=BROKEN)
def test_headers_that_make_no_sense(refused, tmp_path, fields, said):
    path = changed(tmp_path / "in.nii", **fields)
    assert said in refused(path, tmp_path / "out.nrrd", "--scale", 2)


def test_vectors_are_refused(refused, tmp_path):
    written(tmp_path / "in.nii", pixels((7, 9, 5, 1, 3)))
    assert "vectors" in refused(tmp_path / "in.nii", tmp_path / "out.nrrd", "--scale", 2)


def test_missing_half_of_a_pair(refused, tmp_path):
    written(tmp_path / "in.img", kind=nibabel.Nifti1Pair)
    (tmp_path / "in.img").unlink()
    assert "pair is missing" in refused(tmp_path / "in.hdr", tmp_path / "out.nrrd", "--scale", 2)


def test_checksum_of_compressed_files(refused, tmp_path):
    content = bytearray(gzip.compress(written(tmp_path / "a.nii").read_bytes()))
    content[-6] ^= 1
    (tmp_path / "in.nii.gz").write_bytes(content)
    assert "damaged" in refused(tmp_path / "in.nii.gz", tmp_path / "out.nrrd", "--scale", 2)


@pytest.mark.parametrize("extension", [".nii", ".nii.gz", ".nrrd", ".mha"])
@pytest.mark.parametrize("dimension", [2, 3, 4])
def test_what_is_written_is_read_again(tmp_path, extension, dimension):
    shape = (3, 5, 6, 7)[-dimension:]
    image = sitk.GetImageFromArray(pixels(shape, np.int16), isVector=False)
    image.SetSpacing((0.5, 0.75, 3, 2)[:dimension])
    write_volume(image, tmp_path / f"a{extension}")
    again = read_volume(tmp_path / f"a{extension}")
    assert np.array_equal(sitk.GetArrayFromImage(again), sitk.GetArrayFromImage(image))
    assert again.GetSpacing()[:3] == pytest.approx(image.GetSpacing()[:3])
    assert again.GetDirection() == pytest.approx(image.GetDirection())


@pytest.mark.parametrize("extension", [".nii.gz", ".nrrd", ".mha"])
def test_the_same_volume_in_every_format(tmp_path, extension):
    image = sitk.GetImageFromArray(pixels((5, 9, 7), np.int16))
    image.SetSpacing((0.8, 1.1, 3.0))
    image.SetOrigin((1.5, -2.25, 3))
    image.SetDirection(TURN.ravel().tolist())
    sitk.WriteImage(image, tmp_path / f"a{extension}")
    read = read_volume(tmp_path / f"a{extension}")
    assert np.array_equal(sitk.GetArrayFromImage(read), sitk.GetArrayFromImage(image))
    for index in ((0, 0, 0), (6, 8, 4)):
        place = read.TransformIndexToPhysicalPoint(index)
        assert place == pytest.approx(image.TransformIndexToPhysicalPoint(index), abs=1e-3)


def test_surfaces_in_mgh_are_no_volumes(refused, tmp_path):
    """FreeSurfer keeps values of the vertices of a surface in them, without the size of a voxel."""
    image = nibabel.MGHImage(np.random.default_rng(0).normal(size=(99, 1, 1)).astype(np.float32), np.eye(4))
    path = tmp_path / "lh.thickness.mgh"
    nibabel.save(image, path)
    content = bytearray(path.read_bytes())
    content[30:42] = np.array((-2, 0, 0), ">f4").tobytes()  # the size of a voxel
    path.write_bytes(content)
    assert "how large its voxels are" in refused(path, tmp_path / "out.nrrd", "--scale", 2)


@pytest.mark.parametrize("extension", [".nrrd", ".mha"])
def test_header_that_another_format_carries_along_is_not_that_of_the_result(upsample, tmp_path, extension):
    """SimpleITK copies the header of a NIfTI file into the metadata of NRRD and MetaImage."""
    header = nibabel.Nifti1Header()
    header["descrip"], header["cal_max"] = b"copied", 900
    header.set_xyzt_units("micron", "sec")
    copied = sitk.ReadImage(written(tmp_path / "a.nii", codes=(0, 0), header=header))
    copied.SetSpacing((0.8, 1.1, 3))
    copied.SetOrigin((12.5, -30.25, 7))
    copied.SetDirection(TURN.ravel().tolist())
    copied.SetMetaData("notes", "copied")
    sitk.WriteImage(copied, tmp_path / f"in{extension}")
    assert sitk.ReadImage(tmp_path / f"in{extension}").GetMetaData("qform_code") == "0"
    status, out, _ = upsample(tmp_path / f"in{extension}", tmp_path / "out.nii.gz", "--scale", 2)
    assert (status, "copied" in out) == (0, False)
    result = nibabel.load(tmp_path / "out.nii.gz")
    steps = TURN * (0.4, 0.55, 3)
    first = np.array((12.5, -30.25, 7)) - steps[:, :2].sum(1) / 2
    assert result.affine[:3] == pytest.approx(np.diag((-1, -1, 1)) @ np.column_stack([steps, first]), abs=1e-5)
    assert result.header["qform_code"] > 0
    assert (result.header.get_xyzt_units()[0], result.header["cal_max"]) == ("mm", 0)
    assert b"copied" not in result.header["descrip"].item()


def series(path, step=2.5, units="sec", begin=0.0):
    image = nibabel.Nifti1Image(pixels((12, 10, 4, 3)), affine_of())
    image.header.set_xyzt_units("mm", units)
    image.header["pixdim"][4], image.header["toffset"] = step, begin
    nibabel.save(image, path)
    return path


@pytest.mark.parametrize(("step", "units"), [(2.5, "sec"), (2500, "msec"), (2.5e6, "usec"), (2.5, "unknown")])
@pytest.mark.parametrize("extension", [".mha", ".nrrd", ".nii.gz"])
def test_time_between_volumes(upsample, tmp_path, step, units, extension):
    source = series(tmp_path / "in.nii.gz", step, units, begin=step / 5)
    itk = sitk.ReadImage(source)
    assert (itk.GetSpacing()[3], itk.GetOrigin()[3]) == pytest.approx((2.5, 0.5))
    assert upsample(source, tmp_path / f"out{extension}", "--scale", 2)[0] == 0
    result = sitk.ReadImage(tmp_path / f"out{extension}")
    assert (result.GetSpacing()[3], result.GetOrigin()[3]) == pytest.approx((2.5, 0.5))
    if extension == ".nii.gz":
        header = nibabel.load(tmp_path / "out.nii.gz").header
        assert (header.get_zooms()[3], header.get_xyzt_units()[1]) == (step, units)


@pytest.mark.parametrize("extension", [".mha", ".nrrd"])
def test_time_between_volumes_of_other_formats(upsample, tmp_path, extension):
    """They do not say its unit."""
    itk = sitk.ReadImage(series(tmp_path / "in.nii.gz", begin=0.5))
    for key in itk.GetMetaDataKeys():
        itk.EraseMetaData(key)
    sitk.WriteImage(itk, tmp_path / f"in{extension}")
    assert upsample(tmp_path / f"in{extension}", tmp_path / "out.nii", "--scale", 2)[0] == 0
    header = nibabel.load(tmp_path / "out.nii").header
    assert (header.get_zooms()[3], header["toffset"], header.get_xyzt_units()) == (2.5, 0.5, ("mm", "unknown"))


def test_time_between_volumes_of_mgh(upsample, tmp_path):
    image = nibabel.MGHImage(pixels((12, 10, 4, 3)), affine_of())
    image.header.set_zooms((0.8, 1.1, 3, 2500))  # ms
    nibabel.save(image, tmp_path / "in.mgz")
    for name in ("out.nii", "out.mha"):
        assert upsample(tmp_path / "in.mgz", tmp_path / name, "--scale", 2)[0] == 0
        assert sitk.ReadImage(tmp_path / name).GetSpacing()[3] == pytest.approx(2.5)
    header = nibabel.load(tmp_path / "out.nii").header
    assert (header.get_zooms()[3], header.get_xyzt_units()) == (2.5, ("mm", "sec"))


@pytest.mark.parametrize("step", [0, -1, np.nan])
def test_unknown_time_between_volumes(upsample, tmp_path, step):
    source = series(tmp_path / "in.nii.gz", step)
    assert read_volume(source).GetSpacing()[3] == 1
    assert upsample(source, tmp_path / "out.nii", "--scale", 2)[0] == 0
    assert nibabel.load(tmp_path / "out.nii").shape[3] == 3


@pytest.mark.parametrize(("slices", "plane", "kept"), [(2, 2, True), (2, 0, False), (0, 2, False), (0, 0, True)])
def test_what_is_still_true_of_the_header_is_kept(upsample, tmp_path, slices, plane, kept):
    """The meaning of the values and of the axes; the order and times of slices where they are the same."""
    header = nibabel.Nifti1Header()
    header.set_data_shape((12, 10, 6))
    header.set_xyzt_units("mm", "sec")
    header.set_dim_info(freq=1, phase=2 - slices, slice=slices)
    header.set_slice_duration(0.125)
    header["slice_end"], header["slice_code"] = header.get_data_shape()[slices] - 1, 3
    header.set_intent("t test", (14,), "contrast")
    source = written(tmp_path / "in.nii", pixels((12, 10, 6)), header=header)
    assert upsample(source, tmp_path / "out.nii", "--plane", plane, "--scale", 2)[0] == 0
    before, after = nibabel.load(source).header, nibabel.load(tmp_path / "out.nii").header
    assert after.get_dim_info() == before.get_dim_info() == (1, 2 - slices, slices)
    assert after.get_intent() == before.get_intent() == ("t test", (14.0,), "contrast")
    if kept:
        assert after.get_slice_times() == before.get_slice_times()
    else:
        assert [after[name] for name in ("slice_code", "slice_start", "slice_end", "slice_duration")] == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("wrong", "right"),
    [(".nii", ".nii.gz"), (".nii.gz", ".nii"), (".mgh", ".mgz"), (".mgz", ".mgh"), (".NII", ".nii.gz")],
)
def test_ending_that_is_wrong_is_said(refused, tmp_path, wrong, right):
    source = tmp_path / f"a{right}"
    if right.startswith(".mg"):
        nibabel.save(nibabel.MGHImage(pixels(), affine_of()), source)
    else:
        written(source)
    source.rename(tmp_path / f"in{wrong}")
    said = refused(tmp_path / f"in{wrong}", tmp_path / "out.nrrd", "--scale", 2)
    assert f"its name should end in {right}." in said
