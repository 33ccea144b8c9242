"""A box of voxels within a volume."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..function.samples import Samples
from .geometry import Geometry


@dataclass(frozen=True)
class Box:
    """Voxels of a volume whose sides are along its axes.

    :ivar first: lowest voxel index along each image axis.
    :ivar size: voxels along each image axis.
    """

    first: tuple[int, ...]
    size: tuple[int, ...]

    def __str__(self) -> str:
        return ", ".join(f"{name} {a} to {a + n - 1}" for name, a, n in zip("ijk", self.first, self.size))

    @property
    def index(self) -> tuple[slice, ...]:
        """Of an array of voxels (k, j, i)."""
        return tuple(slice(a, a + n) for a, n in zip(self.first, self.size))[::-1]

    def grown(self, margins: Sequence[int], size: Sequence[int]) -> Box:
        """The box with margins on both sides of each axis, as far as a volume goes.

        >>> print(Box((2, 5), (4, 5)).grown((1, 3), (10, 11)))
        i 1 to 6, j 2 to 10

        :param size: of the volume.
        """
        first = tuple(max(0, a - margin) for a, margin in zip(self.first, margins))
        end = tuple(min(n, a + own + m) for n, a, own, m in zip(size, self.first, self.size, margins))
        return Box(first, tuple(b - a for a, b in zip(first, end)))

    def geometry(self, of: Geometry) -> Geometry:
        """Of these voxels of a volume.

        :param of: of the volume.
        """
        return of.sampled([Samples(float(a), 1.0, n) for a, n in zip(self.first, self.size)])
