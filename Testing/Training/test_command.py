"""The ``nexpr`` command as a program: its output and what it needs to run."""

import os
import subprocess
import sys

import pytest

from Training.cli import main

NEXPR = [sys.executable, "-c", "import sys; from Training.cli import main; sys.exit(main())"]


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


def test_version(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("nexpr 0.")


def test_models_need_no_extras(tiny_model_folder):
    """``pip install .`` brings neither the packages of the demo nor those of training."""
    absent = ["torchmetrics", "lightning", "matplotlib", "nilearn"]
    block = f"import sys; sys.modules.update(dict.fromkeys({absent})); "
    command = [sys.executable, "-c", block + NEXPR[2], "models", "show", tiny_model_folder]
    finished = subprocess.run(command, capture_output=True, text=True)
    assert (finished.returncode, finished.stderr) == (0, "")


def test_missing_extras_are_named(tiny_model_folder, tmp_path):
    for absent in ("lightning", "jsonargparse"):
        block = f"import sys; sys.modules['{absent}'] = None; "
        command = [sys.executable, "-c", block + NEXPR[2], "train", "--config", "x.yaml"]
        finished = subprocess.run(command, capture_output=True, text=True)
        assert finished.returncode == 2
        assert finished.stderr.count("\n") == 1
        assert absent in finished.stderr
