"""LIIF (Chen et al. 2021, "Learning Continuous Image Representation with Local Implicit Image Function") with the
encoder of EDSR, feature unfolding, local ensemble and cell decoding.

1.57 M parameters; 95.5 G multiply-adds from 64 x 64 to 256 x 256 pixels, of which 90.5 G are the query.
"""

import torch
from torch import nn

from NExpRLib.network import Encoder

from .arbitrary_scale import ArbitraryScaleNetwork, mlp


class LIIF(ArbitraryScaleNetwork):
    """Decodes the features of 3 x 3 pixels, the relative coordinate and the cell, for each of four neighbors."""

    def __init__(self, blocks=16, features=64, hidden=(256, 256, 256, 256), query_chunk=2**16):
        super().__init__(query_chunk)
        self.encoder = Encoder(blocks, features)
        self.imnet = mlp(9 * features + 2 + 2, hidden)

    def encode(self, low):
        """(b, 1, h, w) -> (b, features, h, w)."""
        return self.encoder(low)

    def latent(self, features):
        """Feature unfolding: (b, c, h, w) -> (b, h, w, 9 c), zeros outside the image."""
        unfolded = nn.functional.unfold(features, 3, padding=1)
        return super().latent(unfolded.unflatten(-1, features.shape[-2:]))

    def decode_chunk(self, latent, grid):
        value = 0
        for corner in grid.corners():
            codes = corner.gather(latent)
            relative = corner.relative.expand(*codes.shape[:-1], 2)
            cell = grid.cell.expand(*codes.shape[:-1], 2)
            value = value + corner.weight * self.imnet(torch.cat([codes, relative, cell], dim=-1))
        return value
