"""SRNO (Wei and Zhang 2023, "Super-Resolution Neural Operator") with the encoder of EDSR, 256 features, 16
heads and two layers of Galerkin-type attention.

2.01 M parameters; 57.8 G multiply-adds from 64 x 64 to 256 x 256 pixels. The NExpR paper's 56.7 G leave out the
products of queries, keys and values.
"""

import torch
from torch import nn

from NExpRLib.network import Encoder

from .arbitrary_scale import ArbitraryScaleNetwork


class GalerkinLayer(nn.Module):
    """Kernel integral over all samples, Q (K^T V) / n with normalized keys and values, and a pointwise network.

    The integral is split in two, so that samples may come in parts: :meth:`kernel` sums K^T V, ``forward`` applies it.
    """

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.to_query = nn.Linear(width, width)
        self.to_key_value = nn.Linear(width, 2 * width)
        self.key_scale, self.value_scale = (nn.Parameter(torch.ones(heads, 1, width // heads)) for _ in range(2))
        self.key_shift, self.value_shift = (nn.Parameter(torch.zeros(heads, 1, width // heads)) for _ in range(2))
        self.pointwise = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))

    def kernel(self, x):
        """K^T V of samples: (b, H, W, width) -> (b, heads, width / heads, width / heads)."""
        key, value = (self._split(y) for y in self.to_key_value(x).chunk(2, dim=-1))
        key = self.key_scale * nn.functional.layer_norm(key, key.shape[-1:]) + self.key_shift
        value = self.value_scale * nn.functional.layer_norm(value, value.shape[-1:]) + self.value_shift
        return key.transpose(-2, -1) @ value

    def forward(self, x, kernel):
        """Update of samples (b, H, W, width) by the mean kernel of all samples."""
        integral = self._split(self.to_query(x)) @ kernel
        return x + self.pointwise(x + integral.movedim(1, -2).reshape(x.shape))

    def _split(self, x):
        """(b, H, W, width) -> (b, heads, H W, width / heads)."""
        return x.flatten(1, 2).unflatten(-1, (self.heads, -1)).movedim(-2, 1)


class SRNO(ArbitraryScaleNetwork):
    """Lifts the four neighbors of every sample, integrates over all samples, and adds the input, bilinearly.

    Samples interact: a query of part of a grid differs from that part of the query of the whole grid. ``query_chunk``
    bounds what is computed at once, while 4 * width bytes stay in memory for every sample.
    """

    def __init__(self, blocks=16, features=64, width=256, heads=16, layers=2, query_chunk=2**16):
        super().__init__(query_chunk)
        self.encoder = Encoder(blocks, features)
        self.lift = nn.Linear(4 * (features + 2) + 2, width)
        self.layers = nn.ModuleList([GalerkinLayer(width, heads) for _ in range(layers)])
        self.project = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, 1))

    def encode(self, low):
        """(b, 1, h, w) -> (b, 1 + features, h, w): the input and its features."""
        return torch.cat([low, self.encoder(low)], dim=1)

    def decode(self, latent, chunks):
        states, skips = zip(*(self._lift_chunk(latent, chunk) for chunk in chunks))
        samples = sum(state.shape[1] * state.shape[2] for state in states)
        for layer in self.layers:
            kernel = sum(layer.kernel(state) for state in states) / samples
            states = [layer(state, kernel) for state in states]
        return [self.project(state) + skip for state, skip in zip(states, skips)]

    def _lift_chunk(self, latent, grid):
        relatives, codes, skip = [], [], 0
        for corner in grid.corners():
            weighted = corner.weight * corner.gather(latent)
            skip = skip + weighted[..., :1]
            codes.append(weighted[..., 1:])
            relatives.append(corner.relative.expand(*weighted.shape[:-1], 2))
        cell = grid.cell.expand(*skip.shape[:-1], 2)
        return self.lift(torch.cat([*relatives, *codes, cell], dim=-1)), skip
