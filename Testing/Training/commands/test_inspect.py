"""``nexpr inspect`` on files."""

import json

import numpy as np
import pytest
import SimpleITK as sitk

from NExpRLib.kspace import zero_fill


@pytest.fixture
def interpolated(tmp_path):
    """Texture of which two thirds were measured along columns."""
    low = 100 + np.random.default_rng(0).normal(scale=10, size=(4, 160, 128))
    image = sitk.GetImageFromArray(zero_fill(low, (160, 192)))
    image.SetSpacing([0.5, 0.5, 3])
    (tmp_path / "in").mkdir()
    sitk.WriteImage(image, tmp_path / "in" / "a.nrrd")
    return tmp_path / "in" / "a.nrrd"


def test_table_and_figure(nexpr, interpolated, tmp_path):
    status, out, err = nexpr("inspect", interpolated, "-o", tmp_path / "figure.png")
    assert (status, err) == (0, "")
    assert "interpolated by the scanner" in out
    assert (tmp_path / "figure.png").read_bytes()[:4] == b"\x89PNG"


def test_json(nexpr, interpolated):
    status, out, _ = nexpr("inspect", interpolated, "--json")
    assert status == 0
    facts = json.loads(out)
    assert facts["measured"] == pytest.approx([0.75, 0.5, 3], rel=0.03)
    assert facts["stored"] == [0.5, 0.5, 3]


def test_a_row_per_volume_of_a_folder(nexpr, interpolated):
    image = sitk.ReadImage(interpolated)
    sitk.WriteImage(image, interpolated.parent / "b.nrrd")
    status, out, _ = nexpr("inspect", interpolated.parent)
    assert status == 0
    assert [line.split()[1] for line in out.splitlines()[2:]] == ["a", "b"]


def test_bad_input(nexpr, interpolated, tmp_path):
    for arguments, message in (
        ([tmp_path / "missing.nrrd"], "missing.nrrd"),
        ([interpolated, "-o", tmp_path / "figure.jpg"], "must end in .png"),
    ):
        status, _, err = nexpr("inspect", *arguments)
        assert status == 2
        assert message in err
        assert len(err.splitlines()) == 1


def test_volumes_of_one_name_have_a_row_each(nexpr, volume, tmp_path):
    for name in ("a.nrrd", "a.mha"):
        sitk.WriteImage(volume, tmp_path / name)
    rows = [line for line in nexpr("inspect", tmp_path)[1].splitlines() if line.startswith("|")]
    assert len(rows) == 4
