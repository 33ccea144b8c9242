"""``nexpr compare``: from a configuration to one page, with networks that are trained on the way."""

import csv
import json
import re
import shutil

import numpy as np
import pytest
import SimpleITK as sitk
import yaml

from NExpRTraining.configs import config_path

SMALL_NEXPR = {
    "model.network.blocks": 1,
    "model.network.features": 8,
    "model.network.hidden": 16,
    "model.warmup_steps": 1,
    "model.decay_steps": 1,
}


def slices(rng, size=48):
    """Smooth random slice in [0, 1]."""
    waves = sum(
        rng.normal() * np.cos(2 * np.pi * (rng.integers(0, 9) * np.arange(size)[:, None] / size + a * np.arange(size)))
        for a in rng.uniform(0, 0.2, 8)
    )
    return ((waves - waves.min()) / np.ptp(waves)).astype(np.float16)


def write(path, subjects, validation):
    rng = np.random.default_rng(len(subjects))
    arrays = {f"slice_{i:05d}": slices(rng) for i in range(len(subjects))}
    np.savez(path, subjects=subjects, sources=subjects, validation=validation, windows=np.empty((0, 2)), **arrays)


@pytest.fixture
def comparison(tmp_path):
    """Folder of the data, and the configuration of a comparison of NExpR and EDSR at 2x."""
    write(tmp_path / "train.npz", ["ann", "bob"], ["bob"])
    write(tmp_path / "test.npz", ["dan", "dan", "eve", "fay"], np.array([], dtype=str))
    protocol = {
        "images": 4,
        "training_sets": {"waves": {"data": "train.npz", "degradation": "kspace"}},
        "test_sets": {"test waves": {"data": "test.npz", "trained_on": "waves"}},
        "options": {
            "data.crop_size": 12,
            "data.slices_per_batch": 2,
            "data.crops_per_slice": 1,
            "data.steps_per_epoch": 2,
            "data.workers": 0,
            "data.validation_scales": [2.0],
            "trainer.accelerator": "cpu",
            "trainer.enable_progress_bar": False,
            "trainer.logger": False,
        },
        "methods": {
            "EDSR": {},
            "NExpR": {"config": str(config_path("mri.yaml")), "options": SMALL_NEXPR},
        },
        "fixed_scales": [2],
        "arbitrary_scales": {"count": 3},
        "timing": {"size": 12, "scales": [2.0, 4.0], "repeats": 1},
        "frequency_study": {"method": "NExpR", "values": [1], "test_set": "test waves", "scale": 2},
        "patch_study": {"method": "NExpR", "values": [2], "test_set": "test waves", "scale": 2},
        "panels_scale": 2,
    }
    return tmp_path, protocol


@pytest.fixture
def run(nexpr, comparison):
    folder, _ = comparison

    def compare(protocol):
        (folder / "config.yaml").write_text(yaml.safe_dump(protocol))
        return nexpr("compare", folder / "config.yaml", "--data", folder, "--output", folder / "out")

    return compare


def contents(folder, pattern):
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob(pattern)}


@pytest.mark.slow
def test_whole_comparison_and_what_a_second_run_computes(comparison, run):
    folder, protocol = comparison
    status, out, err = run(protocol)
    assert status == 0, err
    page = (folder / "out" / "RESULTS.md").read_text()
    figures = re.findall(r"!\[.*?\]\((.*?)\)", page)
    assert len(figures) == 5
    assert all((folder / "out" / figure).read_bytes().startswith(b"\x89PNG") for figure in figures)
    assert "patients: 3, slices: 4" in page
    assert "LPIPS: not available" in page
    for table in ("fixed-scales-test-waves", "paired-tests-test-waves", "averages", "complexity", "patch-size"):
        with open(folder / "out" / "results" / f"{table}.csv", newline="") as file:
            header, *rows = csv.reader(file)
        assert rows
        assert " | ".join(cell.strip() for cell in rows[0]) in re.sub(r" +", " ", page)

    # The table is the mean over patients, of whom one has two slices.
    (measured,) = (folder / "out" / "slices" / "edsr" / "trained-on-waves" / "test-waves").glob("2.000x.csv")
    with open(measured, newline="") as file:
        file.readline()
        psnr = [float(row["PSNR"]) for row in csv.DictReader(file)]
    expected = np.mean([np.mean(psnr[:2]), *psnr[2:]])
    assert re.search(rf"\| EDSR +\| {expected:.2f} ", page)

    before = contents(folder / "out", "*.csv") | contents(folder / "out", "*.ckpt")
    measured.unlink()
    assert run(protocol)[0] == 0
    after = contents(folder / "out", "*.csv") | contents(folder / "out", "*.ckpt")
    assert after[measured][1] == before[measured][1]
    unchanged = [path for path in before if path != measured and "results" not in path.parts]
    assert len(unchanged) > 10
    assert all(after[path] == before[path] for path in unchanged)

    # Networks of other options are not taken for the wanted ones.
    status, _, err = run({**protocol, "images": 8})
    assert status == 2
    assert "trained with other options or data" in err


def test_stopped_training_is_continued(comparison, run, monkeypatch):
    from NExpRTraining.modules import NExpRTraining

    folder, protocol = comparison
    only = {"methods": {"NExpR": protocol["methods"]["NExpR"]}, "arbitrary_scales": None, "timing": None}
    protocol = {**protocol, **only, "images": 8, "frequency_study": None, "patch_study": None, "panels_scale": None}
    step, steps = NExpRTraining.training_step, []

    def stop(self, samples):
        steps.append(self.global_step)
        if len(steps) == 4:
            raise ValueError("stopped")
        return step(self, samples)

    monkeypatch.setattr(NExpRTraining, "training_step", stop)
    assert run(protocol)[0] == 2
    assert run(protocol)[0] == 0
    assert steps == [0, 1, 2, 3, 2, 3]  # The first epoch of two steps was kept.


def test_training_takes_one_device_of_the_kind_that_was_asked_for(comparison, run, monkeypatch):
    """On several, every network would see more crops than the page says."""
    from NExpRTraining.comparison import trained

    asked_for = []
    monkeypatch.setattr(trained.TrainingRun, "finish", lambda self: asked_for.append(self.configuration()["trainer"]))
    _, protocol = comparison
    del protocol["options"]["trainer.accelerator"]
    run(protocol)
    assert (asked_for[0]["accelerator"], asked_for[0]["devices"]) == ("cpu", 1)


def test_patients_of_the_training_set_are_refused(comparison, run):
    folder, protocol = comparison
    write(folder / "test.npz", ["bob", "dan"], np.array([], dtype=str))  # Bob is kept for validation.
    write(folder / "both.npz", ["ann", "dan"], np.array([], dtype=str))
    studies = {"frequency_study": None, "patch_study": None, "timing": None, "panels_scale": None}
    studies |= {"methods": {"NExpR": protocol["methods"]["NExpR"]}, "arbitrary_scales": None}
    assert run({**protocol, **studies})[0] == 0
    test_sets = {"test waves": {"data": "both.npz", "trained_on": "waves"}}
    status, _, err = run({**protocol, **studies, "test_sets": test_sets})
    assert status == 2
    assert "ann: in the training set waves as well" in err


@pytest.mark.slow
def test_changed_data_and_networks_are_noticed(comparison, nexpr):
    folder, protocol = comparison
    for name, subjects in (("training", "abc"), ("test", "def")):
        (folder / name).mkdir()
        for subject in subjects:
            image = sitk.GetImageFromArray(slices(np.random.default_rng(ord(subject))).astype(np.float32)[None])
            sitk.WriteImage(image, folder / name / f"{subject}.nrrd")
    small = {"methods": {"NExpR": protocol["methods"]["NExpR"]}, "timing": protocol["timing"], "arbitrary_scales": None}
    none = {"frequency_study": None, "patch_study": None, "panels_scale": None}
    sets = {
        "training_sets": {"waves": {"data": "training", "degradation": "kspace"}},
        "test_sets": {"test waves": {"data": "test", "trained_on": "waves"}},
    }
    output = folder / "out"

    def run(**changes):
        (folder / "config.yaml").write_text(yaml.safe_dump({**protocol, **small, **none, **sets, **changes}))
        status, _, err = nexpr("compare", folder / "config.yaml", "--data", folder, "--output", output)
        assert status == 0, err
        return (output / "RESULTS.md").read_text(), json.loads((output / "timing.json").read_text())

    page, times = run()
    assert run()[1] == times
    (folder / "test" / "d.nrrd").unlink()
    assert "patients: 3" in page
    changed, same = run()
    assert "patients: 2" in changed
    assert same == times
    shutil.rmtree(output / "training")
    wider = {**SMALL_NEXPR, "model.network.hidden": 24}
    methods = {"NExpR": {**protocol["methods"]["NExpR"], "options": wider}}
    others = run(methods=methods)[1]
    assert others["methods"]["NExpR"]["complexity"] != times["methods"]["NExpR"]["complexity"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"images": "many"}, "images"),
        ({"imagse": 3}, "imagse"),
        ({"test_sets": {}}, "no test set"),
        ({"fixed_scales": [5]}, "among 2, 3 and 4"),
        ({"test_sets": {"a": {"data": "test.npz", "trained_on": "b"}}}, "which is no training set"),
        ({"test_sets": {"a": {"data": "nowhere.npz", "trained_on": "waves"}}}, "nowhere.npz of a are missing"),
        ({"methods": {"X": {}}}, "X needs a config"),
        ({"methods": {"X": {"config": "nowhere.yaml"}}}, "nowhere.yaml"),
        ({"arbitrary_scales": {"input_scale": 4, "lowest": 2, "highest": 8, "count": 4}}, "there is no truth"),
        ({"arbitrary_scales": {"lowest": 0.5}}, "between 1 and the input scale"),
        (
            {
                "methods": {"NExpR": {"models": {"waves": "mri"}}},
                "patch_study": {"method": "NExpR", "values": [1, 2], "test_set": "test waves"},
            },
            "which has no config",
        ),
        ({"patch_study": {"method": "Y", "values": [1], "test_set": "test waves"}}, "Y"),
    ],
    ids=str,
)
def test_configuration_that_makes_no_sense(comparison, run, change, said):
    _, protocol = comparison
    status, _, err = run({**protocol, "frequency_study": None, "patch_study": None, **change})
    assert status == 2
    assert err.count("\n") == 1, err
    assert said in err


@pytest.mark.parametrize("arguments", [["--config", "quick.yaml"], ["--data", "x", "--config", "quick.yaml"]])
def test_old_spelling_names_the_new_one(nexpr, arguments):
    status, _, err = nexpr("evaluate", *arguments)
    assert status == 2
    assert err == "nexpr: error: Methods are compared by a command of its own: nexpr compare quick.yaml.\n"
