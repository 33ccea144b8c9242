"""Slices on the grid that was measured: interpolation by the scanner undone.

k-space is cropped to what was measured. Nothing moves: of m measured pixels along an axis of n stored ones, pixel j
lies at stored index j n/m. Where an axis continues periodically, as k-space has it, this is exact; where the image was
cropped since, slices are mirrored at their border, so that the jump there does not ring.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..function.samples import Samples
from ..kspace import kspace_crop, zero_fill
from .plan import plane_axes
from .volume import Volume

# Measured pixels beyond the first and the last: the last stored pixels lie between them and their neighbors.
_MARGIN = 2


@dataclass(frozen=True)
class MeasuredGrid:
    """
    :ivar stored: (h, w) pixels of a slice as it is stored.
    :ivar measured: (h, w) pixels that were measured; no more than stored.
    :ivar continues: whether rows and columns continue periodically beyond their ends.
    :ivar margin: measured pixels to add at each end of an axis that was interpolated.
    """

    stored: tuple[int, int]
    measured: tuple[int, int]
    continues: tuple[bool, bool] = (True, True)
    margin: int = _MARGIN

    @classmethod
    def of(cls, volume: Volume, across: int | None, measured: Sequence[int]) -> MeasuredGrid:
        """The measured grid of the slices of a volume across an axis.

        >>> from NExpRLib.volumes.geometry import Geometry
        >>> volume = Volume(np.zeros((2, 9, 12)), Geometry((12, 9, 2), (1.0, 1.0, 3.0), (0.0, 0.0, 0.0), np.eye(3)))
        >>> MeasuredGrid.of(volume, 2, (8, 9, 2)).measured
        (9, 8)

        :param measured: pixels that were measured along each image axis.
        """
        slices = volume.slices(across)
        rows, columns = plane_axes(volume.geometry, across)
        stored, size = (slices.shape[1], slices.shape[2]), (measured[rows], measured[columns])
        if volume.periodic or size == stored:
            return cls(stored, size, margin=0)
        return cls(stored, size, (continues_periodically(slices, 1), continues_periodically(slices, 2)))

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) of a slice on this grid."""
        return self.samples[0].count, self.samples[1].count

    @property
    def samples(self) -> tuple[Samples, Samples]:
        """The measured rows and columns, in stored pixel indices.

        >>> MeasuredGrid((12, 8), (8, 8), margin=2).samples[0]
        Samples(first=-3.0, step=1.5, count=12)
        """
        rows, columns = (
            Samples.pixels(n) if m == n else Samples(-self.margin * n / m, n / m, m + 2 * self.margin)
            for n, m in zip(self.stored, self.measured)
        )
        return rows, columns

    def resample(self, slices: np.ndarray) -> np.ndarray:
        """Stored slices (b, h, w) at the samples: an array of floating-point type."""
        if self.measured == self.stored:
            return slices
        return self._along_both(_to_measured, slices, self.margin)

    def nearest(self, mask: np.ndarray) -> np.ndarray:
        """A mask of stored pixels (b, h, w) at the samples.

        >>> MeasuredGrid((6, 1), (4, 1), margin=0).nearest(np.array([0, 0, 0, 1, 1, 1], bool)[None, :, None])[0, :, 0]
        array([False, False,  True,  True])
        """
        rows, columns = (along.nearest(n) for along, n in zip(self.samples, self.stored))
        return mask[:, rows[:, None], columns]

    def cropped(self, slices: np.ndarray) -> np.ndarray:
        """What stored slices (b, h, w) hold beyond the measured band: an array of their shape.

        >>> waves = np.cos(2 * np.pi * np.outer(np.arange(8), (1, 3)) / 8).sum(axis=1)[None, :, None]
        >>> MeasuredGrid((8, 1), (4, 1)).cropped(waves)[0, :2, 0].round(3)
        array([ 1.   , -0.707])
        """
        return slices - self._along_both(_to_band, slices)

    def _along_both(self, operator, slices, *options):
        """Slices multiplied by the matrices ``operator(n, m, continues, ...)`` of the axes that were interpolated."""
        slices = slices.astype(np.result_type(slices.dtype, np.float32), copy=False)
        rows, columns = (
            None if m == n else operator(n, m, continues, *options).astype(slices.dtype)
            for n, m, continues in zip(self.stored, self.measured, self.continues)
        )
        # The rows of the matrices have the sum 1. Values far from zero would lose their small differences.
        corner = slices[:, :1, :1]
        slices = slices - corner
        slices = slices if rows is None else rows @ slices
        return (slices if columns is None else slices @ columns.T) + corner


# As matrices, since Fourier transforms of lengths that are no product of small primes are several times slower.
@lru_cache(maxsize=8)
def _to_measured(n: int, m: int, continues: bool, margin: int) -> NDArray[np.float64]:
    """From n stored to m measured pixels and a margin at each end: (m + 2 margin, n)."""
    measured = _cropped(n, m, continues)
    return measured[:, np.arange(-margin, m + margin) % measured.shape[1]].T


@lru_cache(maxsize=8)
def _to_band(n: int, m: int, continues: bool) -> NDArray[np.float64]:
    """From n stored pixels to what they hold in the measured band: (n, n)."""
    return zero_fill(_cropped(n, m, continues), (n, n if continues else 2 * n))[:, :n].T


def _cropped(n, m, continues):
    """Each stored pixel alone (n, n), mirrored where the axis does not continue periodically, at the measured ones."""
    pixels = np.eye(n)
    if continues:
        return kspace_crop(pixels, (n, m))
    return kspace_crop(np.concatenate([pixels, pixels[:, ::-1]], axis=1), (n, 2 * m))


def continues_periodically(slices: np.ndarray, axis: int) -> bool:
    """Whether the last pixels along an axis go on in the first ones as smoothly as neighbors do elsewhere.

    >>> wave = np.cos(2 * np.pi * np.arange(16) / 16)[None, :, None]
    >>> continues_periodically(wave, 1), continues_periodically(wave[:, :9], 1)
    (True, False)
    """
    if slices.shape[axis] < 2:
        return True
    slices = slices.astype(np.result_type(slices.dtype, np.float32), copy=False)
    step, across = np.diff(slices, axis=axis), np.take(slices, 0, axis=axis) - np.take(slices, -1, axis=axis)
    # Squares of large numbers need the range of double precision.
    return bool(np.square(across, dtype=np.float64).mean() <= np.square(step, dtype=np.float64).mean())
