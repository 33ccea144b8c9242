"""Free memory, and what running out of it looks like."""

import ctypes
import math
import os
import re
import sys

import numpy as np

# In the messages of torch: CUDA and MPS; the CPU on Linux, on Windows; cuDNN and cuBLAS; oneDNN.
_OUT_OF_MEMORY = re.compile(
    "out of memory|allocate memory|not enough memory|alloc_failed|create a primitive(?! descriptor)", re.IGNORECASE
)
# Longest side in pixels that a network encodes at once: larger blocks of memory are not kept, see allocator.py.
TILE = 640
# While one slice is rasterized, per pixel of the result; while it is encoded, per pixel of the input, and more for the
# first part of it, where the layers' results lie. All measured.
WORKING_BYTES_PER_PIXEL = 32
_ENCODING_BYTES_PER_PIXEL = 400
_LAYERS_BYTES_PER_PIXEL = 250


def available_memory():
    """Bytes of main memory that a program may still take, or ``None`` where the system does not say."""
    if sys.platform == "win32":
        return _windows_available_memory()
    try:
        with open("/proc/meminfo") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return None


def _windows_available_memory():
    class MemoryStatus(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ulong), ("load", ctypes.c_ulong)] + [
            (name, ctypes.c_ulonglong)
            for name in (
                "total",
                "available",
                "page_total",
                "page_available",
                "virtual",
                "virtual_available",
                "extended",
            )
        ]

    status = MemoryStatus(length=ctypes.sizeof(MemoryStatus))
    return status.available if ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)) else None


def memory_needed(plan, dtype, volumes: int = 1) -> int:
    """Bytes of main memory that one or several results take while they are made.

    :param plan: :class:`NExpRLib.volumes.plan.Plan`.
    :param dtype: pixel type of the results.
    """
    results = 2 * volumes * math.prod(plan.geometry.size) * np.dtype(dtype).itemsize
    encoded = math.prod(along.count * along.step for along in (plan.rows, plan.columns))
    encoding = _ENCODING_BYTES_PER_PIXEL * encoded + _LAYERS_BYTES_PER_PIXEL * min(encoded, TILE**2)
    return results + round(max(encoding, WORKING_BYTES_PER_PIXEL * math.prod(plan.shape)))


def is_out_of_memory(error):
    """Whether an exception says that main memory or device memory ran out."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and _OUT_OF_MEMORY.search(str(error)) is not None
    )


def readable_bytes(count):
    """``1.5 GB`` for 1 500 000 000."""
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if count < 1000 or unit == "TB":
            return f"{count:.3g} {unit}" if count < 1000 else f"{count:,.0f} {unit}"
        count /= 1000
