"""Which band of k-space an image holds: recognized from the magnitude, axis by axis.

A scanner that interpolates pads k-space with zeros. The mean log power along an axis then falls by 10 to 30 dB where
the measured band ends, to the floor that taking the magnitude, rounding and noise leave; images that were measured up
to their own Nyquist frequency show no such edge. Frequencies are counted in shares of the Nyquist frequency.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..intensity import within_one

# Frequencies across the axis that are looked at: there the band is as long as it gets, whatever its outline.
_ACROSS = (0.01, 0.18)
# The part of a step's way down, in dB, where the edge is said to lie.
_WAY_DOWN = 0.55
# Of the logistic steps that are tried; the last two are gradual, as filters make them.
_WIDTHS = (0.004, 0.008, 0.015, 0.025, 0.04)
_GRADUAL = 0.02
# Partial Fourier alone makes steps of up to 6 dB, and curved spectra gradual ones.
_SMALLEST_STEP, _SMALLEST_GRADUAL_STEP = 6.0, 8.0
_SMALLEST_EVIDENCE = 15.0
# Scanners interpolate by 2 at most; below, spectra of anatomy have bends of their own.
_LOWEST_EDGE = 0.42
_FEWEST_PIXELS = 32


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Mean log power along an axis.

    :ivar frequency: (m,) evenly spaced, in shares of the Nyquist frequency, without 0 and 1.
    :ivar decibel: (m,) the mean over slices, lines and both half-axes.
    """

    frequency: NDArray[np.float64]
    decibel: NDArray[np.float64]


@dataclass(frozen=True)
class Edge:
    """Where the measured band ends along an axis.

    :ivar share: of the Nyquist frequency; 1 where no edge was recognized.
    :ivar step: by how many dB the power falls there.
    :ivar evidence: log likelihood ratio of the step against a smooth curve.
    :ivar filtered: whether the power falls gradually, as k-space filters make it.
    """

    share: float = 1.0
    step: float = 0.0
    evidence: float = 0.0
    filtered: bool = False


def spectra(slices: np.ndarray) -> tuple[Spectrum, Spectrum]:
    """Spectra along rows' axis (h) and columns' axis (w) of slices.

    >>> rows, columns = spectra(np.random.default_rng(0).normal(100, 10, (2, 64, 48)))
    >>> measured_edge(rows).share
    1.0

    Borders and constant areas (masks, saturation) are faded out, so that their edges have no part in it.

    :param slices: real array (n, h, w), finite.
    """
    slices, _ = within_one(slices)
    padded = np.pad(slices, ((0, 0), (1, 1), (1, 1)), mode="edge")
    detail = 4 * slices - padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1] - padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]
    power = np.abs(np.fft.rfft2(detail * _weights(slices))) ** 2
    power = power[power.any(axis=(1, 2))]
    h, w = slices.shape[1:]
    along_rows, along_columns = np.abs(np.fft.fftfreq(h)) * 2, np.arange(w // 2 + 1) / (w / 2)
    # What the difference of neighbors above did to each frequency is undone.
    gain = np.add.outer(*(4 * np.sin(np.pi / 2 * k) ** 2 for k in (along_rows, along_columns)))
    decibel = 10 * np.log10(np.maximum(power, 1e-12 * power.max(initial=1e-300)) / np.maximum(gain, 1e-9) ** 2)
    rows, columns = (slice(1, (n + 1) // 2) for n in (h, w))
    central_rows, central_columns = ((k > _ACROSS[0]) & (k < _ACROSS[1]) for k in (along_rows, along_columns))
    by_row = decibel[:, :, central_columns].mean((0, 2)) if len(decibel) else np.zeros(h)
    by_column = decibel[:, central_rows].mean((0, 1)) if len(decibel) else np.zeros(len(along_columns))
    by_row = (by_row[rows] + by_row[::-1][: (h + 1) // 2 - 1]) / 2
    return Spectrum(along_rows[rows], by_row), Spectrum(along_columns[columns], by_column[columns])


def measured_edge(spectrum: Spectrum) -> Edge:
    """The outermost step of a spectrum that is surely one.

    >>> from NExpRLib.kspace import kspace_crop, zero_fill
    >>> noise = np.random.default_rng(0).normal(100, 10, (4, 128, 128))
    >>> interpolated = zero_fill(kspace_crop(noise, (96, 128)), (128, 128))
    >>> [measured_edge(spectrum).share < 0.8 for spectrum in spectra(interpolated)]
    [True, False]
    """
    if 2 * len(spectrum.frequency) < _FEWEST_PIXELS:
        return Edge()
    fits = np.concatenate([_fits(spectrum, width) for width in _WIDTHS])
    position, width, step, evidence, plateau, floor = fits.T[:6]
    bin_size = spectrum.frequency[0]
    seen = plateau > np.where(width < _GRADUAL, 3 * bin_size, 2.2 * width)
    smallest = np.where(width < _GRADUAL, _SMALLEST_STEP, _SMALLEST_GRADUAL_STEP)
    # Beyond the measured band there is only floor, which falls slowly.
    seen &= floor - spectrum.decibel[-max(1, len(spectrum.decibel) // 20) :].mean() < 1.5 * step
    sure = seen & (position > _LOWEST_EDGE) & (step > smallest) & (evidence > _SMALLEST_EVIDENCE)
    best = None
    for i in np.flatnonzero(sure):
        near = (np.abs(position - position[i]) < 0.05) & (width == width[i])
        if evidence[i] >= evidence[near].max() and (best is None or position[i] > position[best]):
            best = i
    if best is None:
        return Edge(filtered=_rolls_off(spectrum))
    best = max(np.flatnonzero(sure & (np.abs(position - position[best]) < 0.03)), key=lambda i: evidence[i])
    shoulder, end, foot = (_crossing(spectrum, fits[best], way_down) for way_down in (0.25, _WAY_DOWN, 0.75))
    return Edge(end, float(step[best]), float(evidence[best]), foot - shoulder > 0.03)


def _crossing(spectrum: Spectrum, fit: NDArray[np.float64], way_down: float) -> float:
    """Outermost frequency at which the power of a step comes down to a part of its way."""
    k, y = spectrum.frequency, spectrum.decibel
    position, _, step, _, _, floor, slope = fit
    above = y > floor + slope * (k - position) + (1 - way_down) * step
    above &= np.abs(k - position) < 0.1
    in_a_row = np.flatnonzero(above[1:] & above[:-1])
    # Fading out the borders has spread the edge by about a bin; the next lower one makes an even number of pixels.
    return float(k[in_a_row[-1] + 1] - k[0]) if len(in_a_row) else float(position)


def _fits(spectrum: Spectrum, width: float) -> NDArray[np.float64]:
    """Least squares of a step of a width between any two frequencies.

    Two straight lines, joined by a logistic step, against a cubic in the same window.

    :return: (n, 7): position, width, step in dB, log likelihood ratio, length of the plateau seen beyond the step, and
        level and slope of that plateau at the position.
    """
    k, y = spectrum.frequency, spectrum.decibel
    bin_size = k[0]
    width = max(width, 0.35 * bin_size)
    noise = max(0.3, 1.4826 * float(np.median(np.abs(np.diff(y, 2)))) / 6**0.5)  # dB
    reach = int(np.ceil(max(0.05, 6 * width, 8 * bin_size) / bin_size))
    fits = []
    for after in range(3, reach + 1):
        # Full windows in one go; towards Nyquist they get shorter, and each is alone.
        n = reach + after
        if n > len(y):
            break
        windows = np.lib.stride_tricks.sliding_window_view(y, n)
        first = np.arange(len(windows)) if after == reach else np.array([len(y) - n])
        windows = windows[first]
        x = (np.arange(n) - reach + 0.5) * bin_size
        s = 1 / (1 + np.exp(-np.clip(x / width, -50, 50)))
        step = np.stack([1 - s, (1 - s) * x, s, s * x], axis=1)
        lines = np.linalg.pinv(step)
        misfit = _misfit(windows, step), _misfit(windows, np.vander(x / x[-1], 4))
        evidence = (misfit[1] - misfit[0]) / (2 * np.maximum(noise**2, misfit[0] / n))
        levels = windows @ lines.T
        position = k[first + reach] - bin_size / 2
        plateau = np.full(len(first), after * bin_size - 2.2 * width)
        fall = levels[:, 0] - levels[:, 2]
        widths = np.full(len(first), width)
        fits.append(np.stack([position, widths, fall, evidence, plateau, levels[:, 2], levels[:, 3]], axis=1))
    return np.concatenate(fits) if fits else np.empty((0, 7))


def _misfit(windows, basis):
    """Sums of squares of what a basis leaves of each window."""
    q, _ = np.linalg.qr(basis)
    return ((windows - windows @ q @ q.T) ** 2).sum(axis=1)


def _rolls_off(spectrum: Spectrum) -> bool:
    """Whether the power falls towards Nyquist by 5 dB more than it did before."""
    k, y = spectrum.frequency, spectrum.decibel
    before, end = (k > 0.45) & (k < 0.75), k > 0.95
    if before.sum() < 4 or end.sum() < 1:
        return False
    trend = np.polyfit(k[before], y[before], 1)
    return bool((np.polyval(trend, k[end]) - y[end]).mean() > 5)


def _weights(slices):
    """Smooth weights (n, h, w) that vanish at borders and in areas of the lowest or highest value."""
    valid = np.ones(slices.shape, dtype=bool)
    for value in (slices.min(), slices.max()):
        constant = slices == value
        if constant.mean() > 0.002:
            area = _sums(_sums(constant, 1, 1), 1, 2) > 8.5
            valid &= _sums(_sums(area, 2, 1), 2, 2) < 0.5
    for part in (16, 32, 64):
        reach = [max(2, n // part) for n in slices.shape[1:]]
        weights = valid
        for axis, r in enumerate(reach, start=1):
            weights = _sums(weights, 2 * r, axis) > 4 * r + 0.5
        for _ in range(2):
            for axis, r in enumerate(reach, start=1):
                weights = _sums(weights, r, axis) / (2 * r + 1)
        if weights.sum() > 0.25 * valid.sum():
            break
    return weights


def _sums(values, reach, axis):
    """Sums over ``reach`` neighbors to both sides along an axis; there is nothing beyond the border."""
    padding = [(0, 0)] * values.ndim
    padding[axis] = (reach + 1, reach)
    sums = np.cumsum(np.pad(values, padding), axis=axis, dtype=np.float64)
    n = values.shape[axis]
    upper, lower = (np.take(sums, range(start, start + n), axis=axis) for start in (2 * reach + 1, 0))
    return (upper - lower).astype(np.float32)
