"""Peak memory of upsampling a large volume, and of a large slice."""

import subprocess
import sys
from pathlib import Path

import pytest

from NExpRLib.memory import available_memory

# The network of the paper's size encodes the first slice only, a small one with as many coefficients the rest, to be
# quick: slices are encoded one after another (512 x 512 pixels are a whole batch), so what the first one needs, every
# other one needs again and no more. Everything else is the full volume.
PROGRAM = """
import numpy as np
import SimpleITK as sitk
import torch
from NExpRLib import upsample
from NExpRLib.model import Model
from NExpRLib.network import NetworkConfig, NExpRNetwork

options = dict(basis="full", frequencies=4, skip="bspline", blend=True)
small = NExpRNetwork(NetworkConfig(blocks=1, features=8, hidden=16, **options))
model = Model(NExpRNetwork(NetworkConfig(**options)), {"scales": [1, 4]}, torch.device("cpu"))
calls = []

def progress(fraction):
    calls.append(fraction)
    model.network = small

pixels = np.random.default_rng(0).integers(-1000, 2000, (60, 512, 512), dtype=np.int16)
output = upsample(sitk.GetImageFromArray(pixels), 2, model=model, progress=progress)
assert output.GetSize() == (1024, 1024, 60) and output.GetPixelID() == sitk.sitkInt16
assert len(calls) == 60
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(int(peak.split()[1]) * 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_peak_memory_of_a_large_volume():
    finished = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    output_array = 2 * 1024 * 1024 * 60
    assert int(finished.stdout) - output_array < 3e9


LARGE_SLICE = """
import numpy as np
from NExpRLib import load_model
from NExpRLib.memory import memory_needed
from NExpRLib.volumes.geometry import Geometry
from NExpRLib.volumes.plan import plan_upsampling
from NExpRLib.volumes.run import Upsampling
from NExpRLib.volumes.volume import Volume

def peak():
    line = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024

model = load_model("mri-fast", "cpu")
pixels = np.random.default_rng(0).integers(0, 2000, (1, 1500, 1300), dtype=np.int16)
volume = Volume(pixels, Geometry((1300, 1500, 1), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), np.eye(3)))
plan = plan_upsampling(volume.geometry, scale=1.1)
model.represent(pixels[0, :64, :64])
before = peak()
Upsampling(volume, plan).run(model)
print((peak() - before) / memory_needed(plan, pixels.dtype))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_memory_of_a_large_slice_is_foreseen():
    """Slicer would be ended by the system, with all that was not saved."""
    finished = subprocess.run([sys.executable, "-c", LARGE_SLICE], capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    assert 0.3 < float(finished.stdout) < 1.1


def test_available_memory_is_what_is_free_and_not_what_is_built_in(monkeypatch):
    import io

    lines = "MemTotal:  900 kB\nMemFree:  100 kB\nMemAvailable:  300 kB\n"
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("builtins.open", lambda *_arguments: io.StringIO(lines))
    assert available_memory() == 300 * 1024
