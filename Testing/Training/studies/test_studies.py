"""The studies, as users run them."""

import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk

NAMES = ["hard_borders", "intensity_ranges", "interpolated_by_scanner", "noise_gain"]


def study(name, *arguments):
    command = [sys.executable, "-m", f"NExpRTraining.studies.{name}", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_table_has_a_row_for_every_volume(name, tmp_path):
    rng = np.random.default_rng(0)
    for volume in ("ann", "bob"):
        pixels = np.cumsum(rng.standard_normal((3, 40, 44)), axis=1).astype(np.float32)
        sitk.WriteImage(sitk.GetImageFromArray(pixels), tmp_path / f"{volume}.nrrd")
    finished = study(name, tmp_path / "ann.nrrd", tmp_path / "bob.nrrd")
    assert (finished.returncode, finished.stderr) == (0, "")
    rows = [line.split("|")[1].strip() for line in finished.stdout.splitlines() if line.startswith("|")]
    assert set(rows[2:]) == {"ann.nrrd", "bob.nrrd"}


def test_what_is_to_be_named_is_said(tmp_path):
    finished = study("noise_gain")
    assert finished.returncode == 2
    assert finished.stderr.startswith("usage: python -m NExpRTraining.studies.noise_gain [-h] VOLUME [VOLUME ...]")
    finished = study("noise_gain", tmp_path / "nowhere.nrrd")
    assert finished.returncode == 2
    assert finished.stderr.count("\n") == 1
    assert "There is no file or folder" in finished.stderr
