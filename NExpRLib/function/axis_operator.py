"""Linear operators along one axis, and drawing: one operator per axis, applied axis by axis.

Both parts of an explicit image are drawn so. An axis is cut into cells of equal length; all samples in a cell depend on
the same window of coefficients (those of its patches, or of the pixels around it), through weights that depend on their
positions. The windows of neighboring cells overlap and are evenly spaced, so they are views of the coefficients and the
operator is one batched matrix product.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .backend import Array, constant, contiguous, permute, product, take, windows

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class CellGroups:
    """Samples along one axis in G groups of n, each within one cell; smaller groups are padded.

    :ivar cells: integer array (G,), the cell of each group.
    :ivar offsets: float64 array (G, n), positions from the start of the cell, those of the padding among them.
    :ivar consecutive: whether ``cells`` are consecutive numbers.
    :ivar alike: whether all groups but the first and the last have the same offsets, as at integer scales.
    :ivar places: where the samples lie among the G * n: a slice, or an integer array or tensor.
    """

    cells: NDArray[np.int64]
    offsets: NDArray[np.float64]
    consecutive: bool
    alike: bool
    places: slice | Any

    def weights(self, weights_of: Callable[[NDArray[np.int64], NDArray[np.float64]], Any]) -> Any:
        """Weights (G, n, w) of all groups, computed once for those that are alike.

        :param weights_of: function of cells (g,) and offsets (g, n) that returns (g, n, w).
        """
        if not self.alike:
            return weights_of(self.cells, self.offsets)
        first_inner_last = [0, 1, -1]
        weights = weights_of(self.cells[first_inner_last], self.offsets[first_inner_last])
        which = np.ones(len(self.cells), dtype=np.int64)
        which[0], which[-1] = 0, 2
        return weights[which]


def group_by_cell(
    positions: NDArray[np.float64], cells: NDArray[np.int64], start_of_first: float, cell_length: int
) -> CellGroups:
    """Group samples by cell.

    >>> group_by_cell(np.array([0.0, 0.5, 1.0]), np.array([0, 0, 1]), 0, 1).cells
    array([0, 1])

    :param positions: (samples,), in any order.
    :param cells: (samples,), the cell of each sample.
    :param start_of_first: position where cell 0 begins.
    """
    order = None
    if (cells[1:] < cells[:-1]).any():
        order = np.argsort(cells, kind="stable")
        positions, cells = positions[order], cells[order]
    first = cells[0]
    counts = np.bincount(cells - first)
    # Beyond the border of the image, the outermost cells may hold any number of samples: they are split.
    length = counts[1:-1].max(initial=0) or counts.max()
    consecutive = bool(counts[0] <= length and counts[-1] <= length)
    if consecutive:
        groups = np.arange(len(counts))
        begin_slot = length * groups
        begin_slot[0] += length - counts[0]  # The padding of the first group comes first: the samples are in one piece.
    else:
        pieces = -(-counts // length)
        groups = np.arange(len(counts)).repeat(pieces)
        begin_slot = length * (pieces.cumsum() - pieces)
    begin = counts.cumsum() - counts
    slots = np.arange(len(cells)) + (begin_slot - begin).repeat(counts)
    in_cell = positions - (start_of_first + cell_length * cells)
    begin_of_fullest = begin[counts.argmax()]
    offsets = np.empty((len(groups), length))
    offsets[:] = in_cell[begin_of_fullest : begin_of_fullest + length]
    offsets.reshape(-1)[slots] = in_cell
    in_one_piece = slots[-1] - slots[0] == len(slots) - 1
    alike = consecutive and in_one_piece and len(groups) > 3 and np.abs(offsets[1:-1] - offsets[1]).max() < 1e-9
    places: slice | NDArray[np.int64]
    if order is not None:
        in_order = np.empty_like(slots)
        in_order[order] = slots
        places = in_order
    elif in_one_piece:
        places = slice(int(slots[0]), int(slots[-1]) + 1)
    else:
        places = slots
    return CellGroups(first + groups, offsets, consecutive, bool(alike), places)


@dataclass(frozen=True, eq=False)
class AxisOperator:
    """Linear operator from the coefficients along one axis to samples along it.

    :ivar weights: array or tensor (G, n, w).
    :ivar step: coefficients from the beginning of one cell's window to that of the next; cell -1 has the first window.
    """

    groups: CellGroups
    weights: Any
    step: int

    def to(self, dtype: np.dtype | torch.dtype, device: torch.device | None) -> AxisOperator:
        """The operator with weights of another NumPy dtype, or of a torch dtype on a device; gradients flow."""
        groups, weights = self.groups, constant(self.weights, dtype, device)
        if isinstance(groups.places, np.ndarray) and not isinstance(weights, np.ndarray):
            import torch

            groups = replace(groups, places=constant(groups.places, torch.int64, device))
        return replace(self, groups=groups, weights=weights)

    @cached_property
    def needed(self) -> slice:
        """The coefficients along the axis that the samples depend on: what the methods below take."""
        first, last = (int(cell + 1) * self.step for cell in self.groups.cells[[0, -1]])
        return slice(first, last + self.weights.shape[-1])

    def __call__(self, coefficients: Array) -> Any:
        """Apply to the first axis: (needed, m) -> (samples, m)."""
        return self.samples(self.grouped(coefficients))

    def grouped(self, coefficients: Array, onto: Any = None) -> Any:
        """Samples and the padding of their groups: (needed, m) -> (G, n, m).

        :param onto: of the same shape; they are added to it in place.
        """
        # A view where the cells are consecutive.
        of_cells = windows(coefficients, self.weights.shape[-1], self.step)
        cells = self.groups.cells
        of_groups = of_cells if self.groups.consecutive else of_cells[cells - cells[0]]
        return product(self.weights, of_groups.swapaxes(1, 2), onto)

    def samples(self, grouped: Any) -> Any:
        """Take the samples out of the groups: (G, n, m) -> (samples, m)."""
        rows, places = grouped.reshape(-1, grouped.shape[-1]), self.groups.places
        return rows[places] if isinstance(places, slice) else take(rows, places, 0)


def draw(parts: Iterable[tuple[Array, Sequence[AxisOperator]]]) -> Any:
    """The sum of parts, each drawn by one operator per axis.

    >>> groups = group_by_cell(np.array([0.25, 0.75]), np.array([0, 0]), 0, 1)
    >>> sum_of_two = AxisOperator(groups, np.ones((1, 2, 2)), step=1)
    >>> draw([(np.array([[0.0, 0, 0], [0, 1, 2], [0, 3, 4]]), [sum_of_two, sum_of_two])])
    array([[10., 10.],
           [10., 10.]])

    :param parts: arranged coefficients, see :func:`arrange`, and the operators of axes 1 to d; those of axis 1 have the
        samples in the same groups.
    :return: samples (s_1, ..., s_d).
    """
    image = None
    for coefficients, (first, *others) in parts:
        data: Any = coefficients[tuple([operator.needed for operator in (*others, first)])]
        *sizes, last = data.shape
        reshape = len(sizes) != 1  # Of two axes, data is a matrix at each step; a call takes as long as some pixels.
        counts = []
        for size, operator in zip(sizes, others):  # (n_2, ..., n_1), then (..., n_1, s_2), and so on.
            data = operator(data.reshape(size, -1) if reshape else data).swapaxes(0, 1)
            counts.append(data.shape[1])
        image = first.grouped(data.reshape(last, -1) if reshape else data, image)
    samples = first.samples(image)
    return samples.reshape(-1, *counts) if reshape else samples


def arrange(coefficients: Array, places: Sequence[NDArray[np.int64]]) -> Array:
    """Coefficients as :func:`draw` reads them: those of an axis side by side, the first axis last.

    >>> arrange(np.arange(6).reshape(2, 3, 1, 1), [np.array([0, 0, 1]), np.arange(3)])
    array([[0, 0, 3],
           [1, 1, 4],
           [2, 2, 5]])

    :param coefficients: (..., p_1, ..., p_d, k_1, ..., k_d), at each place along the axes a block of coefficients.
    :param places: per axis, which are taken one after another.
    :return: (..., n_2 k_2, ..., n_d k_d, n_1 k_1) with n places taken.
    """
    axes = len(places)
    (*leading,) = coefficients.shape[: -2 * axes]
    blocks = coefficients.shape[-axes:]
    for axis, taken in enumerate(places, len(leading)):
        coefficients = take(coefficients, taken, axis)
    order = [*range(1, axes), 0]
    pairs = [len(leading) + axis + block for axis in order for block in (0, axes)]
    sizes = [len(places[axis]) * blocks[axis] for axis in order]
    return contiguous(permute(coefficients, [*range(len(leading)), *pairs]).reshape(*leading, *sizes))


def rearrange(arranged: Array, blocks: Sequence[int], places: Sequence[slice]) -> Any:
    """The way back from :func:`arrange`, as a view.

    >>> rearrange(np.array([[0, 0, 3], [1, 1, 4], [2, 2, 5]]), [1, 1], [slice(1, 3), slice(0, 3)])[..., 0, 0]
    array([[0, 1, 2],
           [3, 4, 5]])

    :param blocks: (k_1, ..., k_d).
    :param places: per axis, where what is wanted lies among the places.
    """
    axes = len(blocks)
    leading = arranged.ndim - axes
    order = [*range(1, axes), 0]
    split = [n for axis, size in zip(order, arranged.shape[leading:]) for n in (size // blocks[axis], blocks[axis])]
    where = [leading + 2 * order.index(axis) + block for block in (0, 1) for axis in range(axes)]
    natural: Any = permute(arranged.reshape(*arranged.shape[:leading], *split), [*range(leading), *where])
    return natural[(..., *places, *[slice(None)] * axes)]
