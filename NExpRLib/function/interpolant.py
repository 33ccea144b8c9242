"""The analytic interpolant of the low-resolution image that an explicit image may start from (``skip``).

- ``bicubic``: Keys' cubic convolution with a = -1/2 (Keys 1981), the pixels are the coefficients.
- ``bspline``: interpolating cubic B-spline with mirrored borders (Unser 1999), coefficients from a linear system.

Beyond the image's extent [-1/2, h - 1/2] the value at its border continues.
"""

import math
from dataclasses import replace
from functools import lru_cache

import numpy as np

from .axis_operator import AxisOperator, group_by_cell
from .backend import full_precision

SKIPS = ("none", "bicubic", "bspline")


def interpolate(coefficients, rows, columns, skip):
    """Evaluate the interpolant on a separable grid.

    :param coefficients: from :func:`prefilter`, (h, w), NumPy array or torch tensor.
    :param rows, columns: float64 arrays of positions in input pixel indices.
    :return: (H, W) of the kind of ``coefficients``.
    """
    kind = coefficients.dtype, getattr(coefficients, "device", None)
    by_rows, by_columns = (
        _interpolation_operator(np.asarray(positions, dtype=np.float64), size, skip).to(*kind)
        for positions, size in zip((rows, columns), coefficients.shape)
    )
    pixels = arrange_pixels(coefficients, 1, 0, skip)[by_columns.numbers, by_rows.numbers]
    return by_rows(by_columns(pixels).swapaxes(0, 1))


def _interpolation_operator(positions, size, skip):
    cells = np.clip(np.floor(positions), -1, size - 1).astype(np.int64)
    return pixel_operator(group_by_cell(positions, cells, 0, 1), size, 1, 0, skip)


def arrange_pixels(coefficients, cell_length, start_of_first, skip):
    """Coefficients as :func:`pixel_operator` reads them: columns first, continued beyond the border.

    :param coefficients: (..., h, w), NumPy array or torch tensor.
    :param cell_length, start_of_first: cells of the operator along either axis, input pixels.
    :return: (..., w', h').
    """
    taps = _taps(start_of_first, cell_length)
    rows, columns = (
        # One window for each cell, and for that before the first.
        _continued(taps[0] - cell_length + np.arange(-(-size // cell_length) * cell_length + len(taps)), size, skip)
        for size in coefficients.shape[-2:]
    )
    if isinstance(coefficients, np.ndarray):
        return np.ascontiguousarray(coefficients[..., rows, :][..., columns].swapaxes(-1, -2))
    rows, columns = (coefficients.new_tensor(index, dtype=int) for index in (rows, columns))
    return coefficients.index_select(-2, rows).index_select(-1, columns).swapaxes(-1, -2).contiguous()


def pixel_operator(groups, size, cell_length, start_of_first, skip):
    """Operator from arranged coefficients to samples along one axis; its weights are float64 NumPy.

    :param groups: samples grouped by cells of ``cell_length`` pixels.
    :param size: number of input pixels.
    :param skip: ``bicubic`` or ``bspline``.
    """
    kernel = _keys if skip == "bicubic" else _cubic_bspline
    taps = _taps(start_of_first, cell_length)
    if start_of_first + cell_length * groups.cells[-1] > size - 0.5:
        groups = replace(groups, alike=False)  # The value at the border continues within the cell before.

    def weights_of(cells, offsets):
        start = cell_length * cells[:, None]
        positions = np.clip(start_of_first + start + offsets, -0.5, size - 0.5)
        return kernel(np.abs(positions[..., None] - (taps + start[:, None])))

    return AxisOperator(groups, groups.weights(weights_of), step=cell_length)


def _taps(start_of_first, cell_length):
    """Pixels that samples in cell 0 depend on; also where the cell begins beyond the border, whose value continues."""
    beyond = max(0, math.floor(start_of_first))
    return math.floor(start_of_first) - 1 - beyond + np.arange(cell_length + 4 + beyond)


def prefilter(image, skip):
    """Coefficients of the interpolant of pixels (..., h, w), NumPy array or torch tensor; ``None`` without a skip."""
    if skip == "none":
        return None
    if skip == "bicubic":
        return image
    by_rows, by_columns = (prefilter_matrix(size) for size in image.shape[-2:])
    if isinstance(image, np.ndarray):
        return (by_rows @ image @ by_columns.T).astype(image.dtype)
    with full_precision(image):
        return image.new_tensor(by_rows) @ image @ image.new_tensor(by_columns.T)


@lru_cache(maxsize=16)
def prefilter_matrix(size):
    """Matrix (size, size) from pixels to cubic B-spline coefficients along one axis, float64."""
    taps = _mirror(np.arange(size)[:, None] + np.arange(-1, 2), size)
    collocation = np.zeros((size, size))
    np.add.at(collocation, (np.arange(size)[:, None], taps), np.array([1 / 6, 4 / 6, 1 / 6]))
    return np.linalg.inv(collocation)


def _keys(x):
    near, far = np.minimum(x, 1), x.clip(1, 2)
    return (1.5 * near - 2.5) * near * near + 1 + ((2.5 - 0.5 * far) * far - 4) * far + 2


def _cubic_bspline(x):
    return (np.maximum(2 - x, 0) ** 3 - 4 * np.maximum(1 - x, 0) ** 3) / 6


def _continued(indices, size, skip):
    """Indices of pixels beyond the border: the border pixel, or mirrored about the centers of the border pixels."""
    if skip == "bicubic":
        return np.clip(indices, 0, size - 1)
    return _mirror(indices, size)


def _mirror(indices, size):
    """Indices mirrored about the centers of the border pixels."""
    if size == 1:
        return np.zeros_like(indices)
    indices = np.abs(indices) % (2 * size - 2)
    return np.minimum(indices, 2 * size - 2 - indices)
