"""What the C library of Linux does with freed memory; in programs of their own, since it is a matter of the process."""

import subprocess
import sys

import pytest

from NExpRLib import allocator

pytestmark = pytest.mark.skipif(allocator._gnu_c_library() is None, reason="not the C library of Linux")

# ``write_and_free`` says how many MB more than at the start the program takes afterwards.
PROGRAM = """
import threading
import numpy as np
from NExpRLib.allocator import freed_memory_kept, return_freed_memory

def memory():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) / 1000 for line in file if line.startswith("VmRSS:"))

def write_and_free():
    blocks = [np.ones(30_000_000, np.uint8) for _ in range(7)]
    del blocks
    return memory() - start

start = memory()
"""


def run(program):
    command = [sys.executable, "-c", PROGRAM + program]
    finished = subprocess.run(command, capture_output=True, text=True, check=True)
    return [float(number) for number in finished.stdout.split()]


def test_memory_is_kept_within_the_context_and_returned_after_it():
    before, within, returned, after = run("""
print(write_and_free())
with freed_memory_kept():
    print(write_and_free())
return_freed_memory()
print(memory() - start, write_and_free())
""")
    assert within > 190
    assert max(before, returned, after) < 100


def test_contexts_of_several_threads_overlap():
    within, after = run("""
entered, leave = threading.Event(), threading.Event()
def other():
    with freed_memory_kept():
        entered.set()
        leave.wait()
thread = threading.Thread(target=other)
with freed_memory_kept():
    thread.start()
    entered.wait()
print(write_and_free())
leave.set()
thread.join()
return_freed_memory()
print(write_and_free())
""")
    assert within > 190
    assert after < 100


def test_an_error_ends_the_context():
    (after,) = run("""
try:
    with freed_memory_kept():
        raise ValueError
except ValueError:
    print(write_and_free())
""")
    assert after < 100


MODEL = """
import resource
import sys
import SimpleITK as sitk
import torch
from NExpRLib.model import Model
from NExpRLib.network import NetworkConfig, NExpRNetwork
from NExpRLib.volumes.upsampling import upsample

torch.set_num_threads(1)
config = NetworkConfig(blocks=1, hidden=64, frequencies=2, basis="full", skip="bicubic")
model = Model(NExpRNetwork(config), {"name": "random"}, torch.device("cpu"), "float32")
pixels = np.random.default_rng(0).random((4, 256, 256), np.float32)
faults = []
def count(fraction=None):
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
def in_a_thread(function):
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()
"""


@pytest.mark.parametrize("call", ["{}()", "in_a_thread({})"], ids=["main thread", "other thread"])
def test_slices_of_a_volume_reuse_memory_and_return_it(call):
    """Otherwise the system clears thousands of pages for each of these slices."""
    *faults, left = run(
        MODEL
        + """
def work():
    model.represent(pixels[0, :32, :32])
    start = memory()
    upsample(sitk.GetImageFromArray(pixels), 1.5, model=model, progress=count)
    print(*np.diff(faults), memory() - start)
"""
        + call.format("work")
    )
    assert min(faults) < 2000
    assert left < 50
