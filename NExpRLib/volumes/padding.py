"""Voxels without data, as outside the circle of a CT reconstruction: held out of a run and put back after it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..function.samples import Samples

_REACH = 20  # pixels beyond the border that a value inside depends on, at most
_SAMPLES = 1_000_000


def padding_value(pixels: np.ndarray, announced: float | None = None) -> float | None:
    """The value of voxels without data: NaN, the announced one, or a lowest one that is set off from all others.

    A value is set off if it is negative, many voxels have it, and the next value above it is further away than a tenth
    of the range of the others and than thirty of the steps that follow.

    >>> circle = np.full((4, 20, 20), -3024, np.int16)
    >>> circle[:, 5:15, 5:15] = np.random.default_rng(0).integers(-1024, 400, (4, 10, 10))
    >>> padding_value(circle)
    -3024.0

    :param announced: PixelPaddingValue of a DICOM header, scaled as the pixels are.
    :return: ``None`` where there are none.
    """
    if np.issubdtype(pixels.dtype, np.floating) and np.isnan(np.min(pixels)):
        return float("nan")
    lowest, highest = float(pixels.min()), float(pixels.max())
    if announced is not None and lowest < highest:
        # Headers and files keep slopes, by which it is scaled, in different precision.
        far = 1e-6 * np.issubdtype(pixels.dtype, np.floating)
        for end in (lowest, highest):
            if math.isclose(announced, end, rel_tol=far, abs_tol=far * (highest - lowest)):
                return end
    if lowest >= 0:
        return None
    flat = pixels.ravel()
    sample = flat[:: 1 + flat.size // _SAMPLES]
    if np.count_nonzero(sample == lowest) < max(10, 1e-3 * sample.size):
        return None
    others = np.unique(sample[sample > lowest]).astype(np.float64)
    if len(others) < 32:
        return None
    gap = float(pixels[pixels > lowest].min()) - lowest
    low, high = np.percentile(sample[sample > lowest], (1, 99))
    steps = np.diff(others[:50])
    return lowest if gap > 0.1 * (high - low) and gap > 30 * np.median(steps) else None


def mask_of(pixels: np.ndarray, value: float) -> np.ndarray:
    """Where voxels have the padding value.

    >>> mask_of(np.array([1.0, np.nan]), np.nan).tolist()
    [False, True]
    """
    return np.isnan(pixels) if np.isnan(value) else pixels == pixels.dtype.type(value)


def filled(slices: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """A copy in which voxels without data continue what borders on them in their slice.

    >>> slices = np.array([[[-2000, 5], [-2000, 5]]])
    >>> filled(slices, slices == -2000).tolist()
    [[[5, 5], [5, 5]]]

    Further away they are as in the nearest slice that has a value there, or have the lowest valid value.

    :param slices: array (n, h, w).
    :param mask: where there are no data; not everywhere.
    """
    result, unknown = slices.copy(), mask.copy()
    result[mask] = slices[~mask].min()
    for values, missing in zip(result, unknown):
        if missing.any() and not missing.all():
            missing &= ~_continue(values, missing)
    _take_from_nearest(result, unknown)
    return result


def _take_from_nearest(slices: np.ndarray, unknown: np.ndarray) -> None:
    """Planes through the slices see them beside what is known. Row by row, which takes little memory."""
    n, h, w = slices.shape
    k, columns = np.arange(n)[:, None], np.arange(w)
    for r in range(h):
        missing = unknown[:, r]
        before = np.maximum.accumulate(np.where(missing, -2 * n, k))
        after = np.minimum.accumulate(np.where(missing, 3 * n, k)[::-1])[::-1]
        nearest = np.where(k - before <= after - k, before, after)
        taken = missing & (nearest >= 0) & (nearest < n)
        slices[:, r][taken] = slices[nearest[taken], r, np.broadcast_to(columns, (n, w))[taken]]


def _continue(values: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Ring by ring, the mean of the neighbors that are known. Returns where there are values now."""
    known = ~missing
    sums = np.where(known, values, 0).astype(np.float64)
    for _ in range(_REACH):
        total, count = _neighbors(sums), _neighbors(known.astype(np.float64))
        ring = ~known & (count > 0)
        if not ring.any():
            break
        sums[ring] = total[ring] / count[ring]
        known |= ring
        new = sums[ring]
        values[ring] = np.rint(new) if np.issubdtype(values.dtype, np.integer) else new
    return known


def _neighbors(values: np.ndarray) -> np.ndarray:
    """Sums over the eight neighbors."""
    padded = np.pad(values, 1)
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    return rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:] - values


def sampled_mask(mask: np.ndarray, samples: Sequence[Samples]) -> np.ndarray:
    """Where samples lie in voxels of a mask.

    >>> sampled_mask(np.array([[True, False]]), [Samples.over(2, 4), Samples.pixels(1)]).tolist()
    [[True, True, False, False]]

    :param mask: array (k, j, i) or (j, i).
    :param samples: of every image axis (i, j, k).
    """
    for axis, along in enumerate(reversed(samples)):
        mask = mask.take(along.nearest(mask.shape[axis]), axis=axis)
    return mask
