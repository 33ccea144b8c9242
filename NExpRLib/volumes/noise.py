"""Noise of magnitude images."""

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from .volume import middle_slices

if TYPE_CHECKING:
    from .measured_grid import MeasuredGrid

_ORDER = 4  # of the differences along each axis; even
_WINDOW = 15  # pixels
_LOW = 5  # percent of the windows with less


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

    Mixed differences of high order hold the noise and little anatomy (after Immerkaer 1996). Their power is taken where
    the signal is bright, so that its noise is Gaussian, in the windows where it is lowest: what anatomy is left adds
    to it in all others.

    :param slices: real array (n, h, w) on the grid that was measured, where noise is white.
    :return: (noise, signal) in the intensities of the slices; the noise of constant slices is 0.
    """
    slices = np.asarray(slices, dtype=np.float32)
    window = min(_WINDOW, min(slices.shape[1:]) // 3)
    if window < 3:
        return 0.0, float(slices.mean())
    smooth = _window_means(slices, window)
    low, high = np.percentile(smooth, (1, 99))
    bright = smooth > low + 0.15 * (high - low)
    if not bright.any():
        return 0.0, float(slices.mean())
    return _lowest(slices, window, bright) / _of_white_noise(window), float(smooth[bright].mean())


def _lowest(slices, window, bright):
    """Square root of the power of mixed differences in windows of low power."""
    for axis in (1, 2):
        padding = [(0, 0)] * 3
        padding[axis] = (_ORDER // 2, _ORDER // 2)
        slices = np.diff(np.pad(slices, padding, mode="symmetric"), _ORDER, axis=axis)
    power = _window_means(slices**2, window)[bright]
    power = power[power > 0]  # Not of what was clipped.
    return float(np.sqrt(np.percentile(power, _LOW))) if power.size else 0.0


@lru_cache
def _of_white_noise(window):
    noise = np.random.default_rng(0).standard_normal((4, 192, 192), np.float32)
    return _lowest(noise, window, _window_means(noise, window) > -np.inf)


def _window_means(values, window):
    """Means over square windows, every third of them along both axes."""
    for axis in (1, 2):
        sums = np.cumsum(values, axis=axis, dtype=np.float64)
        sums = np.moveaxis(sums, axis, -1)
        sums = np.concatenate([np.zeros_like(sums[..., :1]), sums], axis=-1)
        means = (sums[..., window:] - sums[..., :-window])[..., ::3] / window
        values = np.moveaxis(means, -1, axis)
    return values
