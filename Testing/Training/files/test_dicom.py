"""DICOM series as volumes: the right voxels at the right place, or the right words."""

import os

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ImplicitVRLittleEndian

from NExpRLib import inspect
from NExpRLib.volumes.sidecar import sidecar_of
from NExpRTraining.files.notes import notes_of
from NExpRTraining.files.volume_files import read_volume
from NExpRTraining.files.volume_sources import find_volumes

from .dicom_files import group, write_frames, write_other, write_series, write_slice

UP = np.array([(0, 0, 3.0 * k) for k in range(5)])
TILTED_SLICE = (1, 0, 0, 0, np.cos(0.4), np.sin(0.4))


def noise(count=5, seed=0, dtype=np.int16):
    return np.random.default_rng(seed).integers(0, 4000, (count, 9, 7)).astype(dtype)


def voxels(image):
    return sitk.GetArrayFromImage(image)


def corner(image, *index):
    return image.TransformContinuousIndexToPhysicalPoint([float(i) for i in index])


def blob(position, orientation, shape, center, sigma=5):
    """A Gaussian in space, sampled on one slice."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    across, down = np.array(orientation[:3]), np.array(orientation[3:])
    points = np.array(position) + columns[..., None] * across + rows[..., None] * down
    return (4000 * np.exp(-((points - center) ** 2).sum(-1) / 2 / sigma**2)).astype(np.int16)


def centroid(image):
    weights = voxels(image).astype(float)
    indices = [
        (np.arange(n) * weights.sum(tuple(a for a in range(3) if a != axis))).sum() / weights.sum()
        for axis, n in enumerate(weights.shape)
    ]
    return image.TransformContinuousIndexToPhysicalPoint(indices[::-1])


@pytest.mark.parametrize("order", [1, -1], ids=["ascending", "descending"])
@pytest.mark.parametrize("orientation", [(1, 0, 0, 0, 1, 0), TILTED_SLICE, (0, 1, 0, 0, 0, -1), (1, 0, 0, 0, 0, -1)])
def test_voxels_lie_where_the_headers_say(tmp_path, order, orientation):
    normal = np.cross(orientation[:3], orientation[3:])
    start = np.array((5.0, -6.0, 7.0))
    positions = [start + order * 2.5 * k * normal for k in range(5)]
    pixels = noise()
    write_series(tmp_path / "in", pixels, positions, orientation=orientation, spacing=(0.5, 0.8))
    image = read_volume(tmp_path / "in")
    for k, position in enumerate(positions):
        place = k if order > 0 else 4 - k
        assert corner(image, 0, 0, place) == pytest.approx(position, abs=1e-4)
        down = np.array(position) + 8 * 0.5 * np.array(orientation[3:])
        assert corner(image, 0, 8, place) == pytest.approx(down, abs=1e-4)
        assert np.array_equal(voxels(image)[place], pixels[k])
    itk = sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(tmp_path / "in")))
    assert np.array_equal(voxels(image), voxels(itk))  # what 3D Slicer reads


@pytest.mark.parametrize("spacing", [0.625, 1.25])
def test_rounded_positions_take_the_announced_spacing(tmp_path, spacing):
    positions = [(5, 6, round(7 + spacing * k, 1)) for k in range(8)]
    write_series(tmp_path / "in", noise(8), positions, SliceThickness=str(spacing), modality="CT")
    image = read_volume(tmp_path / "in")
    assert image.GetSpacing()[2] == pytest.approx(spacing, abs=1e-6)
    assert corner(image, 0, 0, 7)[2] == pytest.approx(7 + 7 * spacing, abs=0.05)
    assert "jitter" in notes_of(image)[0]


def test_jitter_of_orientation_is_no_other_orientation(tmp_path):
    orientations = [(1, 2e-4 * (k % 2), 0, -2e-4 * (k % 2), 1, 0) for k in range(5)]
    pixels = noise()
    write_series(tmp_path / "in", pixels, UP, orientation=orientations)
    assert np.array_equal(voxels(read_volume(tmp_path / "in")), pixels)


def test_study_times_that_differ_split_no_series(tmp_path):
    """As SimpleITK writes them, slice by slice."""
    pixels = noise()
    write_series(tmp_path / "in", pixels, UP, StudyTime=[f"12000{k}.5" for k in range(5)])
    assert np.array_equal(voxels(read_volume(tmp_path / "in")), pixels)


@pytest.mark.parametrize("shifts", ["tilted slices", "shifted slices"])
@pytest.mark.parametrize("degrees", [15, -12])
def test_gantry_tilt_moves_nothing(tmp_path, shifts, degrees):
    angle, center = np.deg2rad(degrees), np.array((3.0, 5.0, 20.0))
    if shifts == "tilted slices":
        orientation = (1, 0, 0, 0, np.cos(angle), -np.sin(angle))
        positions = [(-20, -18, 4.0 * k) for k in range(12)]
    else:
        orientation = (1, 0, 0, 0, 1, 0)
        positions = [(-20, -18 + 4 * k * np.sin(angle), 4 * k * np.cos(angle)) for k in range(12)]
    pixels = [blob(position, orientation, (48, 40), center) for position in positions]
    write_series(tmp_path / "in", pixels, positions, orientation=orientation, modality="CT")
    image = read_volume(tmp_path / "in")
    axes = np.reshape(image.GetDirection(), (3, 3))
    assert np.allclose(axes.T @ axes, np.eye(3), atol=1e-9)
    assert centroid(image) == pytest.approx(center, abs=0.05)
    assert f"{abs(degrees)}.0 degrees" in notes_of(image)[0]


IRREGULAR = {
    "missing": ([0, 3, 6, 12, 15], "missing or doubled"),
    "doubled": ([0, 3, 3, 6, 9], "missing or doubled"),
    "drifting": ([0, 2, 4.4, 7.2, 10.4, 14], "missing or doubled"),
    "up and down": ([0, 3, 6, 9, 6, 3, 0], "missing or doubled"),
}


@pytest.mark.parametrize(("heights", "said"), IRREGULAR.values(), ids=IRREGULAR)
def test_slices_that_make_no_volume(refused, tmp_path, heights, said):
    write_series(tmp_path / "in", noise(len(heights)), [(0, 0, z) for z in heights])
    assert said in refused(tmp_path / "in", tmp_path / "out.nrrd", "--scale", 2)


def test_slices_of_different_pixel_spacings(refused, tmp_path):
    write_series(tmp_path / "in", noise(), UP, spacing=[(1, 1)] * 4 + [(2, 2)])
    assert "pixel spacing" in refused(tmp_path / "in", tmp_path / "out.nrrd", "--scale", 2)


@pytest.mark.parametrize("modality", ["MR", "CT"])
def test_every_orientation_of_a_localizer_is_a_volume(upsample, tmp_path, modality):
    orientations = [(1, 0, 0, 0, 1, 0), (0, 1, 0, 0, 0, -1), (1, 0, 0, 0, 0, -1)]
    write_series(
        tmp_path / "in", noise(3), [(-8, -8, 0), (0, -8, 8), (-8, 0, 8)], orientation=orientations, modality=modality
    )
    assert upsample(tmp_path / "in", tmp_path / "out", "--scale", 2)[0] == 0
    assert len(list((tmp_path / "out").glob("*.nii.gz"))) == 3


def test_slices_measured_again_are_a_time_series(tmp_path):
    pixels = noise(6).reshape(2, 3, 9, 7)
    write_series(tmp_path / "in", pixels.reshape(6, 9, 7), [*UP[:3], *UP[:3]], RepetitionTime="2500")
    image = read_volume(tmp_path / "in")
    assert image.GetSize() == (7, 9, 3, 2)
    assert image.GetSpacing()[2:] == pytest.approx((3, 2.5))
    assert np.array_equal(voxels(image), pixels)


def test_echoes_are_volumes_of_their_own(tmp_path):
    echoes = {"EchoTime": ["10"] * 3 + ["20"] * 3, "EchoNumbers": [1] * 3 + [2] * 3}
    pixels = noise(6)
    write_series(tmp_path / "in", pixels, [*UP[:3], *UP[:3]], **echoes)
    sources = find_volumes(tmp_path / "in")
    assert len({source.name for source in sources}) == 2
    assert all(np.array_equal(voxels(read_volume(s)), pixels[3 * k : 3 * k + 3]) for k, s in enumerate(sources))


@pytest.mark.parametrize("files", [1, 2, 3, 6])
def test_enhanced_frames(tmp_path, files):
    """In one file, or in several of the same series (a concatenation)."""
    pixels = noise(6, dtype=np.uint16)
    positions = [(10, 20, 30 + 3 * k) for k in range(6)]
    for number in range(files):
        part = slice(number * 6 // files, (number + 1) * 6 // files)
        write_frames(tmp_path / "in" / f"{number}.dcm", pixels[part], positions[part], number=number + 1)
    image = read_volume(tmp_path / "in")
    assert np.array_equal(voxels(image), pixels)
    assert image.GetOrigin() == pytest.approx((10, 20, 30))
    assert image.GetSpacing() == pytest.approx((1.2, 1.5, 3))


@pytest.mark.parametrize("files", [1, 2, 5])
@pytest.mark.parametrize("maker", ["Philips", "Somebody"])
@pytest.mark.parametrize("slopes", [(2, 2, 2, 2, 2), (2, 2, 3, 3, 3), (1, 2, 3, 1, 0.5)], ids=str)
def test_enhanced_frames_have_the_slopes_of_the_standard(tmp_path, slopes, maker, files):
    """Philips gives others besides."""
    pixels = noise(dtype=np.uint16)
    own = Dataset()
    own.add_new((0x2005, 0x0010), "LO", "Philips MR Imaging DD 001")
    own.add_new((0x2005, 0x100E), "FL", 4.0)
    others = [
        ((0x0040, 0x9096), "SQ", group(RealWorldValueSlope=7.0, RealWorldValueIntercept=0.0)),
        ((0x2005, 0x0011), "LO", "Philips MR Imaging DD 002"),
        ((0x2005, 0x140F), "SQ", Sequence([own])),
    ]
    more = {"more": others if maker == "Philips" else (), "Manufacturer": maker}
    for number in range(files):
        part = slice(number * 5 // files, (number + 1) * 5 // files)
        path, scalings = tmp_path / "in" / f"{number}.dcm", [(slope, 10) for slope in slopes[part]]
        write_frames(path, pixels[part], UP[part], scalings, number=number + 1, **more)
    result = voxels(read_volume(tmp_path / "in"))
    assert np.array_equal(result, pixels * np.reshape(slopes, (5, 1, 1)) + 10)
    if files == 1 and len(set(slopes)) == 1:  # ITK takes the slope of the first frame for all.
        assert np.array_equal(result, voxels(sitk.ReadImage(tmp_path / "in" / "0.dcm")))


@pytest.mark.parametrize("slopes", [(2e-7, 2e-7, 2e-7), (1e-7, 5e-8, 3e-7)], ids=["same", "different"])
def test_enhanced_files_of_one_frame_and_tiny_slopes(tmp_path, slopes):
    pixels = noise(3, dtype=np.uint16)
    for k, slope in enumerate(slopes):
        write_frames(tmp_path / "in" / f"{k}.dcm", pixels[k : k + 1], UP[k : k + 1], [(slope, 0)], number=k + 1)
    truth = pixels * np.reshape(slopes, (3, 1, 1))
    assert np.allclose(voxels(read_volume(tmp_path / "in")), truth, rtol=1e-6, atol=0)


def test_enhanced_frames_that_make_no_volume(refused, tmp_path):
    positions = [(0, 0, z) for z in (0, 3, 6, 12)]
    write_frames(tmp_path / "in.dcm", noise(4, dtype=np.uint16), positions)
    assert "missing or doubled" in refused(tmp_path / "in.dcm", tmp_path / "out.nrrd", "--scale", 2)


def test_mosaic_is_taken_apart(tmp_path):
    slices = noise(9, dtype=np.uint16)[:, :7]
    tiles = slices.reshape(3, 3, 7, 7).transpose(0, 2, 1, 3).reshape(21, 21)
    more = {"Manufacturer": "SIEMENS", "AcquisitionMatrix": [7, 0, 0, 7]}
    kind = ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]
    write_slice(tmp_path / "in.dcm", tiles, (-30, -30, 0), spacing=(3, 3), ImageType=kind, **more)
    image = read_volume(tmp_path / "in.dcm")
    assert np.array_equal(voxels(image), slices)
    assert image.GetOrigin() == pytest.approx((-30 + 7 * 3, -30 + 7 * 3, 0))  # Siemens gives the tiled picture's corner
    assert "9 are assumed" in notes_of(image)[0]


def test_mosaic_that_does_not_say_how_many_slices_it_holds(refused, tmp_path):
    """As anonymisers leave it: the picture must not be taken for one large slice."""
    kind = ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]
    tiles = np.random.default_rng(0).integers(0, 900, (64, 64)).astype(np.uint16)
    write_slice(tmp_path / "in.dcm", tiles, spacing=(3, 3), ImageType=kind, Manufacturer="SIEMENS")
    assert "mosaic" in refused(tmp_path / "in.dcm", tmp_path / "out.nrrd", "--scale", 2)


def test_image_without_a_place_is_said_to_have_none(tmp_path):
    """In one sentence, which is not about the file that dcm2niix makes of it."""
    write_slice(
        tmp_path / "in.dcm", noise(1, dtype=np.uint16)[0], ImagePositionPatient=None, ImageOrientationPatient=None
    )
    assert notes_of(read_volume(tmp_path / "in.dcm")) == ["The image does not say where it lies or how it is oriented."]


SCALINGS = {
    "integers": ([1, 2, 3], [0, 1, -5]),
    "fractions": ([0.5, 1.25, 3], [0, 0, 0]),
    "tiny": ([1.02609e-08, 7.56104e-09, 3.30745e-08], [0, 0, 0]),
    "intercepts": ([1, 1, 1], [-1024, 0, -5]),
}


@pytest.mark.parametrize(("slopes", "intercepts"), SCALINGS.values(), ids=SCALINGS)
def test_every_slice_has_its_own_scaling(tmp_path, slopes, intercepts):
    pixels = noise(3)
    scaling = {"RescaleSlope": [f"{s:.10g}" for s in slopes], "RescaleIntercept": [f"{i}" for i in intercepts]}
    write_series(tmp_path / "in", pixels, UP[:3], modality="PT", **scaling)
    truth = pixels * np.reshape(slopes, (3, 1, 1)) + np.reshape(intercepts, (3, 1, 1))
    assert np.allclose(voxels(read_volume(tmp_path / "in")), truth, rtol=1e-6, atol=0)


STORED = {
    "12 bits, signed": ({"BitsStored": 12, "HighBit": 11, "PixelRepresentation": 1}, lambda p: (p - 600) & 0xFFF),
    "overlay in the high bits": ({"BitsStored": 12, "HighBit": 11}, lambda p: p | 0x1000),
    "inverted display": ({"PhotometricInterpretation": "MONOCHROME1"}, lambda p: p),
}


@pytest.mark.parametrize("name", STORED)
def test_stored_bits(tmp_path, name):
    elements, stored = STORED[name]
    pixels = noise(dtype=np.uint16) % 1200
    rescale = {"RescaleSlope": "1", "RescaleIntercept": "-1024"}
    write_series(tmp_path / "in", stored(pixels).astype(np.uint16), UP, modality="CT", **elements, **rescale)
    truth = pixels.astype(int) - (1624 if "signed" in name else 1024)
    image = read_volume(tmp_path / "in")
    assert np.array_equal(voxels(image), truth)
    assert image.GetPixelID() == sitk.sitkInt16


def test_damaged_files_stop_their_own_series_only(upsample, tmp_path):
    folder = write_series(tmp_path / "in", noise(), UP, SeriesDescription="good")
    write_other(folder / "bad.dcm", "MR", series="1.2.3.9")
    status, _, err = upsample(folder, tmp_path / "out", "--scale", 2)
    assert status == 2
    assert "bad.dcm cannot be read" in err
    assert [path.name for path in (tmp_path / "out").glob("*.nii.gz")] == ["001_good.nii.gz"]


@pytest.mark.parametrize("number", [0, 2, 4])
@pytest.mark.parametrize("lost", [2, 60])
def test_truncated_slices_are_not_left_out(refused, tmp_path, number, lost):
    damaged = write_series(tmp_path / "in", noise(), UP) / f"{number:03d}.dcm"
    damaged.write_bytes(damaged.read_bytes()[:-lost])
    assert f"{number:03d}.dcm" in refused(tmp_path / "in", tmp_path / "out.nrrd", "--scale", 2)


def test_file_of_an_unknown_series_stops_all(refused, tmp_path):
    folder = write_series(tmp_path / "in", noise(), UP)
    (folder / "bad.dcm").write_bytes(bytes(128) + b"DICM" + (folder / "000.dcm").read_bytes()[132:200])
    assert "bad.dcm cannot be read" in refused(folder, tmp_path / "out.nrrd", "--scale", 2)


def test_whole_files_of_no_series_stop_nothing(upsample, tmp_path):
    folder = write_series(tmp_path / "in", noise(), UP, SeriesDescription="good")
    write_slice(folder / "single.dcm", noise()[0], SeriesInstanceUID=None, SeriesNumber=2)
    assert upsample(folder, tmp_path / "out", "--scale", 2)[0] == 0
    assert sorted(path.name for path in (tmp_path / "out").glob("*.nii.gz")) == ["001_good.nii.gz", "002.nii.gz"]


def test_other_objects_beside_images_are_named(upsample, tmp_path):
    folder = write_series(tmp_path / "in", noise(), UP)
    write_other(folder / "contours.dcm", "RTSTRUCT", series="1.2.3.7")
    dose = {"modality": "RTDOSE", "SeriesInstanceUID": "1.2.3.8", "DoseGridScaling": "0.001"}
    write_slice(folder / "dose.dcm", noise()[0].astype(np.uint32), **dose)
    status, out, err = upsample(folder, tmp_path / "out.nrrd", "--scale", 2)
    assert (status, err) == (0, "")
    assert "contours.dcm (RT Structure Set)" in out
    assert "dose.dcm (radiotherapy dose)" in out


def test_dicom_is_known_by_its_content(tmp_path):
    pixels = noise()
    folder = write_series(tmp_path / "in", pixels, UP)
    for k, name in enumerate(("a", "b.IMA", "c.nii", "d.img", "1.2.3.4")):
        (folder / f"{k:03d}.dcm").rename(folder / name)
    assert np.array_equal(voxels(read_volume(folder)), pixels)


HOLES = {
    "no spacing": ({"PixelSpacing": None}, "pixel spacing"),
    "zero spacing": ({"PixelSpacing": ("0", "0")}, "pixel spacing"),
    "no position": ({"ImagePositionPatient": None}, "ImagePositionPatient"),
    "no orientation": ({"ImageOrientationPatient": None}, "ImageOrientationPatient"),
    "impossible orientation": ({"ImageOrientationPatient": ("1", "0", "0", "1", "0", "0")}, "ImageOrientationPatient"),
    "impossible bits": ({"BitsAllocated": 0}, "0 bits"),
}


@pytest.mark.parametrize(("elements", "said"), HOLES.values(), ids=HOLES)
def test_headers_that_do_not_say_where_slices_lie(refused, tmp_path, elements, said):
    write_series(tmp_path / "in", noise(), UP, **elements)
    assert said in refused(tmp_path / "in", tmp_path / "out.nrrd", "--scale", 2)


def test_thickness_of_a_single_slice(upsample, tmp_path):
    write_slice(tmp_path / "in" / "1.dcm", noise()[0], (0, 0, 30), SliceThickness="5")
    assert upsample(tmp_path / "in", tmp_path / "out.nii.gz", "--scale", 2)[0] == 0
    assert sitk.ReadImage(tmp_path / "out.nii.gz").GetSpacing() == pytest.approx((0.5, 0.5, 5))


def test_facts_of_the_header_are_kept(tmp_path):
    more = {"PixelPaddingValue": -2000, "RescaleSlope": "1", "RescaleIntercept": "-24"}
    write_series(tmp_path / "in", noise(), UP, modality="CT", **more)
    facts = sidecar_of(read_volume(tmp_path / "in"))
    assert (facts["Modality"], facts["SliceThickness"], facts["PixelPaddingValue"]) == ("CT", 3, -2024)


def test_slices_of_different_thickness_have_none(tmp_path):
    folder = write_series(tmp_path / "in", noise(), UP)
    first = sorted(folder.iterdir())[0]
    dataset = dcmread(first)
    dataset.SliceThickness = "5"
    dataset.save_as(first)
    assert "SliceThickness" not in sidecar_of(read_volume(folder))


def test_thickness_is_known_whatever_dcm2niix_makes_of_the_header(tmp_path):
    """It writes a backslash into its JSON where a convolution kernel has two values, as those of Siemens CT have."""
    more = {"Manufacturer": "SIEMENS", "ConvolutionKernel": ("Br38f", "3"), "SliceThickness": "2.5"}
    write_series(tmp_path / "in", noise(), UP, modality="CT", **more)
    assert sidecar_of(read_volume(tmp_path / "in"))["SliceThickness"] == 2.5


@pytest.mark.parametrize("stored", [-2000, 60000])
@pytest.mark.parametrize("implicit", [False, True], ids=["explicit VR", "implicit VR"])
def test_padding_whether_or_not_types_are_stored(tmp_path, implicit, stored):
    pixels = noise(dtype=np.int16 if stored < 0 else np.uint16)
    pixels[:, :3] = stored
    folder = write_series(tmp_path / "in", pixels, UP, PixelPaddingValue=stored, RescaleSlope="1", RescaleIntercept="0")
    for path in folder.iterdir() if implicit else ():
        dataset = dcmread(path)
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
        dataset.save_as(path, implicit_vr=True, little_endian=True)
    image = read_volume(folder)
    assert np.array_equal(voxels(image), pixels)
    assert sidecar_of(image)["PixelPaddingValue"] == stored


@pytest.mark.parametrize("scalings", [[(2, -1024)], [(2, -1024)] * 5, [(2, -1024), (1, 0), (1, 0), (1, 0), (1, 0)]])
def test_padding_of_enhanced_frames_is_scaled_as_they_are(tmp_path, scalings):
    pixels = noise()
    pixels[:, :3] = -2000
    write_frames(tmp_path / "in.dcm", pixels, UP, scalings, PixelPaddingValue=-2000)
    image = read_volume(tmp_path / "in.dcm")
    paddings = set(voxels(image)[:, :3].ravel().tolist())
    expected = paddings.pop() if len(paddings) == 1 else None  # It is no single intensity where scalings differ.
    assert sidecar_of(image).get("PixelPaddingValue") == expected


@pytest.mark.skipif(os.name != "posix", reason="needs symbolic links")
def test_link_that_leads_nowhere_stops_the_series(refused, tmp_path):
    folder = write_series(tmp_path / "in", noise(), UP)
    (folder / "slice.dcm").symlink_to("nowhere")
    assert "leads nowhere" in refused(folder, tmp_path / "out.nrrd", "--scale", 2)


def test_without_dcm2niix_the_rest_works(upsample, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "dcm2niix", None)
    folder = write_series(tmp_path / "in", noise(), UP)
    sitk.WriteImage(sitk.GetImageFromArray(noise()), folder / "other.nrrd")
    status, _, err = upsample(folder, tmp_path / "out", "--scale", 2)
    assert status == 2
    assert "dcm2niix" in err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["other.nrrd"]


def test_acquisition_matrix_is_evidence_however_the_file_is_read(tmp_path):
    pixels = np.random.default_rng(0).normal(100, 10, (3, 48, 40)).round().astype(np.uint16)
    elements = {"AcquisitionMatrix": (0, 20, 24, 0), "InPlanePhaseEncodingDirection": "COL"}
    write_series(tmp_path / "in", pixels, UP[:3], **elements)
    for image in (read_volume(tmp_path / "in"), sitk.ReadImage(str(next((tmp_path / "in").iterdir())))):
        assert [axis.header for axis in inspect(image).axes] == [0.5, 0.5, None]


@pytest.mark.parametrize("scaling", [{}, {"RescaleSlope": "2", "RescaleIntercept": "-24"}], ids=["stored", "rescaled"])
def test_padding_is_the_same_however_the_file_is_read(tmp_path, scaling):
    pixels = noise(1)[0]
    pixels[:3] = -2000
    write_slice(tmp_path / "in.dcm", pixels, PixelPaddingValue=-2000, **scaling)
    for image in (read_volume(tmp_path / "in.dcm"), sitk.ReadImage(tmp_path / "in.dcm")):
        assert sidecar_of(image)["PixelPaddingValue"] == voxels(image).min()
        assert not {"RescaleSlope", "RescaleIntercept"} & set(sidecar_of(image))
