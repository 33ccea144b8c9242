"""Piecewise linear operators along one image axis.

Both parts of an explicit image are of this kind. The axis is cut into cells of equal length; all samples of a cell
depend on the same window of numbers (the coefficients of its patches, or the pixels around it), through weights that
depend on their position. The windows of neighboring cells overlap and are evenly spaced, so they are views of the data
and the operator is one batched matrix product. NumPy arrays and torch tensors are served alike: a saved image is
evaluated without torch.
"""

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True, eq=False)
class CellGroups:
    """Samples along one axis in G groups of n, each within one cell; groups that are not full are filled up.

    :ivar cells: integer array (G,), the cell of each group.
    :ivar offsets: float64 array (G, n), positions from the start of the cell; also of what fills up a group.
    :ivar consecutive: whether ``cells`` are consecutive numbers.
    :ivar alike: whether all groups but the first and the last have the same offsets, as at integer scales.
    :ivar place: where the samples lie among the G * n: a slice, or an integer array or tensor.
    """

    cells: np.ndarray
    offsets: np.ndarray
    consecutive: bool
    alike: bool
    place: object

    def weights(self, weights_of):
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


def group_by_cell(positions, cells, start_of_first, cell_length):
    """Group samples by cell.

    :param positions: float64 array (samples,), in any order.
    :param cells: integer array (samples,), the cell of each sample.
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
        begin_slot[0] += length - counts[0]  # What fills up the first group comes first: the samples are in one piece.
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
    if order is not None:
        place = np.empty_like(slots)
        place[order] = slots
    elif in_one_piece:
        place = slice(int(slots[0]), int(slots[-1]) + 1)
    else:
        place = slots
    return CellGroups(first + groups, offsets, consecutive, bool(alike), place)


@dataclass(frozen=True, eq=False)
class AxisOperator:
    """Linear operator from the numbers along one axis to samples along it.

    :ivar weights: array or tensor (G, n, w).
    :ivar step: numbers from the beginning of one cell's window to that of the next; cell -1 has the first window.
    """

    groups: CellGroups
    weights: object
    step: int

    def to(self, dtype, device):
        """The operator with weights of another NumPy dtype, or of a torch dtype on a device; gradients flow."""
        if isinstance(dtype, np.dtype):
            return replace(self, weights=self.weights.astype(dtype))
        import torch  # Loaded already, since the data is a tensor.

        with torch.inference_mode(False):  # The operator may be kept, and used later where gradients flow.
            groups = self.groups
            if isinstance(groups.place, np.ndarray):
                groups = replace(groups, place=torch.as_tensor(groups.place, device=device))
            # In this order, for gradients as well: Apple GPUs have no float64.
            return replace(self, groups=groups, weights=torch.as_tensor(self.weights, dtype=dtype).to(device))

    @property
    def numbers(self):
        """Slice of the numbers along the axis that the samples depend on: what the methods below take as ``data``."""
        cells = self.groups.cells
        return slice((cells[0] + 1) * self.step, (cells[-1] + 1) * self.step + self.weights.shape[-1])

    def __call__(self, data):
        """Apply to the first axis: (numbers, m) -> (samples, m)."""
        return self.samples(self.filled_up(data))

    def filled_up(self, data):
        """Samples together with what fills up their groups: (numbers, m) -> (G, n, m)."""
        windows = self._windows(data)
        return self.weights @ windows if isinstance(data, np.ndarray) else self.weights.bmm(windows)

    def add_filled_up(self, data, image):
        """Add :meth:`filled_up` of ``data`` to ``image`` in place."""
        windows = self._windows(data)
        if isinstance(data, np.ndarray):
            image += self.weights @ windows
        else:
            image.baddbmm_(self.weights, windows)

    def samples(self, filled_up):
        """Take the samples out of the groups: (G, n, m) -> (samples, m)."""
        rows = filled_up.reshape(-1, filled_up.shape[-1])
        place = self.groups.place
        if isinstance(place, slice) or isinstance(rows, np.ndarray):
            return rows[place]
        return rows.index_select(0, place)

    def _windows(self, data):
        """Windows (G, w, m) of the numbers of each group: a view where the cells are consecutive."""
        width = self.weights.shape[-1]
        if isinstance(data, np.ndarray):
            windows = np.lib.stride_tricks.sliding_window_view(data, width, axis=0)[:: self.step]
        else:
            windows = data.unfold(0, width, self.step)
        cells = self.groups.cells
        return (windows if self.groups.consecutive else windows[cells - cells[0]]).swapaxes(1, 2)
