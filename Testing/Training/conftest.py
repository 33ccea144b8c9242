"""Fixtures of the command line's tests."""

import re
import signal

import numpy as np
import pytest
import SimpleITK as sitk

from NExpRTraining.cli import main

SIGNALS = {signal.SIGTERM, getattr(signal, "SIGHUP", None)}  # that the command handles


@pytest.fixture
def nexpr(capfd):
    """Run the ``nexpr`` command with these arguments: ``(exit status, stdout, stderr)``.

    Without lines of progress, whose number depends on how busy the machine is.
    """

    def run(*arguments):
        status = 0
        before = [(number, signal.getsignal(number)) for number in signal.valid_signals() & SIGNALS]
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as end:
            status = end.code or 0
        finally:
            for number, handler in before:
                signal.signal(number, handler)
        out, err = capfd.readouterr()
        return status, out, re.sub(r".*: \d+ % done, .*\n", "", err)

    return run


@pytest.fixture
def upsample(nexpr, tiny_model_folder):
    """Run ``nexpr upsample`` with the tiny model."""

    def run(*arguments, model=tiny_model_folder):
        return nexpr("upsample", "--model", model, "--device", "cpu", *arguments)

    return run


@pytest.fixture
def volume():
    """Oblique int16 volume of noise, coarse across k."""
    image = sitk.GetImageFromArray(np.random.default_rng(0).integers(-200, 900, (4, 15, 18), dtype=np.int16))
    image.SetSpacing((0.75, 0.5, 4.0))
    image.SetOrigin((10.5, -20.25, 30.0))
    image.SetDirection((0.8, 0, 0.6, 0, -1, 0, 0.6, 0, -0.8))
    return image


@pytest.fixture
def refused(upsample, tmp_path):
    """Run ``nexpr upsample`` and return what it says.

    A user's mistake ends with status 2, one clear line on stderr, and no file that was not there before.
    """

    def run(*arguments, **options):
        before = contents(tmp_path)
        status, _, err = upsample(*arguments, **options)
        assert status == 2, err
        assert err.endswith("\n")
        assert err.count("\n") == 1, err
        assert "Traceback" not in err
        assert contents(tmp_path) == before
        return err

    return run


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def source(volume, tmp_path):
    path = tmp_path / "in.nrrd"
    sitk.WriteImage(volume, path)
    return path


@pytest.fixture
def output(tmp_path):
    return tmp_path / "out.nrrd"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Three subjects of smooth random slices, as ``nexpr prepare`` writes them."""
    rng = np.random.default_rng(0)
    rows = np.linspace(0, 6, 96)
    arrays = {}
    for i in range(6):
        a, b, c = rng.uniform(0.5, 2, 3)
        wave = np.sin(a * rows)[:, None] * np.cos(b * rows) + np.sin(c * rows[:, None] * rows)
        arrays[f"slice_{i:05d}"] = ((wave - wave.min()) / np.ptp(wave)).astype(np.float16)
    path = tmp_path_factory.mktemp("prepared") / "data.npz"
    subjects = np.repeat(["ann", "bob", "eve"], 2)
    np.savez(
        path, subjects=subjects, sources=subjects, validation=np.array(["eve"]), windows=np.empty((0, 2)), **arrays
    )
    return path
