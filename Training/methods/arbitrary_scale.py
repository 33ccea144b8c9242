"""What LIIF, LTE and SRNO have in common: encode a slice once, then query the result at any positions."""

import torch
from torch import nn

from .local_ensemble import QueryGrid


class ArbitraryScaleNetwork(nn.Module):
    """``network(low, rows, columns)`` is ``network.query(network.encode(low), rows, columns)``.

    Subclasses define ``encode`` and ``decode_chunk``, or ``decode`` where samples depend on each other.

    :ivar query_chunk: number of output samples that are computed at once; it bounds memory and changes no result.
    """

    def __init__(self, query_chunk):
        super().__init__()
        self.query_chunk = query_chunk

    def forward(self, low, rows, columns, cell=None):
        return self.query(self.encode(low), rows, columns, cell)

    def encode(self, low):
        """Features of slices: (b, 1, h, w) -> (b, c, h, w), which may be indexed along the batch."""
        raise NotImplementedError

    def query(self, features, rows, columns, cell=None):
        """Samples at all pairs of row and column positions.

        :param features: result of :meth:`encode`.
        :param rows, columns: (H,) and (W,), positions in low-resolution pixel indices, ascending
            and evenly spaced unless ``cell`` is given; NumPy arrays or tensors, float64 for exact coordinates.
        :param cell: height and width of an output pixel in low-resolution pixels; by default the spacing of the
            positions. To be given where rows and columns are a random selection of a grid, as in training.
        :return: (b, 1, H, W).
        """
        grid = QueryGrid.of(rows, columns, features.shape[-2:], cell, features.device)
        chunks = grid.chunks(max(1, self.query_chunk // (len(features) * grid.shape[1])))
        return torch.cat(self.decode(self.latent(features), chunks), dim=1).movedim(-1, 1)

    def latent(self, features):
        """Latent codes of all pixels: features (b, c, h, w) -> (b, h, w, d)."""
        return features.movedim(1, -1).contiguous()

    def decode(self, latent, chunks):
        """Values (b, n, W, 1) of each chunk of n rows of a query grid."""
        return [self.decode_chunk(latent, chunk) for chunk in chunks]

    def decode_chunk(self, latent, grid):
        """Values (b, n, W, 1) of a grid whose samples do not depend on each other."""
        raise NotImplementedError


def to_network(intensities):
    """Intensities in [0, 1] as LIIF, LTE and SRNO are trained on them: in [-1, 1]."""
    return 2 * intensities - 1


def from_network(values):
    """Inverse of :func:`to_network`."""
    return (values + 1) / 2


def mlp(inputs, hidden):
    """The decoding function f_theta: linear layers with ReLU between them and one output."""
    layers, previous = [], inputs
    for width in hidden:
        layers += [nn.Linear(previous, width), nn.ReLU(inplace=True)]
        previous = width
    return nn.Sequential(*layers, nn.Linear(previous, 1))
