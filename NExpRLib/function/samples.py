"""Where samples lie along one axis. Positions are pixel indices: pixel centers are integers.

Four pixels refined to eight samples, on the two grids that an axis can be refined to; the bars are the borders of the
field of view::

    pixels        |   0       1       2       3   |
    fov           | x   x   x   x   x   x   x   x |       u_k = (k + 1/2) h/H - 1/2
    kspace        |   x   x   x   x   x   x   x   x       u_k = k h/H

``fov`` keeps the field of view. ``kspace`` keeps the first sample in place, as cropping and zero-filling k-space do.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

GRIDS = ("fov", "kspace")


@dataclass(frozen=True)
class Samples:
    """Evenly spaced samples along one axis; hashable.

    >>> Samples.over(4, 8).positions()
    array([-0.25,  0.25,  0.75,  1.25,  1.75,  2.25,  2.75,  3.25])

    :ivar first: position of the first sample, in pixel indices of the axis.
    :ivar step: distance of neighboring samples in pixels.
    :ivar count: number of samples.
    """

    first: float
    step: float
    count: int

    @classmethod
    def over(cls, size: int, count: int, grid: str = "fov") -> "Samples":
        """``count`` samples over an axis of ``size`` pixels.

        The step is the ratio of the integer sizes, never the nominal scale.

        :param grid: ``fov`` or ``kspace``, see above.
        :raises ValueError: for an unknown grid.
        """
        if grid not in GRIDS:
            raise ValueError(f'Unknown grid "{grid}": choose one of {", ".join(GRIDS)}.')
        first = (size / count - 1) / 2 if grid == "fov" else 0.0
        return cls(first, size / count, count)

    @classmethod
    def spaced(cls, size: int, step: float) -> "Samples":
        """Samples exactly ``step`` pixels apart over an axis of ``size`` pixels; their middle is that of the axis.

        >>> Samples.spaced(10, 0.25)
        Samples(first=-0.375, step=0.25, count=40)
        """
        count = scaled_size(size, 1 / step)
        return cls((size - 1 - (count - 1) * step) / 2, step, count)

    @classmethod
    def pixels(cls, size: int) -> "Samples":
        """The pixels of an axis themselves."""
        return cls(0.0, 1.0, size)

    def positions(self) -> NDArray[np.float64]:
        """Positions in pixel indices, float64 (count,)."""
        return self.first + np.arange(self.count, dtype=np.float64) * self.step

    def nearest(self, size: int) -> NDArray[np.intp]:
        """Index (count,) of the nearest of ``size`` pixels: half way between two, that of the second.

        >>> Samples.over(2, 6).nearest(2), Samples(-3.0, 1.5, 4).nearest(2)
        (array([0, 0, 0, 1, 1, 1]), array([0, 0, 0, 1]))
        """
        return np.floor(self.positions() + 0.5).clip(0, size - 1).astype(np.intp)

    def seen_from(self, pixels: "Samples") -> "Samples":
        """The same points, counted in other pixels of the same axis.

        >>> Samples(1.0, 0.5, 9).seen_from(Samples(0.0, 2.0, 4))
        Samples(first=0.5, step=0.25, count=9)
        """
        return Samples((self.first - pixels.first) / pixels.step, self.step / pixels.step, self.count)


def scaled_size(size: int, scale: float) -> int:
    """Number of samples for a scale factor: ``size * scale`` rounded half up, at least 1.

    >>> scaled_size(5, 1.5)
    8
    """
    return max(1, math.floor(size * scale + 0.5))


def positions_of(along: Samples | ArrayLike) -> NDArray[np.float64]:
    """Samples, or positions, as positions.

    >>> positions_of(Samples(1.0, 0.5, 3)), positions_of(2)
    (array([1. , 1.5, 2. ]), array([2.]))

    :raises ValueError: for no position, NaN, and arrays of more than one dimension.
    """
    positions = along.positions() if isinstance(along, Samples) else np.atleast_1d(np.asarray(along, dtype=np.float64))
    if not (positions.ndim == 1 and positions.size and np.isfinite(positions).all()):
        raise ValueError("Positions along an axis must be a non-empty one-dimensional array of finite numbers.")
    return positions
