"""NRRD files of all kinds that the standard allows."""

import numpy as np
import pytest
import SimpleITK as sitk

from NExpRLib.volumes.sidecar import sidecar_of
from NExpRTraining.files.notes import notes_of
from NExpRTraining.files.volume_files import read_volume

SERIES = np.random.default_rng(0).integers(0, 900, (3, 4, 10, 12)).astype("<i2")


def written(path, pixels=SERIES, **fields):
    """Write pixels as numpy has them (slowest axis first), with these fields of the header."""
    header = {
        "type": "int16",
        "dimension": pixels.ndim,
        "sizes": " ".join(str(n) for n in pixels.shape[::-1]),
        "endian": "little",
        "encoding": "raw",
        **{name.replace("_", " "): value for name, value in fields.items()},
    }
    lines = ["NRRD0005", *(f"{name}: {value}" for name, value in header.items() if value), "", ""]
    path.write_bytes("\n".join(lines).encode() + np.ascontiguousarray(pixels).tobytes())
    return path


SPACE = {"space": "left-posterior-superior", "space_origin": "(5,6,7)"}
AXES = "(0.5,0,0) (0,0,-0.75) (0,3,0)"
LIST_FIRST = {**SPACE, "space_directions": f"none {AXES}", "kinds": "list domain domain domain"}
LIST_LAST = {**SPACE, "space_directions": f"{AXES} none", "kinds": "domain domain domain list"}


@pytest.mark.parametrize(("fields", "axis"), [(LIST_FIRST, b"0"), (LIST_LAST, b"3")])
def test_list_of_volumes_is_a_series(upsample, tmp_path, fields, axis):
    """As Slicer writes sequences: 5.13 with the list as the last axis."""
    source = written(tmp_path / "in.seq.nrrd", np.moveaxis(SERIES, 0, -1) if fields is LIST_FIRST else SERIES, **fields)
    times = b"axis %b index type:=numeric\naxis %b index values:=5 7.5 10" % (axis, axis)
    source.write_bytes(source.read_bytes().replace(b"\n\n", b"\n0008|0060:=MR\n" + times + b"\n\n", 1))
    image = read_volume(source)
    assert (image.GetSpacing()[3], image.GetOrigin()[3]) == (2.5, 5)
    assert np.array_equal(sitk.GetArrayFromImage(image), SERIES)
    assert sidecar_of(image) == {"Modality": "MR"}
    assert image.TransformIndexToPhysicalPoint((11, 9, 3, 0))[:3] == (5 + 11 * 0.5, 6 + 3 * 3, 7 - 9 * 0.75)
    assert upsample(source, tmp_path / "out.nrrd", "--scale", 2)[0] == 0
    result = read_volume(tmp_path / "out.nrrd")
    assert result.GetSize() == (24, 20, 4, 3)
    for number, volume in enumerate(SERIES):
        single = sitk.GetImageFromArray(volume)
        single.CopyInformation(image[..., number])
        sitk.WriteImage(single, tmp_path / "single.nrrd")
        assert upsample(tmp_path / "single.nrrd", tmp_path / "one.nrrd", "--scale", 2)[0] == 0
        one = sitk.ReadImage(tmp_path / "one.nrrd")
        assert np.array_equal(sitk.GetArrayFromImage(result[..., number]), sitk.GetArrayFromImage(one))
        assert result[..., number].GetOrigin() == pytest.approx(one.GetOrigin())
        assert result[..., number].GetDirection() == pytest.approx(one.GetDirection())


def test_times_in_milliseconds_are_seconds(tmp_path):
    """As those of a file in NIfTI."""
    source = written(tmp_path / "in.seq.nrrd", **LIST_LAST, units='"" "" "" "ms"')
    times = b"\naxis 3 index values:=5000 7500 10000\n\n"
    source.write_bytes(source.read_bytes().replace(b"\n\n", times, 1))
    image = read_volume(source)
    assert (image.GetSpacing()[3], image.GetOrigin()[3]) == pytest.approx((2.5, 5))


def test_gradients_are_not_lost(refused, tmp_path):
    source = written(tmp_path / "in.nrrd", **LIST_LAST)
    content = source.read_bytes().replace(b"\n\n", b"\nmodality:=DWMRI\nDWMRI_b-value:=1000\n\n", 1)
    source.write_bytes(content)
    assert "gradients" in refused(source, tmp_path / "out.nrrd", "--scale", 2)
    one = sitk.GetImageFromArray(SERIES[0])
    one.SetMetaData("DWMRI_b-value", "1000")
    sitk.WriteImage(one, tmp_path / "one.nrrd")
    assert read_volume(tmp_path / "one.nrrd").GetSize() == (12, 10, 4)


@pytest.mark.parametrize("kind", ["RGB-color", "vector"])
def test_colors_and_vectors_are_no_series(refused, tmp_path, kind):
    source = written(tmp_path / "in.nrrd", **{**LIST_LAST, "kinds": f"domain domain domain {kind}"})
    assert "one scalar channel at a time" in refused(source, tmp_path / "out.nrrd", "--scale", 2)


@pytest.mark.parametrize("unit", ["um", "\u00b5m", "m", "cm", "microns"])
def test_lengths_that_are_not_in_mm(refused, tmp_path, unit):
    source = written(tmp_path / "in.nrrd", SERIES[0], **SPACE, space_directions=AXES, space_units=f'"{unit}" ' * 3)
    assert "not in mm (space units: " in refused(source, tmp_path / "out.nrrd", "--scale", 2)
    source = written(tmp_path / "in.nrrd", SERIES[0], spacings="1 2 3", units=f'"{unit}" ' * 3)
    assert "not in mm (units: " in refused(source, tmp_path / "out.nrrd", "--scale", 2)


@pytest.mark.parametrize("unit", ["mm", "millimeter", "", "???"])
def test_lengths_in_mm(tmp_path, unit):
    source = written(tmp_path / "in.nrrd", SERIES[0], **SPACE, space_directions=AXES, space_units=f'"{unit}" ' * 3)
    assert read_volume(source).GetSpacing() == (0.5, 0.75, 3)


@pytest.mark.parametrize(
    "fields", [{"spacings": "1 2 nan"}, {"spacings": "nan 1 2"}, {**SPACE, "space_directions": "(1,0,0) (0,2,0) none"}]
)
def test_an_axis_without_length_is_said(tmp_path, fields):
    assert "taken for 1 mm" in notes_of(read_volume(written(tmp_path / "in.nrrd", SERIES[0], **fields)))[0]


@pytest.mark.parametrize("fields", [{"spacings": "1 2 3 nan"}, LIST_LAST])
def test_an_axis_that_is_no_space_needs_no_length(tmp_path, fields):
    assert not notes_of(read_volume(written(tmp_path / "in.nrrd", **fields)))
