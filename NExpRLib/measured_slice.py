"""What a slice says by itself: the band-limited image of its pixels, and what a result adds to it.

A slice ends at its border, and often before: scanners leave strips without data there, most of all where they correct
distortion. Band-limited interpolation would ring along both. So the slice is mirrored at its border, and continued
smoothly into strips that hold no data.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .function.samples import Samples
from .kspace import sinc_weights

# Input pixels beside a strip without data that interpolation, by the scanner and by the network, mixes with it.
_MIXED = 2
_LEAST_STRIP = 0.05  # of the length of a border


@dataclass(frozen=True, eq=False)
class MeasuredSlice:
    """:ivar pixels: float array (h, w), continued where nothing was measured.
    :ivar empty: boolean array (h, w), where that is, and what is mixed with it.
    """

    pixels: np.ndarray
    empty: np.ndarray

    @classmethod
    def of(cls, image: np.ndarray) -> "MeasuredSlice":
        """
        >>> import numpy as np
        >>> image = np.full((8, 8), 5.0)
        >>> image[:, 0] = 0
        >>> measured = MeasuredSlice.of(image)
        >>> measured.empty[0].astype(int), measured.pixels[0]
        (array([1, 1, 1, 0, 0, 0, 0, 0]), array([5., 5., 5., 5., 5., 5., 5., 5.]))

        :param image: finite array (h, w).
        """
        empty = _grown(_without_data(image), _MIXED)
        image = image.astype(np.result_type(image, np.float32), copy=False)
        if empty.all():
            empty = np.zeros_like(empty)
        return cls(_continued(image, empty) if empty.any() else image, empty)

    def added_by(self, result: np.ndarray, rows: Samples, columns: Samples) -> np.ndarray:
        """What a result adds to the band-limited image of the pixels; nothing where nothing was measured.

        :param result: float array (H, W) at these samples, in pixel indices of the slice.
        """
        by_rows, by_columns = self._weights(rows, columns, result.dtype)
        detail = result - by_rows @ self.pixels @ by_columns.T
        detail[self._empty_at(rows, columns)] = 0
        return detail

    def kept_by(self, result: np.ndarray, rows: Samples, columns: Samples) -> np.ndarray:
        """A result with the measured spatial frequencies of the slice instead of its own (data consistency).

        :param result: float array (H, W) on the field-of-view grid of the slice.
        """
        by_rows, by_columns = self._weights(rows, columns, result.dtype)
        empty = self._empty_at(rows, columns)
        detail = self.added_by(result, rows, columns)
        # On this grid, the transposed weights crop k-space.
        measured_part = (by_rows.T @ detail @ by_columns) * (rows.step * columns.step)
        kept = by_rows @ (self.pixels - measured_part) @ by_columns.T + detail
        return np.where(empty, result, kept)

    def _weights(self, rows: Samples, columns: Samples, dtype: np.dtype) -> list[np.ndarray]:
        return [_mirrored(along, size).astype(dtype) for along, size in zip((rows, columns), self.pixels.shape)]

    def _empty_at(self, rows: Samples, columns: Samples) -> np.ndarray:
        return self.empty[np.ix_(*(along.nearest(n) for along, n in zip((rows, columns), self.empty.shape)))]


@lru_cache(maxsize=4)
def _mirrored(samples: Samples, size: int) -> np.ndarray:
    """Weights of band-limited interpolation between pixels that are mirrored at their border."""
    weights = sinc_weights(samples.positions(), 2 * size)
    return weights[:, :size] + weights[:, : size - 1 : -1]


def _without_data(image: np.ndarray) -> np.ndarray:
    """Pixels of the lowest value that reach in from the border, along rows or columns, without a gap of three.

    Where they are few, they are no strip but darkness.
    """
    lowest = image == image.min()
    empty = np.zeros_like(lowest)
    for turns in range(4):
        inward = np.pad(np.rot90(lowest, turns), ((0, 2), (0, 0)))
        run = np.logical_and.accumulate(inward[:-2] | inward[1:-1] | inward[2:])
        if np.count_nonzero(run[0]) >= max(3, _LEAST_STRIP * run.shape[1]):
            empty |= np.rot90(run, -turns)
    return empty


def _grown(mask: np.ndarray, pixels: int) -> np.ndarray:
    for _ in range(pixels):
        padded = np.pad(mask, 1)
        mask = mask | padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:]
    return mask


def _continued(image: np.ndarray, empty: np.ndarray) -> np.ndarray:
    """Smooth continuation into empty pixels: means of ever larger squares (Gortler et al. 1996, "pull-push").

    :param empty: not everywhere.
    """
    if min(image.shape) == 1:
        return np.where(empty, image[~empty].mean(), image)
    height, width = image.shape
    even = ((0, height % 2), (0, width % 2))
    weights = np.pad(~empty, even).astype(image.dtype)
    sums = np.pad(np.where(empty, 0, image), even)
    weights, sums = (each.reshape(-(-height // 2), 2, -(-width // 2), 2).sum((1, 3)) for each in (weights, sums))
    coarse = _continued(sums / np.maximum(weights, 1), weights == 0)
    fine = np.pad(coarse.repeat(2, 0).repeat(2, 1)[:height, :width], 1, mode="edge")
    fine = (4 * fine[1:-1, 1:-1] + fine[:-2, 1:-1] + fine[2:, 1:-1] + fine[1:-1, :-2] + fine[1:-1, 2:]) / 8
    return np.where(empty, fine, image)
