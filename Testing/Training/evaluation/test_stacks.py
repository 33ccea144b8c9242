"""Volumes averaged to thick slices: what ``nexpr evaluate`` says of models for stacks of slices."""

import json
import shutil

import numpy as np
import pytest
import SimpleITK as sitk

from NExpRLib.model_card import MODELS_FOLDER
from NExpRLib.volumes.slice_profile import slice_profile
from NExpRTraining.evaluation.stacks import SimulatedStack, methods_through_plane


def head(n=48):
    """A ball full of waves, in air."""
    z, y, x = np.meshgrid(*[np.linspace(-1, 1, n)] * 3, indexing="ij")
    ball = (z**2 + y**2 + x**2) < 0.7
    return np.where(ball, 600 + 150 * np.sin(9 * z + 4 * x) * np.cos(7 * y - 5 * z), 0).astype(np.float32)


def rows_of(table):
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    return {(volume, method): [float(v) for v in values] for volume, method, *values in cells}


@pytest.mark.parametrize("gap", [0, 1])
def test_a_slice_is_the_average_over_its_profile(gap):
    voxels = np.random.default_rng(0).random((41, 3, 4), dtype=np.float32)
    stack = SimulatedStack.of(voxels, 3, gap, "gaussian")
    middle = {0: 20, 1: 22}[gap]  # the voxel at the center of one of the slices
    k = round(stack.positions[middle])
    assert stack.positions[middle] == pytest.approx(k)
    weights = slice_profile(np.arange(41) - middle, 3, "gaussian", step=1.0)
    expected = np.tensordot(weights / weights.sum(), voxels, 1)
    np.testing.assert_allclose(stack.slices[k], expected, atol=1e-6)
    assert np.diff(stack.positions) == pytest.approx(1 / (3 + gap))


def test_lines_along_the_slice_axis_are_restored_by_every_method():
    ramp = np.linspace(0, 1, 40, dtype=np.float32)[:, None, None] * np.ones((1, 4, 5), np.float32)
    stack = SimulatedStack.of(ramp, 4, 0, "gaussian")
    for name, method in methods_through_plane({}).items():
        np.testing.assert_allclose(method(stack)[8:-8], ramp[8:-8], atol=0.02, err_msg=name)


def test_model_for_stacks_is_measured_inside_the_head_and_put_on_its_card(nexpr, tmp_path):
    model_of_stacks = shutil.copytree(MODELS_FOLDER / "mri-slices", tmp_path / "model")
    sitk.WriteImage(sitk.GetImageFromArray(head()), tmp_path / "t1.nrrd")
    arguments = ["evaluate", tmp_path / "t1.nrrd", "--model", model_of_stacks, "--device", "cpu", "--update-card"]
    status, out, err = nexpr(*arguments, "--scales", 3, 4)
    assert (status, err) == (0, "")
    psnr, consistency = (
        rows_of(out.split(f"\n{metric}\n")[1].split("\n\n")[0]) for metric in ("PSNR inside the body", "Consistency")
    )
    assert {volume for volume, _ in psnr} == {"t1, gaussian", "t1, slr"}
    spline, model = psnr["t1, gaussian", "Cubic B-spline"], psnr["t1, gaussian", "NExpR"]
    assert spline[0] > spline[1], "thicker slices hold less"
    assert min(consistency["t1, gaussian", "NExpR"]) > 60 > max(consistency["t1, gaussian", "Cubic B-spline"])
    card = json.loads((model_of_stacks / "card.json").read_text())
    assert card["metrics"]["command"].endswith("--scales 3 4 --degradation slices")
    found = [r["PSNR inside the body"] for r in card["metrics"]["results"] if r["method"] == "NExpR"]
    assert found[:2] == model
    assert nexpr("models", "show", model_of_stacks)[0] == 0


@pytest.mark.parametrize(
    ("model", "options", "said"),
    [
        ("mri-fast", ["--degradation", "slices"], "leave out --degradation"),
        ("mri-slices", ["--degradation", "kspace"], "leave out --degradation"),
        ("mri-slices", ["--window", "0", "1"], "do not apply"),
        ("mri-slices", ["--scales", "8"], "less than two slices of 8"),
    ],
)
def test_what_makes_no_sense_is_refused(nexpr, tmp_path, model, options, said):
    sitk.WriteImage(sitk.GetImageFromArray(head(12)), tmp_path / "t1.nrrd")
    status, _, err = nexpr("evaluate", tmp_path / "t1.nrrd", "--model", model, *options)
    assert status == 2
    assert said in err
    assert err.count("\n") == 1
