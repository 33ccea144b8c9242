"""EDSR, baseline of 16 blocks of 64 features (Lim et al. 2017, "Enhanced Deep Residual Networks for Single Image
Super-Resolution").

At 4x 1.52 M parameters and 8.04 G multiply-adds for 64 x 64 pixels; the NExpR paper prints its size in MiB (5.8).
"""

from torch import nn

from NExpRLib.network import Encoder

from .upsampler import upsampler


class EDSR(nn.Module):
    """(b, 1, h, w) -> (b, 1, h * scale, w * scale) on the field-of-view grid; one network per scale 2, 3, 4."""

    def __init__(self, scale, blocks=16, features=64):
        super().__init__()
        self.encoder = Encoder(blocks, features)
        self.upsampler = upsampler(features, scale)
        self.tail = nn.Conv2d(features, 1, 3, padding=1)

    def forward(self, low):
        return self.tail(self.upsampler(self.encoder(low)))
