"""DICOM series that ITK stacks to a volume although their slices make none, or lose values on the way."""

import os
import struct

import numpy as np
import pytest
import SimpleITK as sitk
from NExpRTraining.files.volume_files import read_volume

AXIAL = (1, 0, 0, 0, 1, 0)
SAGITTAL = (0, 1, 0, 0, 0, -1)
CORONAL = (1, 0, 0, 0, 0, -1)
POSITIONS = [(0, 0, 0), (0, 0, 4), (0, 0, 8)]
UIDS = "1.2.826.0.1.3680043.2.1125"


def write_series(folder, positions, orientations=None, pixels=None, rescale=None, spacings=None):
    """A CT series of one file per slice; ``rescale`` holds a slope and an intercept per slice."""
    folder.mkdir(parents=True)
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    for k, position in enumerate(positions):
        orientation = orientations[k] if orientations else AXIAL
        slope, intercept = rescale[k] if rescale else (1, 0)
        image = sitk.GetImageFromArray(np.full((6, 6), k, np.int16) if pixels is None else pixels[k])
        image.SetSpacing([spacings[k] if spacings else 1] * 2)
        for key, value in {
            "0008|0060": "CT",
            "0008|0016": "1.2.840.10008.5.1.4.1.1.2",
            "0008|0018": f"{UIDS}.1.{k + 1}",
            "0020|000d": f"{UIDS}.2",
            "0020|000e": f"{UIDS}.1",
            "0020|0013": str(k + 1),
            "0020|0032": "\\".join(str(x) for x in position),
            "0020|0037": "\\".join(str(x) for x in orientation),
            "0028|1052": str(intercept),
            "0028|1053": str(slope),
        }.items():
            image.SetMetaData(key, value)
        writer.SetFileName(str(folder / f"{k}.dcm"))
        writer.Execute(image)
    return folder


def test_slices_are_sorted_by_position(tmp_path):
    image = read_volume(write_series(tmp_path / "series", POSITIONS[::-1]))
    assert image.GetSpacing()[2] == pytest.approx(4)
    assert image.GetOrigin() == (0, 0, 0)
    assert sitk.GetArrayFromImage(image)[:, 0, 0].tolist() == [2, 1, 0]


@pytest.mark.parametrize(
    ("positions", "orientations", "said"),
    [
        (POSITIONS[:2], [AXIAL, SAGITTAL], "orientation"),
        ([(-8, -8, 0), (0, -8, 8), (-8, 0, 8)], [AXIAL, SAGITTAL, CORONAL], "orientation"),
        ([(0, 0, 0), (0, 0, 0)], None, "doubled"),
        ([*POSITIONS, *POSITIONS], None, "doubled"),
        ([(0, 0, 0), (0, 1.2, 4), (0, 2.4, 8)], None, "gantry tilt"),
    ],
    ids=["two orientations", "localizer", "same position", "time series", "gantry tilt"],
)
def test_slices_that_make_no_volume(refused, tmp_path, positions, orientations, said):
    folder = write_series(tmp_path / "series", positions, orientations)
    assert said in refused(folder, tmp_path / "out.nrrd", "--scale", 2)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_damaged_slices_are_not_left_out(refused, tmp_path, number):
    folder = write_series(tmp_path / "series", POSITIONS)
    damaged = folder / f"{number}.dcm"
    damaged.write_bytes(damaged.read_bytes()[:-30])
    assert f"{number}.dcm" in refused(folder, tmp_path / "out.nrrd", "--scale", 2)


def test_damaged_slices_stop_their_series_only(upsample, tmp_path):
    folder = write_series(tmp_path / "in", POSITIONS)
    damaged = folder / "2.dcm"
    damaged.write_bytes(damaged.read_bytes()[:-30])
    noise = np.random.default_rng(0).integers(0, 900, (3, 12, 12), dtype=np.int16)
    sitk.WriteImage(sitk.GetImageFromArray(noise), folder / "other.nrrd")
    status, _, err = upsample(folder, tmp_path / "out", "--scale", 2)
    assert status == 2
    assert "2.dcm cannot be read" in err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["other.nrrd"]


def test_other_dicom_objects_are_ignored(tmp_path):
    """Contours (RT structure sets) have a storage class that begins as that of MR images."""
    folder = write_series(tmp_path / "series", POSITIONS)
    image_class, contour_class = b"1.2.840.10008.5.1.4.1.1.2\0", b"1.2.840.10008.5.1.4.1.1.481.3\0"
    start = (folder / "0.dcm").read_bytes()[:600]
    assert image_class in start
    (folder / "contours.dcm").write_bytes(start.replace(image_class, contour_class))
    assert read_volume(folder).GetSize() == (6, 6, 3)


def test_each_slice_keeps_its_values_whatever_its_rescale_slope(tmp_path):
    stored = np.random.default_rng(0).integers(0, 30000, (3, 6, 6), dtype=np.int32)
    pixels = np.stack([stored[0], 2 * stored[1] + 1, 3 * stored[2] - 5])
    pixels = [pixels[0].astype(np.int16), pixels[1], pixels[2]]
    folder = write_series(tmp_path / "series", POSITIONS, pixels=pixels, rescale=[(1, 0), (2, 1), (3, -5)])
    assert np.array_equal(sitk.GetArrayFromImage(read_volume(folder)), np.stack(pixels))


def start_of_file(storage):
    value = storage.encode() + bytes(len(storage) % 2)
    attribute = struct.pack("<HH2sH", 0x0002, 0x0002, b"UI", len(value)) + value
    return bytes(128) + b"DICM" + struct.pack("<HH2sHI", 0x0002, 0x0000, b"UL", 4, len(attribute)) + attribute


@pytest.mark.parametrize("storage", ["2", "4", "2.1", "4.1"])
def test_damaged_images_of_every_kind_are_known(tmp_path, storage):
    """Without its end, ITK reads none of them, and the volume would lose a slice without a word."""
    (tmp_path / "0.dcm").write_bytes(start_of_file(f"1.2.840.10008.5.1.4.1.1.{storage}"))
    with pytest.raises(ValueError, match=r"0\.dcm cannot be read"):
        read_volume(tmp_path)


def test_index_of_a_disc_is_no_damaged_image(tmp_path):
    """A DICOMDIR names the storage classes of the images that it lists."""
    folder = write_series(tmp_path / "series", POSITIONS)
    listed = b"1.2.840.10008.5.1.4.1.1.2\0"
    (folder / "DICOMDIR").write_bytes(start_of_file("1.2.840.10008.1.3.10") + listed)
    assert read_volume(folder).GetSize() == (6, 6, 3)


@pytest.mark.skipif(os.name != "posix", reason="needs symbolic links")
@pytest.mark.parametrize("name", [".#notes.txt", "0.dcm.gz"])
def test_link_that_leads_nowhere_hides_no_slice(refused, nexpr, tmp_path, name):
    """ITK lists the files of a folder up to the first such link only."""
    folder = write_series(tmp_path / "in" / "series", POSITIONS)
    (folder / name).symlink_to("nowhere")
    assert "leads nowhere" in refused(folder, tmp_path / "out.nrrd", "--scale", 2)
    noise = np.random.default_rng(0).random((2, 12, 12), dtype=np.float32)
    sitk.WriteImage(sitk.GetImageFromArray(noise), tmp_path / "in" / "other.nrrd")
    status, _, err = nexpr("prepare", tmp_path / "in", "-o", tmp_path / "data.npz")
    assert (status, "leads nowhere" in err) == (2, True)
    with np.load(tmp_path / "data.npz") as data:
        assert set(data["sources"]) == {"other"}


def test_several_frames_in_a_file_are_refused(refused, tmp_path):
    """ITK stacks them in the order of the file, with the scaling of the first, wherever they lie."""
    image = sitk.GetImageFromArray(np.zeros((3, 6, 6), np.uint16))
    sitk.WriteImage(image, tmp_path / "in.dcm")
    assert "several DICOM frames" in refused(tmp_path / "in.dcm", tmp_path / "out.nrrd", "--scale", 2)


def test_single_frames_are_no_several_frames(tmp_path):
    image = sitk.GetImageFromArray(np.zeros((1, 6, 6), np.uint16))
    sitk.WriteImage(image, tmp_path / "in.dcm")
    assert read_volume(tmp_path / "in.dcm").GetSize() == (6, 6, 1)
    volume = sitk.GetImageFromArray(np.zeros((3, 6, 6), np.uint16))
    for tag in ("0028|0008", "0028|0010"):  # as SimpleITK keeps them in files of other formats
        volume.SetMetaData(tag, "3")
    sitk.WriteImage(volume, tmp_path / "in.nrrd")
    assert read_volume(tmp_path / "in.nrrd").GetSize() == (6, 6, 3)


def test_slices_of_different_pixel_spacings_are_refused(refused, tmp_path):
    folder = write_series(tmp_path / "series", POSITIONS, spacings=[1, 2, 1])
    assert "pixel spacing" in refused(folder, tmp_path / "out.nrrd", "--scale", 2)


@pytest.mark.parametrize(
    ("positions", "orientations", "said"),
    [
        ([(0, 0, 0), (0, 0, 4), (0, 0, 8.4)], None, "4 to 4.4 mm apart"),
        ([(0, 0, 0), (0, 0.2, 4), (0, 0.4, 8)], None, "gantry tilt"),
        (POSITIONS, [AXIAL, AXIAL, (1, 0, 0, 0, 0.9848, 0.1736)], "orientation"),
    ],
    ids=["uneven", "tilt of 3 degrees", "turn of 10 degrees"],
)
def test_slices_that_nearly_make_a_volume(refused, tmp_path, positions, orientations, said):
    folder = write_series(tmp_path / "series", positions, orientations)
    assert said in refused(folder, tmp_path / "out.nrrd", "--scale", 2)


def test_slices_of_different_sizes_are_refused(refused, tmp_path):
    pixels = [np.zeros((6, 6 + k), np.int16) for k in range(3)]
    folder = write_series(tmp_path / "series", POSITIONS, pixels=pixels)
    assert "differ in size" in refused(folder, tmp_path / "out.nrrd", "--scale", 2)
