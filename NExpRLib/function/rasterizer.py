"""Drawing explicit images on separable grids: prepare both axes once, then draw slices.

Operators of the last 16 grids are kept: a slider and the slices of a volume ask for the same ones again.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .axis_operator import AxisOperator, group_by_cell
from .fourier_basis import cell_of, patch_operator, start_of_first_cell
from .interpolant import pixel_operator
from .samples import Samples


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


def axis_operators(target: Samples | NDArray, axis, frequencies):
    """Operators along an axis, of the kind of the coefficients.

    :param target: samples along the axis; or float64 positions in pixel indices, in any order.
    :param frequencies: float64 NumPy array as bytes; or a float64 tensor on the CPU, to let gradients flow.
    """
    if isinstance(target, np.ndarray):
        groups = _group(target, axis)
        numbers = np.frombuffer(frequencies) if isinstance(frequencies, bytes) else frequencies
        return AxisOperators(_patch_operator(groups, axis, numbers), _pixel_operator(groups, axis))
    if isinstance(frequencies, bytes):
        return _operators_of_samples(target, axis, frequencies)
    return AxisOperators(_patch_operator(_groups(target, axis), axis, frequencies), _pixels_of_samples(target, axis))


@lru_cache(maxsize=32)
def _operators_of_samples(samples, axis, frequencies):
    patches = _patch_operator(_groups(samples, axis), axis, np.frombuffer(frequencies))
    return AxisOperators(patches, _pixels_of_samples(samples, axis))


@lru_cache(maxsize=32)
def _pixels_of_samples(samples, axis):
    return _pixel_operator(_groups(samples, axis), axis)


@lru_cache(maxsize=32)
def _groups(samples, axis):
    return _group(samples.positions(), axis)


def _patch_operator(groups, axis, frequencies):
    operator = patch_operator(groups, axis.patches, axis.patch_size, frequencies, axis.blend)
    return operator.to(axis.dtype, axis.device)


def _pixel_operator(groups, axis):
    if axis.skip == "none":
        return None
    start = start_of_first_cell(axis.patch_size, axis.blend)
    operator = pixel_operator(groups, axis.size + 2 * axis.margin, axis.patch_size, start, axis.skip)
    return operator.to(axis.dtype, axis.device)


def _group(positions, axis):
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
