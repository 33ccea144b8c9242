"""Where the output samples of the arbitrary-scale methods lie among the low-resolution pixels.

LIIF, LTE and SRNO place images in [-1, 1] x [-1, 1] and multiply distances and cells by the number of pixels. In pixel
indices, the coordinates of this project, a relative coordinate is therefore ``2 (u - i)`` for a sample at u and the
pixel i, and a cell, the size of an output pixel, is twice the spacing of the samples.
"""

from dataclasses import dataclass, replace

import torch

# A position that rounding put this little (in pixels) below a pixel center belongs to that pixel.
_ROUNDING = 1e-6


@dataclass
class Neighbors:
    """The pixels before and after each of n positions along one axis; beyond the border both are the border's pixel.

    :ivar index: int64 (2, n).
    :ivar relative: float32 (2, n), coordinates relative to these pixels, 2 per pixel.
    :ivar weight: float32 (2, n), of linear interpolation. A product of two is the published weight of the local
        ensemble: the area spanned by the sample and the diagonally opposite pixel, over the sum of all four.
    """

    index: torch.Tensor
    relative: torch.Tensor
    weight: torch.Tensor

    @classmethod
    def of(cls, positions, size, device):
        before = torch.floor(positions + _ROUNDING)
        index = torch.stack([before, before + 1]).clamp(0, size - 1)
        relative = 2 * (positions - index)
        distance = relative.abs() + 1e-9
        weight = distance.flip(0) / distance.sum(0)
        return cls(index.long().to(device), relative.float().to(device), weight.float().to(device))

    def part(self, start, stop):
        return Neighbors(self.index[:, start:stop], self.relative[:, start:stop], self.weight[:, start:stop])


@dataclass
class Corner:
    """One of the four pixels around every sample of a grid of H x W.

    :ivar relative: (H, W, 2), relative coordinates along rows and columns.
    :ivar weight: (H, W, 1), its weight in the local ensemble.
    """

    row_index: torch.Tensor
    column_index: torch.Tensor
    relative: torch.Tensor
    weight: torch.Tensor

    def gather(self, latent):
        """Its latent codes: (b, h, w, c) -> (b, H, W, c)."""
        return latent.index_select(1, self.row_index).index_select(2, self.column_index)


@dataclass
class QueryGrid:
    """Samples at all pairs of row and column positions.

    :ivar cell: float32 (2,): height and width of an output pixel, 2 per low-resolution pixel.
    """

    rows: Neighbors
    columns: Neighbors
    cell: torch.Tensor

    @classmethod
    def of(cls, rows, columns, shape, cell, device):
        """Grid among the pixels of an image of ``shape`` (h, w); the other parameters are those of a query."""
        axes = [torch.asarray(p, dtype=torch.float64, device="cpu", copy=True) for p in (rows, columns)]
        if cell is None:
            cell = [_spacing(positions, size) for positions, size in zip(axes, shape)]
        neighbors = [Neighbors.of(positions, size, device) for positions, size in zip(axes, shape)]
        return cls(*neighbors, cell=torch.tensor([2 * float(c) for c in cell], device=device))

    @property
    def shape(self):
        return self.rows.index.shape[1], self.columns.index.shape[1]

    def chunks(self, rows):
        """The grid in parts of a number of rows."""
        return [replace(self, rows=self.rows.part(start, start + rows)) for start in range(0, self.shape[0], rows)]

    def corners(self):
        """The four :class:`Corner` of every sample: before or after it along rows, then along columns."""
        for i in range(2):
            for j in range(2):
                relative = torch.stack(
                    torch.broadcast_tensors(self.rows.relative[i, :, None], self.columns.relative[j]), -1
                )
                weight = self.rows.weight[i, :, None, None] * self.columns.weight[j, :, None]
                yield Corner(self.rows.index[i], self.columns.index[j], relative, weight)


def _spacing(positions, size):
    """Spacing of samples in pixels; a single sample covers the whole axis."""
    count = len(positions)
    return (positions[-1] - positions[0]) / (count - 1) if count > 1 else size
