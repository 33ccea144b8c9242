"""Drawing explicit images on separable grids: prepare both axes once, then draw slices.

Operators of the last 16 grids are kept: a slider and the slices of a volume ask for the same ones again.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from .axis_operator import AxisOperator, group_by_cell
from .fourier_basis import cell_of, patch_operator, start_of_first_cell
from .interpolant import pixel_operator
from .samples import sample_positions


class Axis(NamedTuple):
    """One axis of an explicit image.

    :ivar size: number of pixels of the slice.
    :ivar dtype, device: of the coefficients; the device of NumPy arrays is ``None``.
    """

    size: int
    margin: int
    patches: int
    patch_size: int
    blend: bool
    skip: str
    dtype: object
    device: object


class AxisOperators(NamedTuple):
    """From the coefficients along one axis to the samples of a grid.

    :ivar pixels: ``None`` without a skip.
    """

    patches: AxisOperator
    pixels: AxisOperator | None


def axis_operators(target, axis, frequencies):
    """Operators along an axis, of the kind of the coefficients.

    :param target: ``(output size, grid)``, or float64 positions in pixel indices as bytes.
    :param frequencies: float64 NumPy array as bytes; or a float64 tensor on the CPU, to let gradients flow.
    """
    if isinstance(frequencies, bytes):
        return _cached_axis_operators(target, axis, frequencies)
    return _axis_operators(target, axis, frequencies)


@lru_cache(maxsize=32)
def _cached_axis_operators(target, axis, frequencies):
    return _axis_operators(target, axis, np.frombuffer(frequencies))


def _axis_operators(target, axis, frequencies):
    patches = patch_operator(_groups(target, axis), axis.patches, axis.patch_size, frequencies, axis.blend)
    return AxisOperators(patches.to(axis.dtype, axis.device), _pixel_operator(target, axis))


@lru_cache(maxsize=32)
def _pixel_operator(target, axis):
    if axis.skip == "none":
        return None
    start = start_of_first_cell(axis.patch_size, axis.blend)
    size = axis.size + 2 * axis.margin
    operator = pixel_operator(_groups(target, axis), size, axis.patch_size, start, axis.skip)
    return operator.to(axis.dtype, axis.device)


@lru_cache(maxsize=32)
def _groups(target, axis):
    positions = np.frombuffer(target) if isinstance(target, bytes) else sample_positions(axis.size, *target)
    positions = positions + axis.margin
    cells = cell_of(positions, axis.patches, axis.patch_size, axis.blend)
    return group_by_cell(positions, cells, start_of_first_cell(axis.patch_size, axis.blend), axis.patch_size)


def draw(patches, pixels, rows, columns):
    """One slice (H, W) of the kind of ``patches``.

    :param patches, pixels: arranged coefficients, see :class:`~.explicit_image.ExplicitImage`.
    :param rows, columns: :class:`AxisOperators`.
    """
    by_column = columns.patches(patches[columns.patches.numbers, rows.patches.numbers]).swapaxes(0, 1)
    if pixels is None:
        return rows.patches(by_column)
    pixels = pixels[columns.pixels.numbers, rows.pixels.numbers]
    image = rows.pixels.filled_up(columns.pixels(pixels).swapaxes(0, 1))
    rows.patches.add_filled_up(by_column, image)
    return rows.patches.samples(image)
