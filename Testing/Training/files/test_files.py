"""Files: damage that ITK does not notice, and outputs that appear only when they are complete."""

import gzip
import os

import numpy as np
import pytest
import SimpleITK as sitk

from NExpRLib.volumes.sidecar import sidecar_of
from NExpRTraining.files.volume_files import atomic_output, read_volume, write_volume
from NExpRTraining.files.volume_sources import extension_of, find_volumes


@pytest.mark.parametrize(
    ("name", "extension"),
    [
        ("a.nii.gz", ".nii.gz"),
        ("A.NII.GZ", ".nii.gz"),
        ("a.b.nii", ".nii"),
        ("a.gz", ""),
        ("nii", ""),
        ("a.mhd", ".mhd"),
    ],
)
def test_extension(name, extension):
    assert extension_of(name) == extension


@pytest.mark.parametrize("extension", [".nii", ".nii.gz", ".mha", ".nrrd"])
@pytest.mark.parametrize("pixel_type", [sitk.sitkUInt8, sitk.sitkInt16, sitk.sitkFloat64])
@pytest.mark.parametrize("compressed", [True, False])
def test_complete_files(volume, tmp_path, extension, pixel_type, compressed):
    sitk.WriteImage(sitk.Cast(volume, pixel_type), tmp_path / f"in{extension}", compressed)
    assert read_volume(tmp_path / f"in{extension}").GetSize() == volume.GetSize()


@pytest.mark.parametrize("extension", [".nii", ".nii.gz", ".mha", ".nrrd"])
@pytest.mark.parametrize("value", [-np.inf, np.inf])
def test_infinite_voxels_are_refused(nexpr, tiny_model_folder, tmp_path, extension, value):
    """ITK's NIfTI reader would turn them into 0."""
    pixels = np.random.default_rng(0).random((3, 12, 10))
    pixels[2, 11, 9] = value
    sitk.WriteImage(sitk.GetImageFromArray(pixels), tmp_path / f"in{extension}")
    arguments = ["--scale", 2, "--model", tiny_model_folder]
    status, _, error = nexpr("upsample", tmp_path / f"in{extension}", tmp_path / "out.nrrd", *arguments)
    assert status == 2
    assert "NaN or infinite" in error
    assert not (tmp_path / "out.nrrd").exists()


def test_nifti_in_several_gzip_members(volume, tmp_path):
    """What parallel compressors write."""
    sitk.WriteImage(volume, tmp_path / "in.nii")
    content = (tmp_path / "in.nii").read_bytes()
    path = tmp_path / "in.nii.gz"
    path.write_bytes(gzip.compress(content[:700]) + gzip.compress(content[700:]))
    assert np.array_equal(sitk.GetArrayFromImage(read_volume(path)), sitk.GetArrayFromImage(volume))
    path.write_bytes(gzip.compress(content[:700]))
    with pytest.raises(ValueError, match="incomplete"):
        read_volume(path)


def test_volumes_of_a_folder(volume, tmp_path):
    for name in ("b.nii.gz", "a.mha", "c.txt", ".d.nii"):
        (tmp_path / name).touch()
    (tmp_path / "e.nii").mkdir()
    assert [source.name for source in find_volumes(tmp_path)] == ["a", "b"]
    assert find_volumes(tmp_path / "a.mha")[0].files == (str(tmp_path / "a.mha"),)
    with pytest.raises(ValueError, match="no file or folder"):
        find_volumes(tmp_path / "nowhere")


def test_detached_header_is_a_volume_of_a_folder(upsample, volume, tmp_path):
    (tmp_path / "in").mkdir()
    sitk.WriteImage(volume, tmp_path / "in" / "a.nhdr")
    assert [source.name for source in find_volumes(tmp_path / "in")] == ["a"]
    assert upsample(tmp_path / "in", tmp_path / "out", "--scale", 2)[0] == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.nrrd"]


@pytest.mark.skipif(os.name != "posix", reason="needs symbolic links")
def test_link_that_leads_nowhere_is_named_and_the_rest_is_done(upsample, volume, tmp_path):
    (tmp_path / "in").mkdir()
    sitk.WriteImage(volume, tmp_path / "in" / "a.nrrd")
    (tmp_path / "in" / "b.nrrd").symlink_to("nowhere")
    status, _, err = upsample(tmp_path / "in", tmp_path / "out", "--scale", 2)
    assert status == 2
    assert "b.nrrd cannot be read: it is a link that leads nowhere" in err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.nrrd"]


def test_where_one_volume_is_needed(volume, tmp_path):
    sitk.WriteImage(volume, tmp_path / "a.mha")
    assert read_volume(tmp_path).GetSize() == volume.GetSize()
    sitk.WriteImage(volume, tmp_path / "b.mha")
    with pytest.raises(ValueError, match="holds 2 volumes where one is needed"):
        read_volume(tmp_path)


@pytest.mark.parametrize("failure", [KeyboardInterrupt, SystemExit, RuntimeError, OSError("disk full")])
def test_output_that_fails_leaves_what_was_there(tmp_path, failure):
    path = tmp_path / "out.nii.gz"
    path.write_text("before")

    def write_half():
        with atomic_output(path) as temporary:
            temporary.write_text("half")
            assert path.read_text() == "before"
            raise failure

    with pytest.raises(ValueError if isinstance(failure, OSError) else failure):
        write_half()
    assert [p.name for p in tmp_path.iterdir()] == ["out.nii.gz"]
    assert path.read_text() == "before"


def test_output_appears_under_its_name_when_it_is_complete(tmp_path):
    path = tmp_path / "out.nii.gz"
    with atomic_output(path) as temporary:
        assert temporary.parent == tmp_path
        assert extension_of(temporary) == ".nii.gz"
        temporary.write_text("complete")
        assert not path.exists()
    assert [p.name for p in tmp_path.iterdir()] == ["out.nii.gz"]
    assert path.read_text() == "complete"


def test_volume_that_cannot_be_written_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="cannot be written"):
        write_volume(sitk.Image((3, 3), sitk.sitkLabelUInt8), tmp_path / "out.nrrd")
    assert not list(tmp_path.iterdir())


def test_lack_of_memory_is_not_taken_for_damage(volume, tmp_path, monkeypatch):
    def fails(*_arguments, **_options):
        raise RuntimeError("Exception thrown in SimpleITK: Failed to allocate memory for image.")

    write_volume(volume, tmp_path / "volume.nrrd")
    monkeypatch.setattr(sitk, "ReadImage", fails)
    with pytest.raises(MemoryError, match="volume.nrrd does not fit into memory"):
        read_volume(tmp_path / "volume.nrrd")
    monkeypatch.setattr(sitk, "WriteImage", fails)
    with pytest.raises(MemoryError, match="not enough memory to write"):
        write_volume(volume, tmp_path / "other.nrrd")
    assert [path.name for path in tmp_path.iterdir()] == ["volume.nrrd"]


def test_both_names_of_a_compressed_nrrd(volume, tmp_path):
    sitk.WriteImage(volume, tmp_path / "in.nrrd", True)
    content = (tmp_path / "in.nrrd").read_bytes().replace(b"encoding: gzip", b"encoding: gz")
    (tmp_path / "in.nrrd").write_bytes(content)
    assert np.array_equal(sitk.GetArrayFromImage(read_volume(tmp_path / "in.nrrd")), sitk.GetArrayFromImage(volume))
    (tmp_path / "in.nrrd").write_bytes(content[:-2])
    with pytest.raises(ValueError, match="incomplete"):
        read_volume(tmp_path / "in.nrrd")


def test_position_that_a_format_cannot_hold(volume, tmp_path):
    """NIfTI has single precision: six kilometers from the origin, a voxel of 1 um moves by a quarter of itself."""
    volume.SetSpacing((0.001, 0.001, 0.004))
    volume.SetOrigin((6000.00022, 0, 0))
    with pytest.raises(ValueError, match="single precision"):
        write_volume(volume, tmp_path / "out.nii.gz")
    assert not list(tmp_path.iterdir())
    write_volume(volume, tmp_path / "out.nrrd")


@pytest.mark.parametrize("unit", ["um", "cm"])
def test_meta_image_whose_lengths_are_not_in_mm(refused, volume, tmp_path, unit):
    sitk.WriteImage(volume, tmp_path / "in.mha")
    content = (tmp_path / "in.mha").read_bytes()
    (tmp_path / "in.mha").write_bytes(content.replace(b"DimSize", f"DistanceUnits = {unit}\nDimSize".encode(), 1))
    said = refused(tmp_path / "in.mha", tmp_path / "out.nrrd", "--scale", 2)
    assert f"not in mm (DistanceUnits = {unit})" in said


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("extension", [".mhd", ".nhdr"])
def test_missing_file_of_voxels_is_named(refused, volume, tmp_path, extension, compressed):
    sitk.WriteImage(volume, tmp_path / f"in{extension}", compressed)
    (voxels,) = (path for path in tmp_path.iterdir() if path.suffix != extension)
    voxels.unlink()
    said = refused(tmp_path / f"in{extension}", tmp_path / "out.nrrd", "--scale", 2)
    assert f"its voxels are in the file {voxels.name}, which is not there" in said


@pytest.mark.parametrize("extension", [".mhd", ".nhdr"])
@pytest.mark.parametrize("pattern", [False, True])
def test_voxels_in_a_file_for_each_slice(volume, tmp_path, extension, pattern):
    sitk.WriteImage(volume, tmp_path / f"in{extension}")
    for number, pixels in enumerate(sitk.GetArrayFromImage(volume), start=1):
        (tmp_path / f"{number:02d}.raw").write_bytes(pixels.tobytes())
    names = "%02d.raw 1 4 1" if pattern else "LIST" + "".join(f"\n{number:02d}.raw" for number in range(1, 5))
    header = (tmp_path / f"in{extension}").read_text()
    (tmp_path / f"in{extension}").write_text(header.replace("in.raw", names))
    assert np.array_equal(
        sitk.GetArrayFromImage(read_volume(tmp_path / f"in{extension}")), sitk.GetArrayFromImage(volume)
    )


@pytest.mark.parametrize("text", ["[1, 2]", "hello", "{", "null", "7", '"CT"', "[" * 100_000])
def test_metadata_of_that_name_that_are_of_another_program(upsample, volume, tmp_path, text):
    volume.SetMetaData("sidecar", text)
    volume.SetMetaData("0008|0060", "MR")
    assert sidecar_of(volume) == {"Modality": "MR"}
    sitk.WriteImage(volume, tmp_path / "in.nrrd")
    assert upsample(tmp_path / "in.nrrd", tmp_path / "out.nrrd", "--scale", 2)[0] == 0


@pytest.mark.parametrize(("extension", "line"), [(".mha", b"\xfe\xff = 1\nDimSize"), (".nrrd", b"\xfe\xff:=1\nkinds")])
def test_metadata_whose_key_is_no_text(volume, tmp_path, extension, line):
    sitk.WriteImage(volume, tmp_path / f"in{extension}")
    content = (tmp_path / f"in{extension}").read_bytes()
    (tmp_path / f"in{extension}").write_bytes(content.replace(line.partition(b"\n")[2], line, 1))
    assert np.array_equal(
        sitk.GetArrayFromImage(read_volume(tmp_path / f"in{extension}")), sitk.GetArrayFromImage(volume)
    )
