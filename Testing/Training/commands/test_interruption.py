"""An interrupted run leaves no partial output."""

import os
import signal
import sys
from subprocess import PIPE

import numpy as np
import pytest
import SimpleITK as sitk

from ...programs import started

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals are sent as on POSIX")

SLICES = 400  # several seconds of work


@pytest.fixture
def running(tiny_model_folder, tmp_path):
    """``nexpr upsample`` in the middle of its work on a volume, and the folder that it writes to."""
    pixels = np.random.default_rng(0).integers(0, 1000, (SLICES, 128, 128), dtype=np.int16)
    sitk.WriteImage(sitk.GetImageFromArray(pixels), tmp_path / "in.nii")
    folder = tmp_path / "out"
    folder.mkdir()
    program = "from NExpRTraining.cli import main; main()"
    arguments = ["upsample", "in.nii", "out/out.nrrd", "--scale", "3", "--model", str(tiny_model_folder)]
    with started(
        [sys.executable, "-u", "-c", program, *arguments, "--device", "cpu"],
        cwd=tmp_path,
        stdout=PIPE,
        stderr=PIPE,
        text=True,
        # Where the tests run in the background, programs inherit that neither keyboard nor terminal interrupt them.
        preexec_fn=lambda: [signal.signal(number, signal.SIG_DFL) for number in (signal.SIGINT, signal.SIGHUP)],
    ) as process:
        for line in process.stdout:
            if "->" in line:  # sizes are said just before the work begins
                break
        yield process, folder


@pytest.mark.parametrize(("sent", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_signal(running, sent, status):
    process, folder = running
    process.send_signal(getattr(signal, sent))
    out, err = process.communicate()
    assert process.returncode == status, out + err
    assert "Written" not in out
    assert "Traceback" not in err
    said = [line for line in err.splitlines() if " % done" not in line]
    assert len(said) == (1 if sent == "SIGINT" else 0)
    assert not list(folder.iterdir())


def test_kill_leaves_nothing_under_the_name_of_the_output(running):
    process, folder = running
    process.kill()
    process.communicate()
    assert not (folder / "out.nrrd").exists()
