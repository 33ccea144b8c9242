"""What long work says, and how many threads it takes."""

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from NExpRTraining import progress


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test moves."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_a_log_gets_a_line_every_ten_percent(capsys, clock):
    with progress.shown_progress("brain") as report:
        for step in range(1, 101):
            clock[0] += 6
            report(step / 100)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" % ")[0] for line in lines] == [f"brain: {share}" for share in range(10, 100, 10)]
    assert lines[3].endswith("06:00 left")  # of ten minutes


def test_a_log_gets_one_line_a_second_at_most(capsys, clock):
    with progress.shown_progress("brain") as report:
        for step in range(1, 101):
            clock[0] += 0.02
            report(step / 100)
    assert [line.split(" % ")[0] for line in capsys.readouterr().err.splitlines()] == ["brain: 50"]


def test_quiet(upsample, source, output, tmp_path):
    assert upsample(source, output, "--scale", 5, "--quiet") == (0, "", "")
    assert output.exists()
    (tmp_path / "bad.nrrd").write_text("damaged")
    status, out, err = upsample(source, tmp_path / "bad.nrrd", "-o", tmp_path / "out", "--scale", 2, "-q")
    assert (status, out) == (2, "")
    assert "bad.nrrd cannot be read" in err


def test_verbose(upsample, output, tmp_path):
    noise = np.random.default_rng(0).normal(100, 10, (2, 64, 64)).astype(np.float32)
    sitk.WriteImage(sitk.GetImageFromArray(noise), tmp_path / "in.nrrd")
    status, out, _ = upsample(tmp_path / "in.nrrd", output, "--scale", 2, "--plane", 2, "--verbose")
    assert status == 0
    assert "i: no edge" in out  # what the size of the measured pixels rests on
    assert "Threads of the CPU: 1." in out  # as OMP_NUM_THREADS of these tests says


def test_threads(upsample, source, output):
    try:
        assert "Threads of the CPU: 2." in upsample(source, output, "--scale", 2, "--threads", 2, "-v")[1]
    finally:
        torch.set_num_threads(1)


def test_threads_without_a_word_of_the_user(upsample, source, output, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS")
    torch.set_num_threads(2)
    try:
        out = upsample(source, output, "--scale", 2, "-v")[1]
        assert torch.get_num_threads() in (1, 2)
        assert f"Threads of the CPU: {torch.get_num_threads()}." in out
    finally:
        torch.set_num_threads(1)
    assert sitk.ReadImage(output).GetSize() == (36, 30, 4)
