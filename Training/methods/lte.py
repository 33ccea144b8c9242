"""LTE (Lee and Jin 2022, "Local Texture Estimator for Implicit Representation Function") with the encoder of EDSR.

1.71 M parameters; 57.8 G multiply-adds from 64 x 64 to 256 x 256 pixels. The NExpR paper's 57.9 G count the phase,
the same for all samples, once per sample and neighbor. The bound that LTE puts on small cells is left
out: it acts beyond the largest training scale only.
"""

import torch
from torch import nn

from NExpRLib.network import Encoder

from .arbitrary_scale import ArbitraryScaleNetwork, mlp


class LTE(ArbitraryScaleNetwork):
    """Decodes amplitudes times cosines and sines of local frequencies, and adds bilinear interpolation of the input."""

    def __init__(self, blocks=16, features=64, hidden=256, query_chunk=2**16):
        super().__init__(query_chunk)
        self.encoder = Encoder(blocks, features)
        self.amplitude = nn.Conv2d(features, hidden, 3, padding=1)
        self.frequency = nn.Conv2d(features, hidden, 3, padding=1)
        self.phase = nn.Linear(2, hidden // 2, bias=False)
        self.imnet = mlp(hidden, (hidden, hidden, hidden))

    def encode(self, low):
        """(b, 1, h, w) -> (b, 1 + 2 hidden, h, w): the input, amplitudes, frequencies along rows and columns."""
        features = self.encoder(low)
        return torch.cat([low, self.amplitude(features), self.frequency(features)], dim=1)

    def decode_chunk(self, latent, grid):
        hidden = self.amplitude.out_channels
        phase = self.phase(grid.cell)
        value = 0
        for corner in grid.corners():
            low, amplitude, frequency = corner.gather(latent).split([1, hidden, hidden], dim=-1)
            frequency = frequency.unflatten(-1, (-1, 2))
            relative = corner.relative
            angle = torch.pi * (frequency[..., 0] * relative[..., :1] + frequency[..., 1] * relative[..., 1:] + phase)
            texture = amplitude * torch.cat([angle.cos(), angle.sin()], dim=-1)
            # The weights interpolate bilinearly, so the input is added here.
            value = value + corner.weight * (self.imnet(texture) + low)
        return value
