"""An image as an explicit function: evaluated anywhere, without the network (paper Eqs. 1-3 plus an analytic skip)."""

from dataclasses import dataclass, fields, replace

import numpy as np

from .fourier_basis import patch_operator
from .grid import GRIDS, sample_positions, scaled_size
from .interpolation import interpolate

_FORMAT = 1


@dataclass
class ExplicitImage:
    """A slice, or a batch of slices, as the function ``f(u, v) = skip(u, v) + g(u, v)``.

    Coordinates u (down rows) and v (along columns) are low-resolution pixel indices, pixel centers being integers.

    :ivar shape: (h, w) of the low-resolution slice.
    :ivar matrices: coefficient matrices (..., P, K, Q, K), float32 NumPy array or torch tensor on any device; the
        leading dimensions are those of the slices. Patch (0, 0) begins ``margin`` pixels before the slice.
    :ivar row_frequencies, column_frequencies: float64 NumPy arrays (N+1,), radians per low-resolution pixel.
    :ivar skip: ``none``, ``bicubic`` or ``bspline``.
    :ivar skip_coefficients: (..., h + 2 margin, w + 2 margin), of the kind of ``matrices``; ``None`` without a skip.
    :ivar intensity_offset, intensity_scale: numbers, or NumPy arrays (...): value = offset + scale * f.
    :ivar margin: pixels by which the function extends beyond the slice on every side before its border continues.
    :ivar returns_numpy: whether :meth:`rasterize` returns NumPy arrays rather than the kind of ``matrices``.
    """

    shape: tuple
    patch_size: int
    blend: bool
    matrices: object
    row_frequencies: np.ndarray
    column_frequencies: np.ndarray
    skip: str
    skip_coefficients: object
    intensity_offset: object = 0.0
    intensity_scale: object = 1.0
    margin: int = 0
    returns_numpy: bool = False

    def __getitem__(self, index):
        """One slice, or a part, of a batch."""
        of_slices = {
            name: value[index]
            for name in ("matrices", "skip_coefficients", "intensity_offset", "intensity_scale")
            if np.ndim(value := getattr(self, name))
        }
        return replace(self, **of_slices)

    def rasterize(self, scale=None, *, shape=None, grid="fov", rows=None, columns=None):
        """Evaluate the function on a separable grid.

        Name the target in exactly one way: ``scale`` (a number, or one per axis), ``shape`` (H, W), or ``rows`` and
        ``columns``: positions in low-resolution pixel indices, in any order, also beyond the border, where the
        nearest patch continues.

        :param grid: ``fov`` (extent preserved) or ``kspace`` (first sample stays in place); for ``scale`` and
            ``shape``.
        :return: (..., H, W) float32: NumPy if the image was made from NumPy, else a torch tensor on its device.
        :raises ValueError: for a target that is not named, named twice, empty or not finite.
        """
        rows, columns = (p + self.margin for p in self._positions(scale, shape, grid, rows, columns))
        image = self._patches(rows, columns)
        if self.skip != "none":
            image = image + interpolate(self.skip_coefficients, rows, columns, self.skip)
        image = image * self._per_slice(self.intensity_scale) + self._per_slice(self.intensity_offset)
        return _to_numpy(image) if self.returns_numpy else image

    def save(self, path):
        """Write a portable ``.npz`` file (no pickle); evaluating it needs NumPy only."""
        arrays = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "returns_numpy"}
        arrays = {name: _to_numpy(value) for name, value in arrays.items() if value is not None}
        with open(path, "wb") as file:
            np.savez_compressed(file, format=_FORMAT, **arrays)

    @classmethod
    def load(cls, path):
        """Read a file written by :meth:`save`; the result is evaluated with NumPy only.

        :raises ValueError: if the file is no saved explicit image.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = dict(file)
            if arrays.pop("format") != _FORMAT:
                raise ValueError("unknown format version")
            return cls(
                shape=tuple(int(n) for n in arrays.pop("shape")),
                patch_size=int(arrays.pop("patch_size")),
                blend=bool(arrays.pop("blend")),
                margin=int(arrays.pop("margin")),
                skip=str(arrays.pop("skip")),
                skip_coefficients=arrays.pop("skip_coefficients", None),
                **arrays,
            )
        except OSError:
            raise
        except Exception as error:
            raise ValueError(f"{path} is not a saved explicit image ({error}).") from error

    def _positions(self, scale, shape, grid, rows, columns):
        named = [scale is not None, shape is not None, rows is not None or columns is not None]
        if sum(named) != 1 or (rows is None) != (columns is None):
            raise ValueError("Name the target in one way: scale, shape, or both rows and columns.")
        if rows is not None:
            positions = [np.atleast_1d(np.asarray(p, dtype=np.float64)) for p in (rows, columns)]
            if not all(p.ndim == 1 and p.size and np.isfinite(p).all() for p in positions):
                raise ValueError("rows and columns must be non-empty one-dimensional arrays of finite numbers.")
            return positions
        if grid not in GRIDS:
            raise ValueError(f'Unknown grid "{grid}": choose one of {", ".join(GRIDS)}.')
        if scale is not None:
            scales = np.atleast_1d(np.asarray(scale, dtype=np.float64))
            if scales.shape not in ((1,), (2,)) or not (np.isfinite(scales).all() and (scales > 0).all()):
                raise ValueError(f"The scale must be one or two positive numbers, not {scale}.")
            shape = [scaled_size(n, s) for n, s in zip(self.shape, np.broadcast_to(scales, 2))]
        sizes = np.atleast_1d(shape)
        if sizes.shape != (2,) or not all(n >= 1 and n == int(n) for n in sizes):
            raise ValueError(f"The shape must be two positive whole numbers, not {shape}.")
        return [sample_positions(n, int(size), grid) for n, size in zip(self.shape, sizes)]

    def _per_slice(self, numbers):
        numbers = np.asarray(numbers, dtype=np.float32)[..., None, None]
        return numbers if isinstance(self.matrices, np.ndarray) else self.matrices.new_tensor(numbers)

    def _patches(self, rows, columns):
        operators = [
            patch_operator(positions, patches, self.patch_size, frequencies, self.blend)
            for positions, patches, frequencies in (
                (rows, self.matrices.shape[-4], self.row_frequencies),
                (columns, self.matrices.shape[-2], self.column_frequencies),
            )
        ]
        by_rows, by_columns = (operator.like(self.matrices) for operator in operators)
        data = self.matrices
        flat = data.reshape(*data.shape[:-2], -1)
        partial = by_rows.along_rows(flat)
        return by_columns.along_columns(partial.reshape(*partial.shape[:-1], *data.shape[-2:]))


def _to_numpy(value):
    return value if not hasattr(value, "detach") else value.detach().cpu().numpy()
