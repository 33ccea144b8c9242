"""An image as an explicit function: evaluated anywhere, without the network (paper Eqs. 1-3 plus an analytic skip)."""

from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from .axis_operator import AxisOperator, group_by_cell
from .fourier_basis import arrange_patches, cell_of, patch_operator, start_of_first_cell
from .grid import GRIDS, sample_positions, scaled_size
from .interpolation import arrange_pixels, pixel_operator

_FORMAT = 1


@dataclass
class ExplicitImage:
    """A slice, or a batch of slices, as the function ``f(u, v) = skip(u, v) + g(u, v)``.

    Coordinates u (down rows) and v (along columns) are low-resolution pixel indices, pixel centers being integers.

    :ivar shape: (h, w) of the low-resolution slice.
    :ivar patches: coefficients as :func:`~.fourier_basis.arrange_patches` returns them, float32 NumPy array or torch
        tensor on any device; the leading dimensions are those of the slices. Patch (0, 0) begins ``margin`` pixels
        before the slice.
    :ivar row_frequencies, column_frequencies: float64 NumPy arrays (N+1,), radians per low-resolution pixel.
    :ivar skip: ``none``, ``bicubic`` or ``bspline``.
    :ivar pixels: coefficients of the skip as :func:`~.interpolation.arrange_pixels` returns them, of the kind of
        ``patches``; ``None`` without a skip.
    :ivar margin: pixels by which the function extends beyond the slice on every side before its border continues.
    :ivar returns_numpy: whether :meth:`rasterize` returns NumPy arrays rather than the kind of ``patches``.
    """

    shape: tuple
    patch_size: int
    blend: bool
    patches: object
    row_frequencies: np.ndarray
    column_frequencies: np.ndarray
    skip: str
    pixels: object
    margin: int = 0
    returns_numpy: bool = False

    @classmethod
    def from_coefficients(cls, matrices, skip_coefficients, *, patch_size, blend, skip, **others):
        """Function with the given coefficients.

        :param matrices: (..., P, Q, K, K), the matrix M of each patch, see :mod:`~.fourier_basis`.
        :param skip_coefficients: (..., h + 2 margin, w + 2 margin) from :func:`~.interpolation.prefilter`, or ``None``.
        """
        pixels = None
        if skip_coefficients is not None:
            pixels = arrange_pixels(skip_coefficients, patch_size, start_of_first_cell(patch_size, blend), skip)
        patches = arrange_patches(matrices)
        return cls(patches=patches, pixels=pixels, patch_size=patch_size, blend=blend, skip=skip, **others)

    def __getitem__(self, index):
        """One slice, or a part, of a batch."""
        pixels = None if self.pixels is None else self.pixels[index]
        return replace(self, patches=self.patches[index], pixels=pixels)

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
        positions = self._positions(scale, shape, grid, rows, columns)
        if self.margin:
            positions = [p + self.margin for p in positions]
        frequencies = (self.row_frequencies, self.column_frequencies)
        rows, columns = (self._operators(*of_axis) for of_axis in zip(positions, frequencies, (1, 0)))
        slices = self.patches.shape[:-2]
        if slices:
            images = _stack([self[index]._draw(rows, columns) for index in np.ndindex(slices)])
            image = images.reshape(*slices, *images.shape[1:])
        else:
            image = self._draw(rows, columns)
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
                pixels=arrays.pop("pixels", None),
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

    def _operators(self, positions, frequencies, axis):
        """Operators to ``positions`` along the rows (axis 1 of what is arranged columns first) or columns (axis 0)."""
        waves = 2 * len(frequencies) - 1
        layout = _Layout(
            size=self.shape[1 - axis] + 2 * self.margin,
            patches=self.patches.shape[axis - 2] // waves - 2,
            patch_size=self.patch_size,
            blend=self.blend,
            skip=self.skip,
            dtype=self.patches.dtype,
            device=getattr(self.patches, "device", None),
        )
        if isinstance(frequencies, np.ndarray):
            patches = _cached_patch_operator(positions.tobytes(), frequencies.tobytes(), layout)
        else:
            patches = _patch_operator(positions.tobytes(), frequencies, layout)
        return _Operators(patches, None if self.skip == "none" else _pixel_operator(positions.tobytes(), layout))

    def _draw(self, rows, columns):
        """One slice (H, W)."""
        patches = self.patches[columns.patches.numbers, rows.patches.numbers]
        by_column = columns.patches(patches).swapaxes(0, 1)
        if self.pixels is None:
            image = rows.patches.filled_up(by_column)
        else:
            pixels = self.pixels[columns.pixels.numbers, rows.pixels.numbers]
            image = rows.pixels.filled_up(columns.pixels(pixels).swapaxes(0, 1))
            rows.patches.add_filled_up(by_column, image)
        return rows.patches.samples(image)


class _Layout(NamedTuple):
    """What operators along one axis depend on besides positions and frequencies."""

    size: int
    patches: int
    patch_size: int
    blend: bool
    skip: str
    dtype: object
    device: object


class _Operators(NamedTuple):
    """From the coefficients along one axis to samples."""

    patches: AxisOperator
    pixels: AxisOperator | None


# The functions below take float64 arrays as bytes, so that they can be cached: a slider, the slices of a volume, and
# often rows and columns ask for the same operators.


@lru_cache(maxsize=16)
def _groups(positions, patches, patch_size, blend):
    positions = np.frombuffer(positions)
    cells = cell_of(positions, patches, patch_size, blend)
    return group_by_cell(positions, cells, start_of_first_cell(patch_size, blend), patch_size)


@lru_cache(maxsize=16)
def _pixel_operator(positions, layout):
    groups = _groups(positions, layout.patches, layout.patch_size, layout.blend)
    start = start_of_first_cell(layout.patch_size, layout.blend)
    operator = pixel_operator(groups, layout.size, layout.patch_size, start, layout.skip)
    return operator.to(layout.dtype, layout.device)


@lru_cache(maxsize=16)
def _cached_patch_operator(positions, frequencies, layout):
    return _patch_operator(positions, np.frombuffer(frequencies), layout)


def _patch_operator(positions, frequencies, layout):
    groups = _groups(positions, layout.patches, layout.patch_size, layout.blend)
    operator = patch_operator(groups, layout.patches, layout.patch_size, frequencies, layout.blend)
    return operator.to(layout.dtype, layout.device)


def _stack(images):
    if isinstance(images[0], np.ndarray):
        return np.stack(images)
    import torch  # Loaded already, since the images are tensors.

    return torch.stack(images)


def _to_numpy(value):
    return value if not hasattr(value, "detach") else value.detach().cpu().numpy()
