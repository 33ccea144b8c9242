"""The analytic interpolant of the low-resolution image that an explicit image may start from (``skip``).

- ``bicubic``: Keys' cubic convolution with a = -1/2 (Keys 1981), the pixels are the coefficients.
- ``bspline``: interpolating cubic B-spline with mirrored borders (Unser 1999), coefficients from a linear system.

Beyond the image's extent [-1/2, h - 1/2] the value at its border continues.
"""

from functools import lru_cache

import numpy as np

from .axis_operator import AxisOperator, group_by_cell

SKIPS = ("none", "bicubic", "bspline")


def interpolate(coefficients, rows, columns, skip):
    """Evaluate the interpolant on a separable grid.

    :param coefficients: from :func:`prefilter`, (..., h, w), NumPy array or torch tensor.
    :param rows, columns: float64 arrays of positions in input pixel indices.
    :return: (..., H, W) of the kind of ``coefficients``.
    """
    by_rows, by_columns = (
        interpolation_operator(positions, size, skip).like(coefficients)
        for positions, size in zip((rows, columns), coefficients.shape[-2:])
    )
    partial = by_rows.along_rows(coefficients[..., :, None, :])
    return by_columns.along_columns(partial[..., None])


def interpolation_operator(positions, size, skip):
    """Operator from the coefficients of ``size`` pixels to samples along one axis; weights are float64 NumPy.

    :param positions: float64 array (samples,), input pixel indices.
    :param skip: ``bicubic`` or ``bspline``.
    """
    positions = np.clip(positions, -0.5, size - 0.5)
    groups = group_by_cell(positions, np.floor(positions).astype(np.int64))
    taps = groups.cells[:, None] + np.arange(-1, 3)
    distance = np.abs(groups.positions[:, :, None] - taps[:, None, :])
    weights = _keys(distance) if skip == "bicubic" else _cubic_bspline(distance)
    blocks = np.clip(taps, 0, size - 1) if skip == "bicubic" else _mirror(taps, size)
    return AxisOperator(blocks, weights, groups.order)


def prefilter(image, skip):
    """Coefficients of the interpolant of pixels (..., h, w), NumPy array or torch tensor; ``None`` without a skip."""
    if skip == "none":
        return None
    if skip == "bicubic":
        return image
    by_rows, by_columns = (prefilter_matrix(size) for size in image.shape[-2:])
    if isinstance(image, np.ndarray):
        return (by_rows @ image @ by_columns.T).astype(image.dtype)
    return image.new_tensor(by_rows) @ image @ image.new_tensor(by_columns.T)


@lru_cache(maxsize=16)
def prefilter_matrix(size):
    """Matrix (size, size) from pixels to cubic B-spline coefficients along one axis, float64."""
    taps = _mirror(np.arange(size)[:, None] + np.arange(-1, 2), size)
    collocation = np.zeros((size, size))
    np.add.at(collocation, (np.arange(size)[:, None], taps), np.array([1 / 6, 4 / 6, 1 / 6]))
    return np.linalg.inv(collocation)


def _keys(x):
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


def _cubic_bspline(x):
    return np.where(x <= 1, 2 / 3 - x**2 + x**3 / 2, np.where(x < 2, (2 - x) ** 3 / 6, 0.0))


def _mirror(indices, size):
    """Indices mirrored about the centers of the border pixels."""
    if size == 1:
        return np.zeros_like(indices)
    indices = np.abs(indices) % (2 * size - 2)
    return np.minimum(indices, 2 * size - 2 - indices)
