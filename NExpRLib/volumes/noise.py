"""Noise of magnitude images."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from ..intensity import within_one
from .measured_grid import MeasuredGrid
from .volume import Volume, middle_slices

_BAND = (0.85, 1.0)  # of the Nyquist frequency
_WINDOW = 15  # pixels
_LOW = 3  # percent of the windows with less


def noise_of_parts(parts: Sequence[Volume], across: int | None, measured: Sequence[int]) -> float:
    """Standard deviation of the noise in a measured pixel, of a volume or of the cosine and sine of phase.

    >>> from NExpRLib.volumes.geometry import Geometry
    >>> noise = np.random.default_rng(0).normal(100, 5, (30, 64, 64))
    >>> volume = Volume(noise, Geometry((64, 64, 30), (1.0,) * 3, (0.0,) * 3, np.eye(3)))
    >>> round(noise_of_parts([volume], 2, (64, 64, 30)))
    5

    :param parts: see :meth:`.Meaning.parts`.
    :param across: the axis across the slices.
    :param measured: pixels that were measured along each image axis.
    """
    grid = MeasuredGrid.of(parts[0], across, measured)
    if len(parts) == 1:
        return noise_of(parts[0], across, grid)[0]
    cosine, sine = parts
    return noise_of_phase(cosine, sine, across, grid)


def noise_of(volume: Volume, across: int | None, grid: MeasuredGrid) -> tuple[float, float]:
    """As :func:`noise_level`, of some slices of a volume, where they hold data.

    >>> from NExpRLib.volumes.geometry import Geometry
    >>> noise = np.random.default_rng(0).normal(100, 5, (30, 64, 64))
    >>> volume = Volume(noise, Geometry((64, 64, 30), (1.0,) * 3, (0.0,) * 3, np.eye(3)))
    >>> [round(value) for value in noise_of(volume, 2, MeasuredGrid((64, 64), (64, 64)))]
    [5, 100]

    :param across: the axis across the slices.
    :param grid: what was measured of them.
    """
    return noise_of_slices(*middle_of(volume, across), grid)


def middle_of(volume: Volume, across: int | None) -> tuple[np.ndarray, np.ndarray | None]:
    """The middle slices of a volume, and where they hold no data: a bool array alike, or ``None`` for nowhere.

    >>> from NExpRLib.volumes.geometry import Geometry
    >>> volume = Volume(np.zeros((9, 8, 8)), Geometry((8, 8, 9), (1.0, 1.0, 3.0), (0.0, 0.0, 0.0), np.eye(3)))
    >>> slices, missing = middle_of(volume, across=2)
    >>> slices.shape, missing
    ((5, 8, 8), None)

    :param across: axis of the slices, ``None`` for a 2D image.
    """
    missing = volume.missing_slices(across)
    return middle_slices(volume.slices(across)), None if missing is None else middle_slices(missing)


def noise_of_slices(slices: np.ndarray, missing: np.ndarray | None, grid: MeasuredGrid) -> tuple[float, float]:
    """As :func:`noise_level`, of slices as they are stored.

    >>> noise = np.random.default_rng(0).normal(100, 5, (4, 64, 64))
    >>> [round(value) for value in noise_of_slices(noise, None, MeasuredGrid((64, 64), (64, 64)))]
    [5, 100]

    :param missing: bool array of the same shape: where they hold no data; ``None`` for nowhere.
    :param grid: what was measured of them.
    """
    return noise_level(grid.resample(slices), None if missing is None else grid.nearest(missing))


def noise_of_phase(cosine: Volume, sine: Volume, across: int | None, grid: MeasuredGrid) -> float:
    """Standard deviation of the noise of phase in radians, from some slices of its cosine and sine.

    Where an angle changes the cosine, it leaves the sine as it is: only both together have the noise of the angles
    everywhere. It is that of each of them where it is strongest.

    >>> from NExpRLib.volumes.geometry import Geometry
    >>> geometry = Geometry((64, 64, 30), (1.0,) * 3, (0.0,) * 3, np.eye(3))
    >>> angles = np.random.default_rng(0).normal(2, 0.1, (30, 64, 64))
    >>> cosine, sine = Volume(np.cos(angles), geometry), Volume(np.sin(angles), geometry)
    >>> round(noise_of_phase(cosine, sine, 2, MeasuredGrid((64, 64), (64, 64))), 2)
    0.1

    :param across: the axis across the slices.
    :param grid: what was measured of them.
    """
    (cosines, missing), (sines, _) = middle_of(cosine, across), middle_of(sine, across)
    unknown = _is_flat(cosines) & _is_flat(sines)  # Scanners set phase to one value where they saw no signal.
    unknown = grid.nearest(unknown if missing is None else unknown | missing)
    window = _window_of(unknown)
    if window < 3:
        return 0.0
    powers = _powers(grid.resample(cosines), window) + _powers(grid.resample(sines), window)
    return _lowest(powers[_window_means(unknown, window) < 1e-6]) / _of_white_noise(window)


def _is_flat(slices):
    """Where pixels have the value of all four neighbors; those at the border have fewer."""
    padded = np.pad(slices, ((0, 0), (1, 1), (1, 1)), "edge")
    neighbors = padded[:, :-2, 1:-1], padded[:, 2:, 1:-1], padded[:, 1:-1, :-2], padded[:, 1:-1, 2:]
    return np.logical_and.reduce([slices == each for each in neighbors])


def noise_level(slices: np.ndarray, missing: np.ndarray | None = None) -> tuple[float, float]:
    """Standard deviation of the noise, and the mean signal.

    >>> sigma, signal = noise_level(np.random.default_rng(0).normal(100, 5, (4, 64, 64)))
    >>> round(sigma), round(signal)
    (5, 100)

    Waves just below the Nyquist frequency hold the noise and little anatomy. The corners of k-space beyond are left
    out: scanners often measure nothing there. The power of the waves is taken where the signal is bright, so that its
    noise is Gaussian, in the windows where it is lowest: what anatomy is left adds to it in all others.

    :param slices: real array (n, h, w) on the grid that was measured, where noise is white.
    :param missing: bool array of the same shape: where they hold no data.
    :return: (noise, signal) in the intensities of the slices; the noise of constant slices is 0.
    """
    slices, exponent = within_one(slices)
    window = _window_of(slices)
    if window < 3:
        return 0.0, float(np.ldexp(slices.mean(dtype=np.float64), exponent))
    smooth = _window_means(slices, window)
    low, high = np.percentile(smooth, (1, 99))
    bright = smooth > low + 0.15 * (high - low)
    unknown = slices == slices.max()  # Where values were clipped, there is no noise.
    bright &= _window_means(unknown if missing is None else unknown | missing, window) < 1e-6
    if not bright.any():
        return 0.0, float(np.ldexp(slices.mean(dtype=np.float64), exponent))
    noise = _lowest(_powers(slices, window)[bright]) / _of_white_noise(window)
    found = np.array([noise, smooth[bright].mean()], dtype=np.float64)
    sigma, signal = np.ldexp(found, exponent)
    return float(sigma), float(signal)


def _window_of(slices):
    """Pixels along the side of the windows; below 3 where slices are too small for them."""
    return min(_WINDOW, min(slices.shape[1:]) // 9 * 3)


def _powers(slices, window):
    """Power of the waves in windows; that of white noise per wave is its variance."""
    shape = slices.shape[1:]
    rows, columns = np.fft.fftfreq(shape[0], 0.5), np.fft.rfftfreq(shape[1], 0.5)
    radius = np.hypot(rows[:, None], columns)
    center, half = (_BAND[0] + _BAND[1]) / 2, (_BAND[1] - _BAND[0]) / 2
    # Without a sharp edge, waves are as short as their windows.
    taken = np.exp(-(((radius - center) / half) ** 4))
    waves = np.fft.irfft2(np.fft.rfft2(slices) * taken, s=shape)
    both_sides = np.where((columns > 0) & (columns < 1), 2, 1)
    share = (taken**2 * both_sides).sum() / np.prod(shape)
    return _window_means(waves**2, window) / share


def _lowest(powers):
    """Square root of the power in windows of low power."""
    return float(np.sqrt(np.percentile(powers, _LOW))) if powers.size else 0.0


@lru_cache
def _of_white_noise(window):
    return _lowest(_powers(np.random.default_rng(0).standard_normal((4, 192, 192), np.float32), window))


def _window_means(values, window):
    """Means over square windows of a multiple of three pixels, every third of them along both axes."""
    for axis in (1, 2):
        values = np.moveaxis(values, axis, 0)
        n = len(values) // 3 * 3
        thirds = values[0:n:3] + values[1:n:3] + values[2:n:3]
        count = window // 3
        sums = sum(thirds[i : len(thirds) - count + 1 + i] for i in range(1, count)) + thirds[: len(thirds) - count + 1]
        values = np.moveaxis(sums / window, 0, axis)
    return values
