"""``nexpr evaluate``: what it averages, and what it refuses."""

import json
import shutil

import numpy as np
import pytest
import SimpleITK as sitk

from NExpRLib.kspace import zero_fill
from NExpRTraining.evaluation.metrics import evaluate_slice
from NExpRTraining.evaluation.restorers import NExpR, classical_methods


def write(path, pixels, **options):
    path.parent.mkdir(exist_ok=True)
    sitk.WriteImage(sitk.GetImageFromArray(pixels, **options), path)
    return path


def means(out):
    """{(volume, method): PSNR}; the last of several volumes of one name."""
    rows = out.split("PSNR\n")[1].split("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    return {(volume, method): float(value) for volume, method, value in cells}


@pytest.fixture
def evaluate(nexpr, tiny_model_folder):
    def run(*arguments):
        return nexpr("evaluate", "--model", tiny_model_folder, "--device", "cpu", *arguments)

    return run


def test_every_slice_counts_once_also_in_volumes_of_one_name(evaluate, tmp_path):
    rng = np.random.default_rng(0)
    noise = [rng.random((n, 24, 26), dtype=np.float32) ** power for n, power in ((1, 1), (1, 6), (3, 3))]
    files = [write(tmp_path / name, p) for name, p in zip(("a/t2.nrrd", "b/t2.nrrd", "c/t1.nrrd"), noise)]
    alone = []
    for file in files:
        status, out, err = evaluate(file, "--scales", 2)
        assert (status, err) == (0, "")
        alone.append(means(out)["all slices", "Zero-filling"])
    together = means(evaluate(*files, "--scales", 2)[1])
    expected = np.average(alone, weights=[1, 1, 3])
    assert together["all slices", "Zero-filling"] == pytest.approx(expected, abs=0.011)


def test_2d_image(evaluate, tmp_path):
    slices = np.random.default_rng(0).random((1, 24, 26), dtype=np.float32)
    flat, volume = write(tmp_path / "flat.nrrd", slices[0]), write(tmp_path / "volume.nrrd", slices)
    results = [means(evaluate(path, "--scales", 2)[1])["all slices", "NExpR"] for path in (flat, volume)]
    assert results[0] == results[1]


def test_slices_are_those_that_were_acquired_however_they_are_stored(evaluate, tmp_path):
    noise = np.random.default_rng(0).random((3, 24, 26), dtype=np.float32)
    image = sitk.GetImageFromArray(noise)
    image.SetSpacing((0.5, 0.5, 4))
    stored = {"k": image, "j": sitk.PermuteAxes(image, (0, 2, 1)), "i": sitk.PermuteAxes(image, (2, 0, 1))}
    found = []
    for name, each in stored.items():
        sitk.WriteImage(each, tmp_path / f"{name}.nrrd")
        found.append(means(evaluate(tmp_path / f"{name}.nrrd", "--scales", 2)[1])["all slices", "Zero-filling"])
    assert found == [found[0]] * 3
    status, _, err = evaluate(tmp_path / "j.nrrd", "--scales", 2, "--plane", 2)
    assert status == 2
    assert "too small" in err


@pytest.mark.parametrize(
    ("shape", "options", "arguments", "said"),
    [
        ((2, 20, 20), {}, ["--scales", "nan"], "above 1"),
        ((2, 20, 20), {}, ["--scales", "inf"], "above 1"),
        ((2, 20, 20), {}, ["--window", "5", "1"], "lower to a higher"),
        ((2, 20, 20), {}, ["--window", "5", "5"], "lower to a higher"),
        ((2, 20, 20, 3), {"isVector": True}, [], "one scalar channel"),
        ((1, 2, 20, 20), {"isVector": False}, [], "4 dimensions"),
        ((3, 1, 20), {}, [], "too small"),
    ],
    ids=str,
)
def test_what_cannot_be_evaluated(evaluate, tmp_path, shape, options, arguments, said):
    path = write(tmp_path / "in.nrrd", np.random.default_rng(0).random(shape, dtype=np.float32), **options)
    status, _, err = evaluate(path, *arguments)
    assert status == 2
    assert said in err
    assert err.count("\n") == 1


def test_voxels_without_data_are_named_as_the_reason(evaluate, tmp_path):
    noise = np.random.default_rng(0).random((2, 24, 26), dtype=np.float32)
    noise[:, :3] = np.nan
    status, _, err = evaluate(write(tmp_path / "in.nrrd", noise), "--scales", 2)
    assert status == 2
    assert "156 NaN" in err


def test_volumes_that_cannot_be_used_are_named_and_the_rest_is_compared(evaluate, tmp_path):
    noise = np.random.default_rng(0).random((1, 24, 26), dtype=np.float32)
    labels = np.zeros((1, 24, 26), np.uint8)
    labels[:, 5:15, 5:20] = 1
    write(tmp_path / "in" / "a.nrrd", labels), write(tmp_path / "in" / "b.nrrd", noise)
    status, out, err = evaluate(tmp_path / "in", "--scales", 2)
    assert status == 2
    assert "1 of 2 volumes were skipped" in err
    assert "a.nrrd" in err
    assert {volume for volume, _ in means(out)} == {"b", "all slices"}


def test_slices_without_contrast_are_left_out(evaluate, tmp_path):
    """Every method restores them without error: their PSNR, and every mean with it, would be infinite."""
    noise = np.random.default_rng(0).random((2, 24, 26), dtype=np.float32)
    empty = np.zeros((1, 24, 26), np.float32)
    whole, without = write(tmp_path / "a.nrrd", np.concatenate([empty, noise])), write(tmp_path / "b.nrrd", noise)
    window = ["--window", 0, 1, "--scales", 2]
    status, out, _ = evaluate(whole, *window)
    assert status == 0
    assert "Left out: 1 slices" in out
    expected = evaluate(without, *window)[1]
    for method in ("Zero-filling", "Cubic B-spline", "NExpR"):
        assert means(out)["all slices", method] == means(expected)["all slices", method]
    status, _, err = evaluate(write(tmp_path / "c.nrrd", empty), *window)
    assert status == 2
    assert "nothing to compare" in err


def test_degradation_is_that_of_the_model(nexpr, tiny_model_folder, tmp_path):
    model = shutil.copytree(tiny_model_folder, tmp_path / "model")
    card = json.loads((model / "card.json").read_text())
    (model / "card.json").write_text(json.dumps(card | {"degradation": "bicubic"}))
    path = write(tmp_path / "a.nrrd", np.random.default_rng(0).random((2, 24, 26), dtype=np.float32))
    command = ["evaluate", path, "--model", model, "--device", "cpu", "--scales", 2]
    printed = {
        name: nexpr(*command, *options)[1]
        for name, options in (
            ("left out", []),
            ("bicubic", ["--degradation", "bicubic"]),
            ("kspace", ["--degradation", "kspace"]),
        )
    }
    assert "Degradation: bicubic." in printed["left out"]
    assert "Degradation: kspace; the model was trained for bicubic." in printed["kspace"]
    assert means(printed["left out"]) == means(printed["bicubic"]) != means(printed["kspace"])


def test_zero_filled_truth_is_cropped_to_what_was_measured(evaluate, tmp_path):
    measured = np.random.default_rng(0).random((2, 24, 32)).astype(np.float32)
    filled = np.stack([zero_fill(image, (24, 48), (0, 0)) for image in measured])
    paths = [write(tmp_path / name, pixels) for name, pixels in (("a.nrrd", measured), ("b.nrrd", filled))]
    (tmp_path / "facts.csv").write_text("file,x,y\nb.nrrd,66.7,100\n")
    options = ["--window", 0, 1, "--scales", 2]
    truth, as_stored = (means(evaluate(path, *options)[1]) for path in paths)
    table = ["--effective-resolution", tmp_path / "facts.csv"]
    cropped = means(evaluate(paths[1], *options, *table)[1])
    assert "so used whole: a." in evaluate(paths[0], *options, *table)[1]
    for method in ("Zero-filling", "NExpR"):
        assert cropped["all slices", method] == pytest.approx(truth["all slices", method], abs=0.02)
        assert as_stored["all slices", method] > truth["all slices", method] + 1


def test_subfolders_that_are_passed_over_are_named(evaluate, tmp_path):
    write(tmp_path / "patients" / "a.nrrd", np.random.default_rng(0).random((1, 24, 26), dtype=np.float32))
    status, out, _ = evaluate(tmp_path / "patients", "--scales", 2)
    assert (status, "subfolders" in out) == (0, False)
    write(tmp_path / "patients" / "eve" / "b.nrrd", np.random.default_rng(0).random((1, 24, 26), dtype=np.float32))
    assert "subfolders are not searched: eve" in evaluate(tmp_path / "patients", "--scales", 2)[1]
    status, _, err = evaluate(tmp_path)
    assert status == 2
    assert "name one of them" in err


def test_folder_without_volumes(evaluate, tmp_path):
    status, _, err = evaluate(tmp_path)
    assert status == 2
    assert "no volume" in err


def test_window_sets_what_is_compared(evaluate, tmp_path):
    unit = np.random.default_rng(0).uniform(-0.3, 1.3, (2, 24, 26)).astype(np.float32)
    values = write(tmp_path / "hu.nrrd", 400 * unit - 140)
    expected = write(tmp_path / "unit.nrrd", np.clip(unit, 0, 1))
    options = ["--scales", 2, "--window"]
    _, clipped, _ = evaluate(expected, *options, 0, 1)
    _, printed, _ = evaluate(values, *options, -140, 260)
    for method in ("Zero-filling", "NExpR"):
        psnr = means(clipped)["all slices", method]
        assert means(printed)["all slices", method] == pytest.approx(psnr, abs=0.011)


def test_card_keeps_what_it_says_and_takes_tables_and_command(nexpr, tiny_model_folder, tmp_path):
    shutil.copytree(tiny_model_folder, tmp_path / "model")
    before = json.loads((tmp_path / "model" / "card.json").read_text())
    path = write(tmp_path / "in.nrrd", np.random.default_rng(0).random((1, 24, 26), dtype=np.float32))
    options = ["--model", tmp_path / "model", "--scales", 2, "--window", 0, 1, "--update-card"]
    status, out, _ = nexpr("evaluate", path, *options)
    card = json.loads((tmp_path / "model" / "card.json").read_text())
    metrics = card.pop("metrics")
    assert (status, card) == (0, before)
    command = "nexpr evaluate in.nrrd --model model --scales 2 --degradation kspace --window 0 1"
    assert metrics["command"] == command
    of_all = {row["method"]: row for row in metrics["results"] if row["volume"] == "all slices"}
    assert {name: row["PSNR"] for name, row in of_all.items()} == {
        name: means(out)["all slices", name] for name in of_all
    }
    assert {row["scale"] for row in metrics["results"]} == {2}
    shown = nexpr("models", "show", tmp_path / "model")[1]
    assert shown.split("metrics, by: " + command)[1] in out


@pytest.mark.parametrize("degradation", ["kspace", "bicubic"])
def test_numbers_are_those_of_the_degradation_that_is_named(evaluate, tiny_model, tmp_path, degradation):
    pixels = np.random.default_rng(0).random((1, 24, 26), dtype=np.float32)
    path = write(tmp_path / "in.nrrd", pixels)
    options = ["--scales", 2, "--window", 0, 1, "--degradation", degradation]
    methods = {**classical_methods(degradation), "NExpR": NExpR(degradation, tiny_model)}
    _, expected = evaluate_slice(pixels[0], 2, degradation, methods)
    printed = means(evaluate(path, *options)[1])
    for name, (_, values) in expected.items():
        assert printed["all slices", name] == pytest.approx(values["PSNR"], abs=0.0051)


def test_ct_is_measured_inside_the_body_as_well(evaluate, tmp_path):
    """A smooth body: what is wrong lies along its outline, and little of it inside."""
    rows, columns = np.mgrid[:64, :72]
    body = np.hypot((rows - 32) / 26, (columns - 36) / 30) < 1
    air = -1000 + 20 * np.random.default_rng(0).random(body.shape)
    image = np.where(body, 40 + 30 * np.sin(rows / 9) * np.cos(columns / 8), air)[None].repeat(2, axis=0)
    file = write(tmp_path / "body.nrrd", image)
    out = evaluate(file, "--scales", 2, "--degradation", "bicubic")[1]
    whole = means(out)["body", "Bicubic"]
    inside = means(out.replace("PSNR\n", "", 1).replace("PSNR inside the body\n", "PSNR\n"))["body", "Bicubic"]
    assert whole < 30 < 45 < inside
    assert "inside the body" not in evaluate(write(tmp_path / "mri.nrrd", image + 1000), "--scales", 2)[1]


def test_model_is_that_of_the_modality_where_none_is_named(nexpr, tmp_path):
    mri = np.random.default_rng(0).random((1, 24, 26), dtype=np.float32)
    paths = write(tmp_path / "mri.nrrd", mri), write(tmp_path / "ct.nrrd", 2000 * mri - 1000)
    for path, model in zip(paths, ("mri", "ct")):
        assert f'Model "{model}"' in nexpr("evaluate", path, "--device", "cpu", "--scales", 2)[1]
    status, out, err = nexpr("evaluate", *paths, "--scales", 2)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert f'"mri" for {paths[0]} and "ct" for {paths[1]}' in err
