"""The ``nexpr`` command as a program: its output and what it needs to run."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk

from NExpRLib.model_card import model_names
from NExpRTraining.cli import main

NEXPR = [sys.executable, "-c", "import sys; from NExpRTraining.cli import main; sys.exit(main())"]


def test_reader_that_stops_reading(tiny_model_folder):
    """As in ``nexpr models show mri | head -1``."""
    command = [*NEXPR, "models", "show", tiny_model_folder]
    process = subprocess.Popen(
        command, env={**os.environ, "PYTHONUNBUFFERED": "1"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    assert process.stderr.read() == b""
    process.wait()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_output_on_a_full_disk(tiny_model_folder):
    command = [*NEXPR, "models", "show", tiny_model_folder]
    with open("/dev/full", "w") as full:
        finished = subprocess.run(
            command, env={**os.environ, "PYTHONUNBUFFERED": "1"}, stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert finished.returncode == 2
    assert finished.stderr.count("\n") == 1
    assert "Traceback" not in finished.stderr


def test_names_that_the_console_cannot_show(tiny_model_folder, tmp_path):
    """As where output goes into a file on Windows, in the encoding of the country."""
    (tmp_path / "in").mkdir()
    image = sitk.GetImageFromArray(np.random.default_rng(0).random((1, 24, 26), dtype=np.float32))
    for name in ("脑", "other"):
        sitk.WriteImage(image, tmp_path / "in" / f"{name}.nrrd")
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252"}
    options = ["--model", tiny_model_folder, "--device", "cpu"]
    for arguments in (["upsample", "in", "out", "--scale", "2"], ["evaluate", "in", "--scales", "2"]):
        command = [*NEXPR, *arguments, *options]
        finished = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True)
        assert finished.returncode == 0, finished.stderr
        assert b"\\u8111" in finished.stdout
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"脑.nrrd", "other.nrrd"}


def test_name_of_a_model_and_of_a_folder(nexpr, tiny_model_folder, tmp_path, monkeypatch):
    """Results of a shipped model must not be taken for those of one's own."""
    monkeypatch.chdir(tmp_path)
    os.mkdir("ct")  # A folder of volumes is no model.
    assert nexpr("models", "verify", "ct")[0] == 0
    assert nexpr("models", "verify")[1].count("match their model card") == len(model_names())
    shutil.copytree(tiny_model_folder, "mri")
    for command in (["models", "verify", "mri"], ["upsample", "x.nii", "y.nii", "--scale", "2", "--model", "mri"]):
        status, _, err = nexpr(*command)
        assert (status, "write ./mri for the folder" in err) == (2, True)
    assert nexpr("models", "verify", "./mri")[0] == 0
    assert nexpr("models")[0] == 0
    status, _, err = nexpr("models", "export", "last.ckpt", "-o", "ct")
    assert (status, "choose another name" in err) == (2, True)


def test_version(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("nexpr 0.")


def test_models_need_no_extras_and_missing_ones_are_named(tiny_model_folder):
    """``pip install .`` brings neither the packages of the demo nor those of training."""
    absent = ["torchmetrics", "lightning", "matplotlib", "nilearn", "yaml"]
    block = f"import sys; sys.modules.update(dict.fromkeys({absent})); "
    show = f"from NExpRTraining.cli import main; main(['models', 'show', {str(tiny_model_folder)!r}]); "
    command = [sys.executable, "-c", block + show + NEXPR[2], "train", "--config", "x.yaml"]
    finished = subprocess.run(command, capture_output=True, text=True)
    assert finished.returncode == 2
    assert "name: tiny" in finished.stdout
    assert finished.stderr.count("\n") == 1
    assert "the package lightning is not installed" in finished.stderr


def test_signals_that_are_ignored_stay_ignored(capsys):
    """As nohup asks for."""
    import signal

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        main(["models"])
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
