"""The analytic interpolant of the low-resolution image that an explicit image may start from (``skip``).

- ``bicubic``: Keys' cubic convolution with a = -1/2 (Keys 1981), the pixels are the coefficients.
- ``bspline``: interpolating cubic B-spline with mirrored borders (Unser 1999), coefficients from a linear system.

Beyond the image's extent [-1/2, h - 1/2] the value at its border continues.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .axis_operator import AxisOperator, CellGroups, arrange, draw, group_by_cell
from .backend import Array, between

SKIPS = ("none", "bicubic", "bspline")


def interpolate(coefficients: Array, rows: ArrayLike, columns: ArrayLike, skip: str) -> Any:
    """Evaluate the interpolant on a separable grid.

    >>> image = np.arange(12.0).reshape(3, 4)
    >>> interpolate(prefilter(image, "bicubic"), [1.0], [1.0, 1.5], "bicubic")
    array([[5. , 5.5]])

    :param coefficients: from :func:`prefilter`, (h, w), NumPy array or torch tensor.
    :param rows, columns: positions in pixel indices, in any order.
    :param skip: ``bicubic`` or ``bspline``.
    :return: (H, W) of the kind of ``coefficients``.
    """
    operators, taken = [], []
    for along, size in zip((rows, columns), coefficients.shape):
        positions = np.asarray(along, dtype=np.float64)
        cells = np.clip(np.floor(positions), -1, size - 1).astype(np.int64)
        operator = interpolation_operator(group_by_cell(positions, cells, 0, 1), size, 1, 0, skip)
        operators.append(operator.to(coefficients.dtype, getattr(coefficients, "device", None)))
        taken.append(continued_pixels(size, 1, 0, skip))
    return draw([(arrange(coefficients[..., None, None], taken), operators)])


def continued_pixels(size: int, cell_length: int, start_of_first: float, skip: str) -> NDArray[np.int64]:
    """The pixels whose coefficients :func:`interpolation_operator` reads, continued beyond the border.

    >>> continued_pixels(3, 1, 0, "bicubic")
    array([0, 0, 0, 1, 2, 2, 2, 2])
    >>> continued_pixels(3, 1, 0, "bspline")
    array([2, 1, 0, 1, 2, 1, 0, 1])

    :param size: number of pixels along the axis.
    :param cell_length, start_of_first: cells of the operator, pixels.
    """
    # One window for each cell, and for that before the first.
    indices = first_continued_pixel(cell_length, start_of_first) + np.arange(
        -(-size // cell_length) * cell_length + len(_taps(start_of_first, cell_length))
    )
    return np.clip(indices, 0, size - 1) if skip == "bicubic" else _mirror(indices, size)


def first_continued_pixel(cell_length: int, start_of_first: float) -> int:
    """Index of the first of :func:`continued_pixels`, before they are continued.

    >>> first_continued_pixel(1, 0)
    -2
    """
    return int(_taps(start_of_first, cell_length)[0]) - cell_length


def interpolation_operator(
    groups: CellGroups, size: int, cell_length: int, start_of_first: float, skip: str
) -> AxisOperator:
    """Operator from the coefficients of :func:`continued_pixels` to samples along one axis, float64 NumPy.

    >>> groups = group_by_cell(np.array([0.0, 0.5]), np.array([0, 0]), 0, 1)
    >>> interpolation_operator(groups, 3, 1, 0, "bicubic").weights
    array([[[ 0.    ,  1.    ,  0.    ,  0.    ,  0.    ],
            [-0.0625,  0.5625,  0.5625, -0.0625,  0.    ]]])

    :param groups: samples grouped by cells of ``cell_length`` pixels.
    :param size: number of pixels along the axis.
    :param skip: ``bicubic`` or ``bspline``.
    """
    kernel = _keys if skip == "bicubic" else _cubic_bspline
    taps = _taps(start_of_first, cell_length)
    if start_of_first + cell_length * groups.cells[-1] > size - 0.5:
        groups = replace(groups, alike=False)  # The value at the border continues within the cell before.

    def weights_of(cells: NDArray[np.int64], offsets: NDArray[np.float64]) -> Any:
        start = cell_length * cells[:, None]
        positions = np.clip(start_of_first + start + offsets, -0.5, size - 0.5)
        return kernel(np.abs(positions[..., None] - (taps + start[:, None])))

    return AxisOperator(groups, groups.weights(weights_of), step=cell_length)


def _taps(start_of_first: float, cell_length: int) -> NDArray[np.int64]:
    """Pixels that samples in cell 0 depend on; also where the cell begins beyond the border, whose value continues."""
    beyond = max(0, math.floor(start_of_first))
    return math.floor(start_of_first) - 1 - beyond + np.arange(cell_length + 4 + beyond)


def prefilter(image: Any, skip: str) -> Any:
    """Coefficients of the interpolant of an image.

    >>> prefilter(np.ones((2, 2)), "bspline").round(3)
    array([[1., 1.],
           [1., 1.]])

    :param image: pixels (..., h, w), NumPy array or torch tensor.
    :param skip: ``none``, ``bicubic`` or ``bspline``.
    :return: (..., h, w) of the same kind; ``None`` without a skip.
    """
    if skip in ("none", "bicubic"):
        return None if skip == "none" else image
    return between(image, *(prefilter_matrix(size) for size in image.shape[-2:]))


@lru_cache(maxsize=16)
def prefilter_matrix(size: int) -> NDArray[np.float64]:
    """Matrix (size, size) from pixels to cubic B-spline coefficients along one axis.

    >>> prefilter_matrix(2).round(3)
    array([[ 2., -1.],
           [-1.,  2.]])
    """
    taps = _mirror(np.arange(size)[:, None] + np.arange(-1, 2), size)
    collocation = np.zeros((size, size))
    np.add.at(collocation, (np.arange(size)[:, None], taps), np.array([1 / 6, 4 / 6, 1 / 6]))
    return np.asarray(np.linalg.inv(collocation), dtype=np.float64)


def _keys(x: NDArray[np.float64]) -> NDArray[np.float64]:
    near, far = np.minimum(x, 1), x.clip(1, 2)
    return (1.5 * near - 2.5) * near * near + 1 + ((2.5 - 0.5 * far) * far - 4) * far + 2


def _cubic_bspline(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return (np.maximum(2 - x, 0) ** 3 - 4 * np.maximum(1 - x, 0) ** 3) / 6


def _mirror(indices: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Indices mirrored about the centers of the border pixels."""
    if size == 1:
        return np.zeros_like(indices)
    indices = np.abs(indices) % (2 * size - 2)
    return np.minimum(indices, 2 * size - 2 - indices)
