"""Training on real Lightning: resuming, distribution, bad runs. Small networks, CPU."""

import csv
import json
import os
import re
import signal
import sys
import time
from pathlib import Path
from subprocess import DEVNULL, PIPE

import pytest
import torch

from NExpRTraining.cli import main
from NExpRTraining.configs import config_path
from NExpRTraining.data.items import TrainingCrops

from ...programs import started

NEXPR = str(Path(sys.executable).parent / "nexpr")
CONFIG = config_path("tiny.yaml")
SMALL = [
    *("--model.network.blocks", "1", "--model.network.features", "8", "--model.network.hidden", "16"),
    *("--model.warmup_steps", "2", "--model.decay_steps", "4"),
    *("--data.steps_per_epoch", "3", "--data.crop_size", "16", "--data.validation_scales", "[2.0]"),
    *("--trainer.accelerator", "cpu", "--trainer.enable_progress_bar", "false"),
]


def options(prepared, folder, *more):
    return ["train", "--config", str(CONFIG), *SMALL, "--data.data", str(prepared), *more, *_folder(folder)]


def _folder(folder):
    return ["--trainer.default_root_dir", str(folder)]


def checkpoints(folder, version=0):
    return folder / "lightning_logs" / f"version_{version}" / "checkpoints"


def weights(path):
    return torch.load(path, map_location="cpu", weights_only=True)["state_dict"]


@pytest.mark.slow
def test_killed_run_resumes_bit_for_bit(prepared, tmp_path):
    steps = ["--trainer.max_steps", "12"]
    main(options(prepared, tmp_path / "whole", *steps))

    last = checkpoints(tmp_path / "killed") / "last.ckpt"
    with started([NEXPR, *options(prepared, tmp_path / "killed", *steps)], stdout=DEVNULL, stderr=DEVNULL) as run:
        while not last.exists() and run.poll() is None:
            time.sleep(0.005)
    assert torch.load(last, weights_only=True)["global_step"] < 12, "the run was to be killed half-way"

    main(options(prepared, tmp_path / "killed", *steps, "--resume", str(last)))
    whole = weights(checkpoints(tmp_path / "whole") / "last.ckpt")
    resumed = weights(checkpoints(tmp_path / "killed", version=1) / "last.ckpt")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


@pytest.mark.slow
def test_every_item_of_the_data_is_trained_on_once(prepared, tmp_path, monkeypatch):
    """Also when a run ends within an epoch and is continued, and when steps collect several batches."""
    items, item = [], TrainingCrops.__getitem__

    def recorded(self, index):
        items.append(self.start + index)
        return item(self, index)

    monkeypatch.setattr(TrainingCrops, "__getitem__", recorded)
    per_batch = ["--data.slices_per_batch", "2", "--data.workers", "0"]
    main(options(prepared, tmp_path, *per_batch, "--trainer.max_steps", "4"))
    last = checkpoints(tmp_path) / "last.ckpt"
    main(options(prepared, tmp_path, *per_batch, "--trainer.max_steps", "8", "--resume", str(last)))
    assert sorted(set(items)) == list(range(16))
    assert len(items) <= 16 + 2 * 2  # Batches that were fetched ahead.

    items.clear()
    collected = ["--trainer.accumulate_grad_batches", "3", "--trainer.max_steps", "6"]
    main(options(prepared, tmp_path / "collected", *per_batch, *collected))
    assert items == list(range(6 * 3 * 2))
    assert torch.load(checkpoints(tmp_path / "collected") / "last.ckpt", weights_only=True)["global_step"] == 6


@pytest.mark.slow
def test_two_processes_take_the_step_of_one_with_twice_the_batch(prepared, tmp_path):
    # One step of plain gradient descent: equal weights mean equal gradients.
    one_step = [
        *("--optimizer", "torch.optim.SGD", "--optimizer.lr", "0.1", "--ema.decay", "0"),
        *("--data.steps_per_epoch", "1", "--trainer.max_steps", "1"),
    ]
    single = options(prepared, tmp_path / "single", *one_step, "--data.slices_per_batch", "4")
    main(single)
    double = options(prepared, tmp_path / "double", *one_step, "--data.slices_per_batch", "2")
    distribution = ["--trainer.devices", "2", "--trainer.strategy", "ddp"]
    with started([NEXPR, *double, *distribution], stdout=DEVNULL, stderr=DEVNULL) as run:
        assert run.wait() == 0

    expected = weights(checkpoints(tmp_path / "single") / "last.ckpt")
    distributed = weights(checkpoints(tmp_path / "double") / "last.ckpt")
    for name in expected:
        torch.testing.assert_close(distributed[name], expected[name], rtol=1e-5, atol=1e-7)


def test_checkpoints_are_named(prepared, tmp_path, capsys):
    """``best.ckpt`` is there once the network was validated, after an epoch."""
    for version, (steps, names) in enumerate([("2", ["last"]), ("3", ["last", "best"])]):
        main(options(prepared, tmp_path, "--trainer.max_steps", steps))
        lines = capsys.readouterr().out.splitlines()
        expected = [f"Checkpoint: {checkpoints(tmp_path, version) / name}.ckpt" for name in names]
        assert [line for line in lines if line.startswith("Checkpoint")] == expected


def test_a_run_that_has_ended_is_not_resumed(prepared, tmp_path, capsys):
    command = options(prepared, tmp_path, "--trainer.max_steps", "3")
    main(command)
    with pytest.raises(SystemExit) as ended:
        main([*command, "--resume", str(checkpoints(tmp_path) / "last.ckpt")])
    assert ended.value.code == 2
    assert "last.ckpt has done 3 steps already: --trainer.max_steps must be higher." in capsys.readouterr().err
    assert not checkpoints(tmp_path, version=1).exists()


def test_a_log_gets_a_line_per_epoch(prepared, tmp_path, capsys):
    shown = ["--trainer.max_steps", "6", "--trainer.enable_progress_bar"]
    main(options(prepared, tmp_path, *shown, "true"))
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Epoch")]
    assert [line.split(",")[0] for line in lines] == ["Epoch 0: step 3 of 6", "Epoch 1: step 6 of 6"]
    assert all("loss 0." in line and "psnr" in line for line in lines)
    main(options(prepared, tmp_path, *shown, "false"))
    assert "Epoch" not in capsys.readouterr().out


def test_training_that_has_to_say_something_in_a_log(prepared, tmp_path, capsys):
    """SRGAN does so before its first step."""
    srgan = ["train", "--config", str(CONFIG.with_name("srgan.yaml")), "--data.data", str(prepared), *_folder(tmp_path)]
    small = ["--data.crop_size", "16", "--model.crop_size", "16", "--data.slices_per_batch", "1", "--data.workers", "0"]
    steps = ["--data.steps_per_epoch", "1", "--trainer.max_steps", "1", "--trainer.accelerator", "cpu"]
    main([*srgan, *small, *steps])
    said = capsys.readouterr().out
    assert "no perceptual loss" in said
    assert "Epoch 0: step 1 of 1" in said


def test_help_is_one_screen_of_options_that_there_are(capsys):
    main(["train", "--help"])
    printed = capsys.readouterr().out
    assert printed.count("\n") < 50
    with pytest.raises(SystemExit):
        main(["train", "--help-all"])
    everything = capsys.readouterr().out
    assert everything.startswith("usage: nexpr train ")
    assert everything.count("\n") > 500
    options_in = re.compile(r"--(?:data|trainer|seed|threads|print)[a-z_.]*").findall
    assert len(options_in(printed)) > 10
    assert set(options_in(printed)) <= set(options_in(everything))


@pytest.mark.skipif(os.name == "nt", reason="signals are sent as on POSIX")
def test_interruption_is_said(prepared, tmp_path):
    with started(
        [NEXPR, *options(prepared, tmp_path, "--trainer.max_steps", "1000000")],
        stdout=DEVNULL,
        stderr=PIPE,
        text=True,
        # Where the tests run in the background, programs inherit that the keyboard does not interrupt them.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as run:
        while not (checkpoints(tmp_path) / "last.ckpt").exists() and run.poll() is None:
            time.sleep(0.005)
        run.send_signal(signal.SIGINT)
        _, err = run.communicate()
    assert run.returncode == 130, err
    assert "interrupted" in err.splitlines()[-1]
    assert "Traceback" not in err


def test_exploding_loss_ends_the_run_with_advice_and_keeps_the_checkpoint(prepared, tmp_path, capsys):
    huge = ["--model.learning_rate", "1e30", "--model.warmup_steps", "4", "--trainer.max_steps", "9"]
    with pytest.raises(SystemExit) as stopped:
        main(options(prepared, tmp_path, *huge))
    assert stopped.value.code == 2
    assert "lower learning rate" in capsys.readouterr().err


def test_missing_data_are_named_and_leave_no_folder_of_a_run(tmp_path, capsys):
    """The next run, with data, has the number that the documents name: version_0."""
    with pytest.raises(SystemExit) as stopped:
        main(options(tmp_path / "data.npz", tmp_path, "--trainer.max_steps", "1"))
    assert stopped.value.code == 2
    assert "data.npz: write it with nexpr prepare" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_unusable_data_are_named(tmp_path, capsys):
    path = tmp_path / "data.npz"
    path.write_bytes(b"no archive")
    with pytest.raises(SystemExit) as stopped:
        main(options(path, tmp_path, "--trainer.max_steps", "1"))
    assert stopped.value.code == 2
    assert "data.npz is no data written by nexpr prepare" in capsys.readouterr().err


def test_unknown_validation_subject_is_named(prepared, tmp_path, capsys):
    """With a typing error, a subject that was to be kept out would be trained on."""
    with pytest.raises(SystemExit) as stopped:
        main(options(prepared, tmp_path, "--trainer.max_steps", "1", "--data.validation_subjects", "[eve, Bob]"))
    assert stopped.value.code == 2
    assert "holds no subject Bob: choose from ann, bob, eve" in capsys.readouterr().err


def test_neither_warm_up_nor_decay(prepared, tmp_path):
    main(
        options(prepared, tmp_path, "--trainer.max_steps", "1", "--model.warmup_steps", "0", "--model.decay_steps", "0")
    )
    assert (checkpoints(tmp_path) / "last.ckpt").exists()


@pytest.mark.slow
def test_processes_validate_the_same_scales(prepared, tmp_path):
    """One slice and two scales for two processes: each must not take one of the scales."""
    validated = ["--data.validation_scales", "[2.0, 3.0]", "--data.slices_per_validation_volume", "1"]
    command = options(prepared, tmp_path, *validated, "--trainer.max_steps", "3", "--trainer.logger", "CSVLogger")
    csv_folder = ["--trainer.logger.save_dir", str(tmp_path)]
    values = []
    for distribution in ([], ["--trainer.devices", "2", "--trainer.strategy", "ddp"]):
        folder = [*csv_folder, "--trainer.logger.version", f"processes_{len(distribution)}"]
        whole = [NEXPR, *command, *folder, *distribution, "--model.learning_rate", "1e-30"]
        with started(whole, stdout=DEVNULL, stderr=DEVNULL) as run:
            assert run.wait() == 0
        (file,) = tmp_path.rglob(f"processes_{len(distribution)}/metrics.csv")
        with open(file) as rows:
            values.append([{k: float(v) for k, v in row.items() if "psnr" in k and v} for row in csv.DictReader(rows)])
    single, double = ([row for row in rows if row][-1] for rows in values)
    assert single.keys() == {"psnr", "psnr_2x", "psnr_3x"}
    assert single["psnr"] == pytest.approx((single["psnr_2x"] + single["psnr_3x"]) / 2, abs=1e-4)
    assert double == pytest.approx(single, abs=1e-3)


TOLD = ["--model.network.noise_level", "true", "--model.network.equivariant", "false"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "data.data"),
        (["--config", "nowhere.yaml"], "nowhere.yaml"),
        (["--config", "broken.yaml"], "config"),
        (["--config", CONFIG, "--data.data", "data.npz", "--data.crop", "5"], "--data.crop"),
        (["--config", CONFIG, "--data.data", "data.npz", "--data.crop_size", "0"], "data.crop_size"),
        (["--config", CONFIG, "--data.data", "data.npz", "--model.network.blocks", "many"], "blocks"),
        (["--config", CONFIG, "--data.data", "data.npz", "--model.network.basis", "other"], "basis"),
        (
            ["--config", CONFIG, "--data.data", "data.npz", "--data.scales", "[4,1]"],
            "the lower one first, not [4.0, 1.0]",
        ),
        (
            ["--config", CONFIG, "--data.data", "data.npz", "--data.validation_scales", "[]"],
            "validation_scales must be",
        ),
        (["--config", CONFIG, "--data.data", "data.npz", "--model.network.conditions", "1"], "without conditions"),
        (["--config", CONFIG, "--data.data", "data.npz", *TOLD], "error: A network that is told the noise level must"),
        (["--config", CONFIG, "--data.data", "data.npz", "--resume", "broken.yaml"], "broken.yaml is no checkpoint"),
        (["--config", CONFIG, "--data.data", "data.npz", "--trainer.accelerator", "none"], "none"),
        (["--config", CONFIG, "--data.data", "nowhere.npz"], "nowhere.npz"),
        (["--config", CONFIG, "--data.data", "data.npz", "--data.validation_subjects", "[001]"], "digits need quotes"),
        (["--config", CONFIG, "--data.data", "data.npz", "--trainer.max_steps", "0"], "max_steps must be 1 or more"),
    ],
    ids=lambda value: " ".join(map(str, value[2:] or value)) if isinstance(value, list) else "",
)
def test_bad_options_end_in_one_line(nexpr, prepared, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.npz").write_bytes(prepared.read_bytes())
    (tmp_path / "broken.yaml").write_text("model: [1")
    status, _, err = nexpr("train", *arguments)
    assert status == 2
    assert err.count("\n") == 1
    assert said in err


def test_runs_repeat_and_keep_the_highest_psnr(prepared, tmp_path):
    states = []
    for name in "ab":
        main(options(prepared, tmp_path / name, "--trainer.max_steps", "3"))
        states.append(torch.load(checkpoints(tmp_path / name) / "best.ckpt", weights_only=True))
    (first, second) = (state["state_dict"] for state in states)
    assert all(torch.equal(first[name], second[name]) for name in first)
    (best,) = (key for key in states[0]["callbacks"] if "'psnr'" in key)
    assert "'mode': 'max'" in best


def test_scales_that_no_crop_reaches_are_said(prepared, tmp_path, capsys):
    crops = ["--trainer.max_steps", "1", "--data.crop_size", "40"]
    main(options(prepared, tmp_path, *crops))
    assert "up to a scale of 2.4 only, into the largest up to 2.4" in capsys.readouterr().out
    main(["models", "export", str(checkpoints(tmp_path) / "last.ckpt"), "-o", str(tmp_path / "model")])
    low, high = json.loads((tmp_path / "model" / "card.json").read_text())["scales"]
    assert (low, high) == (1.0, 2.4)
    main(options(prepared, tmp_path / "b", *crops, "--data.scales", "[3.0, 4.0]"))
    main(["models", "export", str(checkpoints(tmp_path / "b") / "last.ckpt"), "-o", str(tmp_path / "b" / "model")])
    assert json.loads((tmp_path / "b" / "model" / "card.json").read_text())["scales"] == [2.4, 2.4]


def test_spacings_of_slices_that_no_crop_reaches_are_said(prepared, tmp_path, capsys):
    """24 slices over the 96 pixels of an image are at most 95 / 24 pixels apart."""
    stacks = ["--data.degradation", "slices", "--model.network.conditions", "2", "--data.scales", "[1.3, 8.0]"]
    main(options(prepared, tmp_path, "--trainer.max_steps", "1", *stacks, "--data.stack_crop", "[24, 40]"))
    said = capsys.readouterr().out
    assert "crops of 24 slices" in said
    assert "smaller --data.stack_crop" in said
    main(["models", "export", str(checkpoints(tmp_path) / "last.ckpt"), "-o", str(tmp_path / "model")])
    low, high = json.loads((tmp_path / "model" / "card.json").read_text())["scales"]
    assert (low, high) == (1.3, pytest.approx(95 / 24))


def test_learning_rate_that_is_given_is_that_of_the_paper_recipe_too(prepared, tmp_path):
    paper = ["train", "--config", str(CONFIG.with_name("paper.yaml")), *SMALL, "--data.data", str(prepared)]
    more = ["--model.learning_rate", "0.01", "--model.warmup_steps", "0", "--model.decay_steps", "0"]
    main([*paper, *more, "--trainer.max_steps", "1", *_folder(tmp_path)])
    state = torch.load(checkpoints(tmp_path) / "last.ckpt", weights_only=True)
    assert state["optimizer_states"][0]["param_groups"][0]["initial_lr"] == 0.01


def test_card_of_an_exported_model_says_what_it_was_trained_on(prepared, tmp_path):
    main(options(prepared, tmp_path, "--trainer.max_steps", "1", "--data.scales", "[1.0, 3.0]"))
    main(["models", "export", str(checkpoints(tmp_path) / "last.ckpt"), "-o", str(tmp_path / "model")])
    card = json.loads((tmp_path / "model" / "card.json").read_text())
    assert (card["name"], card["scales"], card["degradation"]) == ("model", [1.0, 3.0], "kspace")
    assert (card["training"]["steps"], card["training"]["validation_subjects"]) == (1, ["eve"])
