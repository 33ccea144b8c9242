"""The studies of thick slices, on volumes whose truth is known."""

import runpy
import sys

import numpy as np
import pytest
import SimpleITK as sitk


@pytest.fixture
def study(monkeypatch, capfd):
    """Lines of the last table that a study prints, as lists of cells."""

    def run(name, *arguments):
        monkeypatch.setattr(sys, "argv", ["-m", *map(str, arguments)])
        runpy.run_module(f"NExpRTraining.studies.{name}", run_name="__main__", alter_sys=True)
        table = [line for line in capfd.readouterr().out.splitlines() if line.startswith("|")]
        return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[2:]]

    return run


def blobs(x, y, z):
    """A function of mm that is as detailed along all axes, 0 far from the center."""
    waves = sum(np.sin(k * (x + 2 * y) / 9 + k * k) * np.cos(k * (y - z) / 7) for k in (1, 2, 3))
    return (2 + waves) * np.exp(-(((x**2 + y**2 + z**2) / 26**2) ** 3))


def write(path, shape, spacing, normal):
    """Thick slices across an axis of the world, about its center."""
    axes = [(normal + 1) % 3, (normal + 2) % 3, normal]
    direction = np.eye(3)[:, axes]
    origin = -direction @ ((np.array(shape) - 1) / 2 * spacing)
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"))
    thick = 0
    for depth in (np.arange(8) + 0.5) / 8 - 0.5:
        indices = grid + np.array([0, 0, depth]).reshape(3, 1, 1, 1)
        thick = thick + blobs(*np.tensordot(direction * spacing, indices, 1) + origin.reshape(3, 1, 1, 1)) / 8
    image = sitk.GetImageFromArray(thick.transpose(2, 1, 0).astype(np.float32))
    image.SetSpacing(list(map(float, spacing)))
    image.SetOrigin(origin.tolist())
    image.SetDirection(direction.ravel().tolist())
    sitk.WriteImage(image, path)
    return path


def test_simulated_slices_are_kept_by_what_is_made_consistent(study, tmp_path):
    volume = write(tmp_path / "cubes.nrrd", (50, 50, 50), (1, 1, 1), 2)
    rows = study("simulated_slices", volume, "--slices", "4|0", "--profiles", "gaussian", "box")
    by_method = {(row[2], row[3]): row for row in rows}
    for profile in ("gaussian", "box"):
        linear, spline, consistent = (
            by_method[profile, method] for method in ("Linear", "Cubic B-spline", "B-spline, consistent")
        )
        assert float(linear[4]) < float(spline[4]) < float(consistent[4])  # PSNR
        assert float(spline[7]) < 60 < float(consistent[7])  # slice consistency


def test_result_of_another_program_is_measured_where_the_truth_lies(study, tmp_path):
    volume = write(tmp_path / "cubes.nrrd", (30, 30, 50), (1, 1, 1), 2)
    study("other_program", "write", volume, 4, tmp_path / "stack.nii.gz")
    stack = sitk.ReadImage(tmp_path / "stack.nii.gz")
    assert stack.GetSize() == (30, 30, 12)
    # The slices interpolated linearly by another library, on a grid of a quarter of their spacing.
    grid = sitk.Image(30, 30, 48, sitk.sitkFloat32)
    grid.SetOrigin((0.0, 0.0, -1.5))
    sitk.WriteImage(sitk.Resample(stack, grid, sitk.Transform(), sitk.sitkLinear), tmp_path / "finer.nii.gz")
    rows = {row[0]: row[1:] for row in study("other_program", "compare", volume, 4, tmp_path / "finer.nii.gz")}
    ours, theirs = rows["Linear"], rows[str(tmp_path / "finer.nii.gz")]
    assert float(theirs[0]) == pytest.approx(float(ours[0]), abs=0.5), "they differ beyond the outermost slices only"


@pytest.mark.slow
def test_acquired_slices_are_predicted_from_others_where_they_lie(study, tmp_path):
    stacks = [write(tmp_path / f"across{a}.nrrd", (52, 52, 13), (1, 1, 4), a) for a in (2, 0)]
    rows = study("acquired_slices", *stacks, "--box", 30, 30, 30)
    every = {row[2]: [float(cell) for cell in row[3:]] for row in rows if row[0] == "all"}
    assert every["Linear"][0] < every["Cubic B-spline"][0]
    assert every["Cubic B-spline"][0] > 0.99


def test_a_missing_volume_is_named(study, tmp_path):
    with pytest.raises(SystemExit, match="There is no file or folder"):
        study("simulated_slices", tmp_path / "nowhere.nrrd")
