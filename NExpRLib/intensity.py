"""Intensities: a robust range for the network, and the way back to the input's pixel type."""

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

_SAMPLES = 2_000_000
# As what a tensor leaves its device, by pixel type: all devices and versions of PyTorch know these types.
_ON_DEVICE = {name: name for name in ("uint8", "int8", "int16", "int32", "float32")} | {"uint16": "int32"}


def robust_range(image: np.ndarray) -> tuple[float, float]:
    """Intensities that the network sees as 0 and 1: the 0.1 and 99.9 percentiles.

    >>> [round(value) for value in robust_range(np.arange(1001))]
    [1, 999]

    :param image: finite array of any shape; large ones are subsampled on a regular pattern.
    :return: (low, high) floats with low < high; for a constant image, high is low + 1, or more where that is low.
    """
    values = np.ravel(image)
    # In float64: interpolating between distant values overflows small integers.
    values = values[:: max(1, values.size // _SAMPLES)].astype(np.float64)
    low, high = (float(v) for v in np.percentile(values, (0.1, 99.9)))
    if low == high:
        low, high = float(np.min(image)), float(np.max(image))
    return (low, high) if low < high else (low, low + max(1.0, 1e-6 * abs(low)))


def to_dtype(values: Any, dtype: DTypeLike) -> np.ndarray:
    """Floating-point values, NumPy array or torch tensor, as NumPy array: rounded and saturated for integer types.

    >>> to_dtype(np.array([-3.0, 1.6, 300.0]), "uint8")
    array([  0,   2, 255], dtype=uint8)
    """
    dtype = np.dtype(dtype)
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        # In float64 the largest 64-bit integers are not representable: saturate to the next value below.
        high = float(limits.max) if limits.bits < 64 else np.nextafter(float(limits.max), 0)
        if limits.bits > 24:  # float32 has none of the numbers next to the limits.
            values = values.astype(np.float64) if isinstance(values, np.ndarray) else values.double()
        values = values.round().clip(float(limits.min), float(high))
    if not isinstance(values, np.ndarray):
        import torch  # Loaded already, since the values are a tensor.

        if dtype.name in _ON_DEVICE:
            values = values.to(getattr(torch, _ON_DEVICE[dtype.name]))
        values = values.cpu().numpy()
    return values.astype(dtype, copy=False)


def within_one(pixels: np.ndarray) -> tuple[np.ndarray, int]:
    """Pixels divided by a power of two, so that their powers stay in the range of single precision.

    >>> within_one(np.array([3, -5], np.int16))
    (array([ 0.375, -0.625], dtype=float32), 3)

    :param pixels: real numbers, finite.
    :return: float32 pixels from -1 to 1, and the exponent of the power of two.
    """
    pixels = np.asarray(pixels)
    exponent = math.frexp(max(abs(float(pixels.min())), abs(float(pixels.max()))))[1]
    floating = pixels.astype(np.result_type(pixels.dtype, np.float32), copy=False)
    return np.ldexp(floating, -exponent).astype(np.float32, copy=False), exponent
