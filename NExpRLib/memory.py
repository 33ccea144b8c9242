"""Free memory, and what running out of it looks like."""

import ctypes
import math
import os
import re
import sys
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import DTypeLike

if TYPE_CHECKING:
    from .volumes.plan import Plan

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
# Of slices that are drawn through thicker ones, in float32: these, what makes them consistent, the sum, and the input.
_THROUGH_BYTES_PER_PIXEL = 16
# Planes through the slices that a network encodes at once.
PLANES_AT_ONCE = 16


def available_memory() -> int | None:
    """Bytes of main memory that a program may still take, or ``None`` where the system does not say.

    >>> (available_memory() or 1) > 0
    True
    """
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


def _windows_available_memory() -> int | None:
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
    kernel = ctypes.windll.kernel32  # type: ignore[attr-defined]  # on Windows only
    return status.available if kernel.GlobalMemoryStatusEx(ctypes.byref(status)) else None


def memory_needed(plan: "Plan", dtype: DTypeLike, volumes: int = 1) -> int:
    """Bytes of main memory that one or several results take while they are made.

    >>> from NExpRLib.volumes.geometry import Geometry
    >>> from NExpRLib.volumes.plan import plan_upsampling
    >>> pixels = Geometry((320, 320, 30), (0.5, 0.5, 3.0), (0.0, 0.0, 0.0), np.eye(3))
    >>> readable_bytes(memory_needed(plan_upsampling(pixels, scale=2), "int16"))
    '116 MB'

    :param dtype: pixel type of the results.
    """
    results = 2 * volumes * math.prod(plan.geometry.size) * np.dtype(dtype).itemsize
    encoded = math.prod(along.count * along.step for along in (plan.rows, plan.columns))
    through = 0.0
    if plan.through is not None:
        through = _THROUGH_BYTES_PER_PIXEL * plan.through.count * encoded
        slices = plan.through.count * plan.through.step
        longest = max(along.count * along.step for along in (plan.rows, plan.columns))
        encoded = max(encoded, PLANES_AT_ONCE * slices * longest)
    encoding = _ENCODING_BYTES_PER_PIXEL * encoded + _LAYERS_BYTES_PER_PIXEL * min(encoded, TILE**2)
    return results + round(through + max(encoding, WORKING_BYTES_PER_PIXEL * math.prod(plan.shape)))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that main memory or device memory ran out.

    >>> is_out_of_memory(RuntimeError("CUDA out of memory.")), is_out_of_memory(RuntimeError("Other"))
    (True, False)
    """
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and _OUT_OF_MEMORY.search(str(error)) is not None
    )


def readable_bytes(count: float) -> str:
    """Bytes in the largest unit that fits.

    >>> readable_bytes(1_500_000_000)
    '1.5 GB'
    """
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB" if count < 1000 else f"{count:,.0f} TB"
