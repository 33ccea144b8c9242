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
# Of the logistic steps that are tried; the last three are gradual, as filters make them.
_WIDTHS = (0.004, 0.008, 0.015, 0.025, 0.04, 0.06)
_GRADUAL = 0.02
# Where half of k-space ends in partial Fourier, the power falls by 6 dB; curved spectra look like gradual steps.
_SMALLEST_STEP, _SMALLEST_GRADUAL_STEP = 6.5, 8.0
_SMALLEST_EVIDENCE = 15.0
# Of the floor from the edge to the Nyquist frequency, in steps: anatomy falls further.
_LARGEST_FALL = 0.75
_REACH = 2.2  # of a step, in its widths, to either side
# Under a Hann window the power falls by 12 dB or more in the last part of the band, without a filter by 7 at most.
_LAST, _FILTERED = (0.75, 0.95), 8.0
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
    :ivar filtered: whether the power falls before the edge already, as it does under filters of k-space.
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
    inner = slices[:, 1:-1, 1:-1]
    detail = np.zeros_like(slices)
    detail[:, 1:-1, 1:-1] = 4 * inner - slices[:, 2:, 1:-1] - slices[:, :-2, 1:-1] - slices[:, 1:-1, 2:]
    detail[:, 1:-1, 1:-1] -= slices[:, 1:-1, :-2]
    detail *= _weights(slices)
    return _spectrum(detail.transpose(0, 2, 1)), _spectrum(detail)


def _spectrum(detail):
    """Spectrum along the last axis, of the differences of neighbors."""
    h, w = detail.shape[1:]
    rows, columns = np.arange(1, h // 2 + 1) / (h / 2), np.asarray(np.fft.fftfreq(w, 0.5), dtype=np.float64)
    rows = rows[(rows > _ACROSS[0]) & (rows < _ACROSS[1])]
    angle = np.pi * np.outer(rows, np.arange(h))
    lines = (part.astype(np.float32) @ detail for part in (np.cos(angle), np.sin(angle)))
    power = np.abs(np.fft.fft(next(lines) - 1j * next(lines))) ** 2
    power = power[power.any(axis=(1, 2))]
    # What the difference of neighbors did to each frequency is undone.
    gain = np.add.outer(*(4 * np.sin(np.pi / 2 * k) ** 2 for k in (rows, columns)))
    decibel = 10 * np.log10(np.maximum(power, 1e-12 * power.max(initial=1e-300)) / gain**2)
    mean = decibel.mean((0, 1)) if decibel.size else np.zeros(w)
    m = (w + 1) // 2
    return Spectrum(columns[1:m], (mean[1:m] + mean[:-m:-1]) / 2)


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
    position, width, step, evidence, plateau, _, floor, _ = fits.T
    seen = plateau > np.where(width < _GRADUAL, spectrum.frequency[0], _REACH * width)
    smallest = np.where(width < _GRADUAL, _SMALLEST_STEP, _SMALLEST_GRADUAL_STEP)
    # Beyond the measured band there is only floor, which falls slowly.
    floor_level = spectrum.decibel[-max(1, len(spectrum.decibel) // 20) :].mean()
    seen &= floor - floor_level < _LARGEST_FALL * step
    sure = seen & (position > _LOWEST_EDGE) & (step > smallest) & (evidence > _SMALLEST_EVIDENCE)
    best = None
    for i in np.flatnonzero(sure):
        near = (np.abs(position - position[i]) < 0.05) & (width == width[i])
        if evidence[i] >= evidence[near].max() and (best is None or position[i] > position[best]):
            best = i
    if best is None:
        # Filters fall to the Nyquist frequency, or to a floor that is the level next to it.
        ends = 1.0, _last_above(spectrum, floor_level + _SMALLEST_STEP)
        return Edge(filtered=any(_filtered(spectrum, end) for end in ends))
    best = max(np.flatnonzero(sure & (np.abs(position - position[best]) < 0.03)), key=lambda i: evidence[i])
    *_, height, level, slope = fits[best]
    away = spectrum.frequency - position[best]
    threshold = np.where(np.abs(away) < 0.05, level + slope * away + (1 - _WAY_DOWN) * height, np.inf)
    # Fading out the borders has spread the edge by about a bin; the next lower one makes an even number of pixels.
    end = _last_above(spectrum, threshold) - float(spectrum.frequency[0])
    end = end if end > 0 else float(position[best])
    return Edge(end, float(step[best]), float(evidence[best]), _filtered(spectrum, end))


def _last_above(spectrum: Spectrum, threshold: NDArray[np.float64] | float) -> float:
    """Outermost of two frequencies in a row whose power is above a threshold; 0, if there are none."""
    above = spectrum.decibel > threshold
    in_a_row = np.flatnonzero(above[1:] & above[:-1])
    return float(spectrum.frequency[in_a_row[-1] + 1]) if len(in_a_row) else 0.0


def _filtered(spectrum: Spectrum, end: float) -> bool:
    """Whether the power falls towards the end of the band, as it does under a filter of k-space."""
    k = spectrum.frequency / end if end else spectrum.frequency
    last = (k > _LAST[0]) & (k < _LAST[1])
    if last.sum() < 4:
        return False
    slope = np.polyfit(k[last], spectrum.decibel[last], 1)[0]
    return bool(-slope * (_LAST[1] - _LAST[0]) > _FILTERED)


def _fits(spectrum: Spectrum, width: float) -> NDArray[np.float64]:
    """Least squares of a step of a width between any two frequencies.

    Two straight lines, joined by a logistic step, against a cubic in the same window.

    :return: (n, 8): position, width, fall across the step in dB, log likelihood ratio, length of the plateau seen
        beyond; at the position: height between the lines in dB, level and slope of the plateau.
    """
    k, y = spectrum.frequency, spectrum.decibel
    bin_size = k[0]
    width = max(width, 0.35 * bin_size)
    noise = max(0.3, 1.4826 * float(np.median(np.abs(np.diff(y, 2)))) / 6**0.5)  # dB
    reach = int(np.ceil(max(0.05, 6 * width, 8 * bin_size) / bin_size))
    if len(y) < reach + 3:
        return np.empty((0, 8))
    # Windows of ``reach`` frequencies on either side; towards Nyquist they are shorter beyond the step.
    at = np.arange(reach, len(y) - 2)
    after = np.minimum(reach, len(y) - at)
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(y, (0, reach)), 2 * reach)[: len(at)]
    x = (np.arange(2 * reach) - reach + 0.5) * bin_size
    seen = np.arange(2 * reach) < reach + np.arange(3, reach + 1)[:, None]  # (reach - 2, 2 reach)
    bases = (basis * seen[..., None] for basis in (_joined_lines(x, width), np.vander(x / x[-1], 4)))
    (levels, misfit), (_, smooth) = (_least_squares(windows, basis, after - 3) for basis in bases)
    evidence = (smooth - misfit) / (2 * np.maximum(noise**2, misfit / (reach + after)))
    position = k[at] - bin_size / 2
    plateau = after * bin_size - _REACH * width
    height = levels[:, 0] - levels[:, 2]
    before, behind = _joined_lines(np.array([-_REACH, _REACH]) * width, width)
    # Lines that rise before a step or fall behind it make it higher than it is.
    fall = np.minimum(height, levels @ (before - behind))
    widths = np.full(len(at), width)
    return np.stack([position, widths, fall, evidence, plateau, height, levels[:, 2], levels[:, 3]], axis=1)


def _joined_lines(x, width):
    """Basis (n, 4): two straight lines, the first before a logistic step at 0 and the second behind it."""
    s = 1 / (1 + np.exp(-np.clip(x / width, -50, 50)))
    return np.stack([1 - s, (1 - s) * x, s, s * x], axis=1)


def _least_squares(windows, bases, which):
    """Coefficients and sums of squares of what is left of windows (m, n), each by one of the bases (b, n, p)."""
    q, r = np.linalg.qr(bases)
    inside = windows * bases.any(axis=2)[which]
    along = np.einsum("mnp,mn->mp", q[which], inside)
    left = inside - np.einsum("mnp,mp->mn", q[which], along)
    return np.linalg.solve(r[which], along[..., None])[..., 0], (left**2).sum(axis=1)


def _weights(slices):
    """Smooth weights (n or 1, h, w) that vanish at borders and in areas of the lowest or highest value."""
    h, w = slices.shape[1:]
    valid = np.ones((1, h, w), dtype=bool)
    for value in (slices.min(), slices.max()):
        constant = slices == value
        if constant.mean() > 0.002:
            varied = _everywhere(~_everywhere(constant, (3, 3)), (5, 5))
            valid = valid & np.pad(varied, ((0, 0), (3, 3), (3, 3)), constant_values=True)
    for part in (16, 32, 64):
        reach = [max(2, n // part) for n in (h, w)]
        far = _everywhere(valid, [4 * r + 1 for r in reach])  # from all that is not valid, and from borders
        if far.sum() > 0.25 * valid.sum():
            break
    by_rows, by_columns = (_smoothing(n, r) for n, r in zip((h, w), reach))
    return by_rows @ far.astype(np.float32) @ by_columns.T


def _everywhere(values, window):
    """Whether booleans (n, h, w) are true in all of a window: (n, h - window[0] + 1, w - window[1] + 1)."""
    for axis, size in enumerate(window, start=1):
        values, width = values.swapaxes(0, axis), 1
        while width < size:
            step = min(width, size - width)
            values, width = values[step:] & values[:-step], width + step
        values = values.swapaxes(0, axis)
    return values


def _smoothing(size, reach):
    """Matrix (size, size - 4 reach) of the mean over ``reach`` neighbors to both sides, applied twice."""
    distance = np.subtract.outer(np.arange(size), np.arange(2 * reach, size - 2 * reach))
    width = 2 * reach + 1
    return (np.maximum(width - np.abs(distance), 0) / width**2).astype(np.float32)
