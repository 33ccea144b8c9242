"""The piecewise Fourier basis of NExpR (paper Eq. 1) as an operator along one axis.

Inside a patch, with t and z the offsets from its center, Eq. 1 reads

    g = sum_{p,q} alpha_pq sin(w_p t + n_q z) + beta_pq cos(w_p t + n_q z).

Expanding the sums of angles gives ``X^T M Y`` with ``X = [cos(w_0 t) ... cos(w_N t), sin(w_1 t) ... sin(w_N t)]``, Y
likewise along columns, and one matrix M of (2N+1) x (2N+1) coefficients per patch (:func:`paper_matrix`): frequency 0
is fixed, its sine vanishes. With more axes, M has one more dimension for each.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .axis_operator import AxisOperator, CellGroups
from .backend import Array, concatenate, cos_and_sin, like

BASES = ("paper", "full")


def coefficient_count(basis: str, frequencies: int) -> int:
    """Coefficients of a patch that a network predicts for N = ``frequencies``: alpha and beta, or M itself.

    >>> coefficient_count("paper", 8), coefficient_count("full", 4)
    (162, 81)

    :param basis: ``paper`` or ``full``.
    """
    return 2 * (frequencies + 1) ** 2 if basis == "paper" else (2 * frequencies + 1) ** 2


def paper_matrix(alpha: Any, beta: Any) -> Any:
    """The matrices M of Eq. 1.

    >>> paper_matrix(np.array([[0, 1], [2, 3]]), np.array([[4, 5], [6, 7]]))
    array([[ 4,  5,  1],
           [ 6,  7,  3],
           [ 2,  3, -7]])

    :param alpha, beta: (..., N+1, N+1), arrays or tensors.
    :return: (..., 2N+1, 2N+1) of the same kind.
    """
    cosine_rows = concatenate([beta, alpha[..., :, 1:]], -1)
    sine_rows = concatenate([alpha[..., 1:, :], -beta[..., 1:, 1:]], -1)
    return concatenate([cosine_rows, sine_rows], -2)


def repeated_patches(patches: int) -> NDArray[np.int64]:
    """The patches whose coefficients :func:`fourier_operator` reads: the outermost ones twice.

    >>> repeated_patches(3)
    array([0, 0, 1, 2, 2])
    """
    return np.clip(np.arange(-1, patches + 1), 0, patches - 1)


def start_of_first_cell(patch_size: int, blend: bool) -> float:
    """Position where cell 0 begins: at the border of patch 0, or with ``blend`` at its center.

    >>> start_of_first_cell(2, blend=False), start_of_first_cell(2, blend=True)
    (-0.5, 0.5)
    """
    return (patch_size - 1) / 2 if blend else -0.5


def cell_of(positions: NDArray[np.float64], patches: int, patch_size: int, blend: bool) -> NDArray[np.int64]:
    """Cell of each position: its patch, or with ``blend`` that whose center precedes it, -1 before the first.

    Outside the image the nearest patch continues.

    >>> cell_of(np.array([-0.5, 1.0, 2.4, 9.0]), 3, 2, blend=True)
    array([-1,  0,  0,  2])
    """
    cells = np.floor((positions - start_of_first_cell(patch_size, blend)) / patch_size)
    return np.clip(cells, -1 if blend else 0, patches - 1).astype(np.int64)


def fourier_operator(
    groups: CellGroups, patches: int, patch_size: int, frequencies: Array, blend: bool
) -> AxisOperator:
    """Operator from the coefficients of :func:`repeated_patches`, 2N+1 of each, to samples along one axis.

    >>> from .axis_operator import group_by_cell
    >>> positions = np.arange(4.0)
    >>> groups = group_by_cell(positions, cell_of(positions, 2, 2, blend=True), start_of_first_cell(2, blend=True), 2)
    >>> fourier_operator(groups, 2, 2, np.array([0.0, 1.5]), blend=True).weights.shape
    (3, 2, 6)

    With ``blend``, two neighboring patches are mixed linearly between their centers, so that the function has no seams.

    :param groups: samples grouped by :func:`cell_of`.
    :param patches: number of patches along the axis.
    :param frequencies: (N+1,) radians per pixel, index 0 being 0: float64 NumPy array, or float64 torch tensor on the
        CPU to let gradients flow. The weights are of the same kind.
    """

    def weights_of(cells: NDArray[np.int64], offsets: NDArray[np.float64]) -> Any:
        if not blend:
            return _waves(offsets - patch_size / 2, frequencies)
        toward_next = offsets / patch_size
        toward_next[cells == -1] = 1
        toward_next[cells == patches - 1] = 0
        share = np.abs(toward_next[..., None] - (1, 0))
        waves = _waves(offsets[..., None] - (0, patch_size), frequencies)
        return (waves * like(frequencies, share)[..., None]).reshape(*offsets.shape, -1)

    return AxisOperator(groups, groups.weights(weights_of), step=2 * len(frequencies) - 1)


def _waves(offsets: NDArray[np.float64], frequencies: Array) -> Any:
    """Cosines of all frequencies, then sines of all but the first: (...) -> (..., 2N+1)."""
    cosines, sines = cos_and_sin(like(frequencies, offsets)[..., None] * frequencies)
    return concatenate([cosines, sines[..., 1:]], -1)
