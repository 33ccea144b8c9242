"""The studies, as users run them: ``python -m NExpRTraining.studies.NAME VOLUME ...``."""

import pkgutil
import runpy
import sys

import numpy as np
import pytest
import SimpleITK as sitk

from NExpRTraining import studies

NO_STUDIES_OF_VOLUMES = (
    *("volumes", "acquired_slices", "simulated_slices", "mri_scans"),
    *("other_program", "smooth_structures", "noise_brightness"),
)
NAMES = [module.name for module in pkgutil.iter_modules(studies.__path__) if module.name not in NO_STUDIES_OF_VOLUMES]


@pytest.fixture
def study(monkeypatch, capfd):
    """Run a study in this process: ``(exit status, stdout, stderr)``."""

    def run(name, *arguments):
        status = 0
        monkeypatch.setattr(sys, "argv", ["-m", *map(str, arguments)])
        try:
            runpy.run_module(f"NExpRTraining.studies.{name}", run_name="__main__", alter_sys=True)
        except SystemExit as end:
            status = end.code
        return status, *capfd.readouterr()

    return run


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_table_has_a_row_for_every_volume(study, name, tmp_path):
    rng = np.random.default_rng(0)
    for volume in ("ann", "bob"):
        pixels = np.cumsum(rng.standard_normal((3, 40, 44)), axis=1).astype(np.float32)
        sitk.WriteImage(sitk.GetImageFromArray(pixels), tmp_path / f"{volume}.nrrd")
    status, out, err = study(name, tmp_path / "ann.nrrd", tmp_path / "bob.nrrd")
    assert (status, err) == (0, "")
    rows = [line.split("|")[1].strip() for line in out.splitlines() if line.startswith("|")]
    assert set(rows[2:]) == {"ann.nrrd", "bob.nrrd"}


@pytest.mark.parametrize("name", NAMES)
def test_what_is_to_be_named_is_said(study, name, tmp_path):
    status, _, err = study(name)
    assert status == 2
    assert err.startswith(f"usage: python -m NExpRTraining.studies.{name} VOLUME ...\n")
    assert f"python -m NExpRTraining.studies.{name} VOLUME ..." in study(name, "--help")[1]
    status, _, err = study(name, tmp_path / "nowhere.nrrd")
    assert (status, err.count("\n")) == (2, 1)
    assert "There is no file or folder" in err


def test_interpolated_noise_is_as_bright_as_it_is(study, skip_only_model_folder):
    status, out, _ = study("noise_brightness", "--model", skip_only_model_folder)
    assert status == 0
    (row,) = [line for line in out.splitlines() if "noise reduction 0" in line]
    changes = [float(number.strip(" %")) for cell in row.split("|")[3:-1] for number in cell.split(",")]
    assert len(changes) == 6
    assert changes == pytest.approx([0] * 6, abs=0.02)


def test_blob_that_is_interpolated_is_as_high_as_it_is(study, skip_only_model_folder):
    status, out, _ = study("smooth_structures", "--model", skip_only_model_folder)
    assert status == 0
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in out.splitlines() if line.startswith("|")]
    without_noise = [[float(number) for number in cell.split(",")] for cell in rows[2][2:]]
    for (height, shift), tolerance in zip(without_noise, (0.1, 0.02, 0.01, 0.005)):
        assert height == pytest.approx(1, abs=tolerance)
        assert shift < 1e-3
