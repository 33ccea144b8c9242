"""A stack of slices as an explicit function of all three axes, evaluated with NumPy only.

The planes that contain the slice axis, along the rows and along the columns of the slices, are explicit images each; a
cubic B-spline leads from plane to plane. The function is the mean of both families plus a multiple of each slice's
profile, chosen so that averaging over the profiles gives the slices. It is linear in all of its coefficients.

Positions count slices and pixels: slice k lies at k, and the pixels of a slice at integers.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from os import PathLike

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..function.backend import to_numpy
from ..function.explicit_image import ExplicitImage
from ..function.interpolant import interpolate, prefilter
from ..function.samples import Samples, positions_of
from ..memory import PLANES_AT_ONCE
from .slice_profile import AddedProfiles

_FORMAT = 1


@dataclass(frozen=True, eq=False)
class ExplicitVolume:
    """A stack of slices as a function of slice, row and column.

    :ivar shape: (n, h, w) of the stack.
    :ivar of_rows: (h,) explicit images of slices and columns.
    :ivar of_columns: (w,) explicit images of slices and rows.
    :ivar added: (n, h, w) profiles that are added; ``None`` for nothing.
    """

    shape: tuple[int, int, int]
    of_rows: ExplicitImage = field(repr=False)
    of_columns: ExplicitImage = field(repr=False)
    added: AddedProfiles | None = field(default=None, repr=False)

    def rasterize(
        self, *, slices: Samples | ArrayLike, rows: Samples | ArrayLike, columns: Samples | ArrayLike
    ) -> NDArray[np.float32]:
        """Evaluate the function on a separable grid.

        :param slices, rows, columns: :class:`~.samples.Samples`, or positions in any order; beyond the border of the
            stack, it continues.
        :return: float32 array (slices, rows, columns).
        :raises ValueError: as :func:`~.samples.positions_of`.
        """
        along = [positions_of(p) for p in (slices, rows, columns)]
        by_rows, by_columns = (spline_matrix(p, size) for p, size in zip(along[1:], self.shape[1:]))
        result = 0.5 * _through_planes(self.of_rows, along[0], along[2], by_rows).swapaxes(0, 1)
        result += 0.5 * _through_planes(self.of_columns, along[0], along[1], by_columns).transpose(1, 2, 0)
        if self.added:
            result += np.tensordot(self.added.weights(along[0]), by_rows @ self.added.missing @ by_columns.T, 1)
        return result

    def save(self, path: str | PathLike) -> None:
        """Write a portable ``.npz`` file (no pickle); evaluating it needs NumPy only."""
        arrays = {"shape": self.shape, **(vars(self.added) if self.added else {})}
        for family in ("of_rows", "of_columns"):
            arrays |= {f"{family}.{name}": value for name, value in getattr(self, family).arrays().items()}
        with open(path, "wb") as file:
            np.savez_compressed(file, volume_format=_FORMAT, **arrays)

    @classmethod
    def load(cls, path: str | PathLike) -> "ExplicitVolume":
        """Read a file written by :meth:`save`.

        :raises ValueError: if the file is no saved explicit volume.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: value if value.ndim else value.item() for name, value in file.items()}
            if arrays.pop("volume_format") != _FORMAT:
                raise ValueError("unknown format version")
            families = [
                ExplicitImage(
                    **{name.removeprefix(family): arrays.pop(name) for name in list(arrays) if name.startswith(family)}
                )
                for family in ("of_rows.", "of_columns.")
            ]
            shape = tuple(arrays.pop("shape").tolist())
            return cls(shape, families[0], families[1], AddedProfiles(**arrays) if "missing" in arrays else None)
        except (OSError, MemoryError):
            raise
        except Exception as error:
            raise ValueError(f"{path} is not a saved explicit volume ({error}).") from error


def joined_planes(parts: Sequence[ExplicitImage]) -> ExplicitImage:
    """Batches of explicit images, alike but for their number, as one, in main memory.

    >>> from NExpRLib import load_model
    >>> planes = load_model("mri-fast", "cpu").represent(np.ones((3, 1, 8, 8)))[:, 0]
    >>> joined_planes([planes[:2], planes[2:]]).rasterize(shape=(4, 4)).shape
    (3, 4, 4)
    """
    joined = copy.copy(parts[0])
    joined.parts = [np.concatenate([to_numpy(array) for array in arrays]) for arrays in zip(*(i.parts for i in parts))]
    joined.returns_numpy = True
    return joined


def spline_matrix(positions: NDArray[np.float64], size: int) -> NDArray[np.float32]:
    """Matrix (positions, size) of cubic B-spline interpolation; ones where positions are pixels.

    >>> spline_matrix(np.array([0.0, 1.0]), 2).round(6).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    pixels = prefilter(np.eye(size), "bspline")
    return interpolate(pixels, positions, np.arange(size), "bspline").astype(np.float32)


def _through_planes(
    planes: ExplicitImage, rows: NDArray[np.float64], columns: NDArray[np.float64], matrix: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Planes drawn and interpolated from one to the next: (positions, rows, columns)."""
    result = np.zeros((len(matrix), len(rows), len(columns)), dtype=np.float32)
    needed = np.flatnonzero(np.abs(matrix).max(axis=0) > 1e-7)
    for start in range(0, len(needed), PLANES_AT_ONCE):
        part = needed[start : start + PLANES_AT_ONCE]
        result += np.tensordot(matrix[:, part], planes[part].rasterize(rows=rows, columns=columns), 1)
    return result
