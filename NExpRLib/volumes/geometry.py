"""Where a volume lies in physical space, and which of its axes is across the plane that is refined.

Axes are numbered as in SimpleITK: 0, 1, 2 for i, j, k.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..function.samples import Samples

PLANES = ("auto", "axial", "sagittal", "coronal")
_SHEAR = 1.1e-3  # largest cosine between axes that are taken to be at right angles
_WORLD_AXIS = {"sagittal": 0, "coronal": 1, "axial": 2}


@dataclass(frozen=True)
class Geometry:
    """Size, spacing (mm), origin (mm) and direction (columns are axes) of a 2D or 3D image."""

    size: tuple[int, ...]
    spacing: tuple[float, ...]
    origin: tuple[float, ...]
    direction: NDArray[np.float64]

    @property
    def dimension(self) -> int:
        return len(self.size)

    def sampled(self, samples: Sequence[Samples]) -> "Geometry":
        """Geometry of an image whose voxels are samples of this one.

        >>> pixels = Geometry((4, 4), (1.0, 1.0), (0.0, 0.0), np.eye(2))
        >>> refined = pixels.sampled([Samples.over(4, 8), Samples.pixels(4)])
        >>> refined.size, refined.spacing, refined.origin
        ((8, 4), (0.5, 1.0), (-0.25, 0.0))

        :param samples: of every axis, in pixel indices.
        """
        origin = np.array(self.origin, dtype=np.float64)
        for axis, along in enumerate(samples):
            origin += self.direction[:, axis] * self.spacing[axis] * along.first
        spacing = tuple(mm * along.step for mm, along in zip(self.spacing, samples))
        size = tuple(along.count for along in samples)
        return Geometry(size, spacing, tuple(origin.tolist()), self.direction)


def at_right_angles(axes: NDArray[np.float64]) -> bool:
    """Whether axes are at right angles to each other: those of a stack of slices shifted sideways are not.

    >>> at_right_angles(np.eye(3)), at_right_angles(np.array([[1, 0.6], [0, 0.8]]))
    (True, False)

    :param axes: unit vectors as columns.
    """
    return bool(np.abs(axes.T @ axes - np.eye(axes.shape[1])).max() <= _SHEAR)


def slice_axis(geometry: Geometry, plane: str | int = "auto") -> int | None:
    """The axis across the plane to refine.

    >>> thick = Geometry((256, 20, 256), (0.9, 4.0, 0.9), (0.0, 0.0, 0.0), np.eye(3))
    >>> slice_axis(thick), slice_axis(thick, "axial")
    (1, 2)

    :param plane: ``auto`` (the acquisition plane: across the coarsest axis, or the only one of size 1; where two axes
        are equally coarse, they are the plane: square pixels of slices thinner than that), ``axial``, ``sagittal``,
        ``coronal`` (the axis closest to that direction), or an axis index.
    :return: axis index; ``None`` for a 2D image.
    :raises ValueError: for an unknown plane.
    """
    if str(plane) not in (*PLANES, "0", "1", "2"):
        raise ValueError(f'Unknown plane "{plane}": choose one of {", ".join(PLANES)}, or an axis index 0, 1, 2.')
    if geometry.dimension == 2:
        return None
    if str(plane) in "012":
        return int(plane)
    if plane == "auto":
        single = [axis for axis, n in enumerate(geometry.size) if n == 1]
        if len(single) == 1:
            return single[0]
        is_coarsest = [s >= 0.999 * max(geometry.spacing) for s in geometry.spacing]
        if sum(is_coarsest) == 2:
            return is_coarsest.index(False)
        return 2 if all(is_coarsest) else is_coarsest.index(True)
    # Each image axis goes to one world axis, so that no two planes of an oblique volume are the same.
    closeness = np.abs(geometry.direction)
    best = max(itertools.permutations(range(3)), key=lambda order: sum(closeness[w, a] for w, a in enumerate(order)))
    return best[_WORLD_AXIS[str(plane)]]
