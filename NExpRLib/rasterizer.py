"""Drawing explicit images on separable grids: prepare both axes once, then draw slices.

Operators of the last 16 grids are kept: a slider and the slices of a volume ask for the same ones again.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from .axis_operator import AxisOperator, group_by_cell
from .fourier_basis import cell_of, patch_operator, start_of_first_cell
from .grid import sample_positions
from .interpolation import pixel_operator

# Numbers between the two axes that a strip of rows may take: what a core of a CPU keeps in its second-level cache.
_STRIP_NUMBERS = 500_000


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

    def strips(self, count):
        """Operators to ``count`` parts of the groups of samples, one after the other."""
        parts = ([None] * count if operator is None else operator.strips(count) for operator in self)
        return [AxisOperators(*pair) for pair in zip(*parts)]


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
    groups, length, _ = rows.patches.weights.shape
    width, numbers = columns.patches.groups.count, rows.patches.numbers
    strips = min(groups, (numbers.stop - numbers.start) * width // _STRIP_NUMBERS)
    if strips < 2 or not rows.patches.groups.consecutive or not _can_draw_strips(patches, pixels, rows, columns):
        return rows.patches.samples(_draw_strip(patches, pixels, rows, columns))
    shape = groups, length, width
    image = np.empty(shape, patches.dtype) if isinstance(patches, np.ndarray) else patches.new_empty(shape)
    done = 0
    for strip in rows.strips(strips):
        end = done + len(strip.patches.weights)
        _draw_strip(patches, pixels, strip, columns, image[done:end])
        done = end
    return rows.patches.samples(image)


def _can_draw_strips(patches, pixels, rows, columns):
    """Whether the work is done by a CPU, and no gradients flow."""
    if isinstance(patches, np.ndarray):
        return True
    tensors = patches, pixels, rows.patches.weights, columns.patches.weights
    return patches.device.type == "cpu" and not any(t is not None and t.requires_grad for t in tensors)


def _draw_strip(patches, pixels, rows, columns, out=None):
    """Samples of the rows together with what fills up their groups (G, n, W), in ``out`` if it is given."""
    by_column = columns.patches(patches[columns.patches.numbers, rows.patches.numbers]).swapaxes(0, 1)
    if pixels is None:
        return rows.patches.filled_up(by_column, out)
    pixels = pixels[columns.pixels.numbers, rows.pixels.numbers]
    image = rows.pixels.filled_up(columns.pixels(pixels).swapaxes(0, 1), out)
    rows.patches.add_filled_up(by_column, image)
    return image
