"""Noise of magnitude images."""

from typing import TYPE_CHECKING

import numpy as np

from .volume import middle_slices

if TYPE_CHECKING:
    from .measured_grid import MeasuredGrid


def noise_of(slices: np.ndarray, grid: "MeasuredGrid") -> tuple[float, float]:
    """As :func:`noise_level`, of some slices of a volume.

    >>> from NExpRLib.volumes.measured_grid import MeasuredGrid
    >>> slices = np.random.default_rng(0).normal(100, 5, (30, 64, 64))
    >>> [round(value) for value in noise_of(slices, MeasuredGrid((64, 64), (64, 64)))]
    [5, 100]

    :param slices: (n, h, w), as stored.
    :param grid: what was measured of them.
    """
    return noise_level(grid.resample(middle_slices(slices)))


def noise_level(slices: np.ndarray) -> tuple[float, float]:
    """Standard deviation of the noise, and the mean signal.

    >>> sigma, signal = noise_level(np.random.default_rng(0).normal(100, 5, (4, 64, 64)))
    >>> round(sigma), round(signal)
    (5, 100)

    Mixed second differences hold the noise and hardly any anatomy (Immerkaer 1996). Their median is taken where the
    signal is bright, so that its noise is Gaussian, and flat.

    :param slices: real array (n, h, w) on the grid that was measured, where noise is white.
    :return: (noise, signal) in the intensities of the slices; the noise of constant slices is 0.
    """
    slices = np.asarray(slices, dtype=np.float32)
    if min(slices.shape[1:]) < 8:
        return 0.0, float(slices.mean())
    mixed = np.diff(np.diff(slices, 2, axis=1), 2, axis=2)
    smooth = _mean_of_five(_mean_of_five(slices, 1), 2)
    gradient = np.hypot(*(np.gradient(smooth, axis=axis) for axis in (1, 2)))[:, 1:-1, 1:-1]
    smooth = smooth[:, 1:-1, 1:-1]
    low, high = np.percentile(smooth, (1, 99))
    bright = smooth > low + 0.15 * (high - low)
    if not bright.any():
        return 0.0, float(slices.mean())
    flat = bright & (gradient <= np.median(gradient[bright]))
    return float(np.median(np.abs(mixed[flat])) / 0.6745 / 6), float(smooth[bright].mean())


def _mean_of_five(values, axis):
    padding = [(0, 0)] * values.ndim
    padding[axis] = (2, 2)
    padded = np.pad(values, padding, mode="edge")
    n = values.shape[axis]
    return sum(np.take(padded, range(i, i + n), axis=axis) for i in range(5)) / 5
