"""Separable, piecewise linear operators along one image axis.

Both parts of an explicit image are of this kind: an output sample depends on a few neighboring blocks of numbers (the
coefficients of its patch, or the pixels around it) through weights that depend on its position along one axis only.
The functions below serve NumPy arrays and torch tensors alike, so a saved image is evaluated without torch.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class AxisGroups:
    """Samples along one axis, grouped by the cell that they fall in and padded to groups of equal length.

    :ivar cells: integer array (G,), the cell of each group.
    :ivar positions: float64 array (G, n), sample positions in input pixel indices.
    :ivar order: integer array (number of samples,): place of each sample among the G * n padded ones; ``None`` when
        the padded samples are the samples themselves.
    """

    cells: np.ndarray
    positions: np.ndarray
    order: np.ndarray | None


def group_by_cell(positions, cells):
    """Group sample positions (any order) by cell index; see :class:`AxisGroups`."""
    unique_cells, group, counts = np.unique(cells, return_inverse=True, return_counts=True)
    by_group = np.argsort(group, kind="stable")
    rank = np.empty(len(positions), dtype=np.int64)
    rank[by_group] = np.arange(len(positions)) - np.repeat(np.cumsum(counts) - counts, counts)
    length = counts.max()
    order = group * length + rank
    padded = np.repeat(positions[by_group[np.cumsum(counts) - counts]][:, None], length, axis=1)
    padded[group, rank] = positions
    is_identity = order.size == padded.size and np.array_equal(order, np.arange(order.size))
    return AxisGroups(unique_cells, padded, None if is_identity else order)


@dataclass(frozen=True)
class AxisOperator:
    """Linear operator from P blocks of K numbers to samples along one axis.

    :ivar blocks: integer array (G, T): the T blocks that the samples of a group depend on.
    :ivar weights: array or tensor (G, n, T * K).
    :ivar order: as in :class:`AxisGroups`.
    """

    blocks: np.ndarray
    weights: object
    order: np.ndarray | None

    def like(self, data):
        """The operator with its weights in the kind, dtype and device of ``data``."""
        if isinstance(data, np.ndarray):
            weights = self.weights.astype(data.dtype)
        elif isinstance(self.weights, np.ndarray):
            weights = data.new_tensor(self.weights)
        else:
            weights = self.weights.to(data)
        return AxisOperator(self.blocks, weights, self.order)

    def along_rows(self, data):
        """Apply to rows: (..., P, K, W) -> (..., samples, W)."""
        blocks = _take(data, self.blocks.reshape(-1), -3)
        groups, _, width = self.weights.shape
        blocks = blocks.reshape(*data.shape[:-3], groups, width, data.shape[-1])
        samples = self.weights @ blocks
        samples = samples.reshape(*data.shape[:-3], -1, data.shape[-1])
        return samples if self.order is None else _take(samples, self.order, -2)

    def along_columns(self, data):
        """Apply to columns: (..., H, P, K) -> (..., H, samples)."""
        blocks = _take(data, self.blocks.reshape(-1), -2)
        groups, _, width = self.weights.shape
        blocks = blocks.reshape(*data.shape[:-2], groups, width)
        samples = blocks.swapaxes(-3, -2) @ self.weights.swapaxes(-2, -1)
        samples = samples.swapaxes(-3, -2).reshape(*data.shape[:-2], -1)
        return samples if self.order is None else _take(samples, self.order, -1)


def _take(data, indices, axis):
    """``data`` at ``indices`` along a negative ``axis``; consecutive indices give a view."""
    tail = (slice(None),) * (-axis - 1)
    if np.array_equal(indices, np.arange(indices[0], indices[0] + len(indices))):
        return data[(..., slice(int(indices[0]), int(indices[0]) + len(indices)), *tail)]
    if isinstance(data, np.ndarray):
        return data.take(indices, axis)
    import torch  # Loaded already, since the data is a tensor; copies whole blocks, which indexing does not.

    return data.index_select(data.ndim + axis, torch.as_tensor(indices, device=data.device))
