"""SRConvNet (Li et al. 2024, "SRConvNet: A Transformer-Style ConvNet for Lightweight Image Super-Resolution"), the
larger variant of 64 features and 8 blocks, with 8 heads and 16 kernels per dynamic convolution.

At 4x 1.01 M parameters and 1.63 G multiply-adds for 64 x 64 pixels; the NExpR paper prints 1.0 M and 1.7 G.
"""

import torch
from torch import nn

from .upsampler import upsampler


class ChannelNorm(nn.LayerNorm):
    """Layer normalization over the channels of (b, c, h, w)."""

    def forward(self, x):
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class FourierUnit(nn.Module):
    """Mixes the channels at every frequency: (b, c, h, w) -> (b, c, h, w)."""

    def __init__(self, features):
        super().__init__()
        self.mix = nn.Conv2d(2 * features, 2 * features, 1, bias=False)

    def forward(self, x):
        # The Fourier transform exists in full precision only.
        spectrum = torch.view_as_real(torch.fft.rfft2(x.float(), norm="ortho"))
        mixed = nn.functional.gelu(self.mix(spectrum.movedim(-1, 2).flatten(1, 2)))
        mixed = mixed.unflatten(1, (-1, 2)).movedim(2, -1).float().contiguous()
        return torch.fft.irfft2(torch.view_as_complex(mixed), s=x.shape[-2:], norm="ortho")


class FourierModulatedAttention(nn.Module):
    """FMA: values weighted by the Fourier unit, a softmax over all pixels, and a convolution for the position."""

    def __init__(self, features, heads):
        super().__init__()
        self.norm = ChannelNorm(features, eps=1e-6)
        self.attention = FourierUnit(features)
        self.value = nn.Conv2d(features, features, 1)
        self.head_scale = nn.Parameter(torch.full((heads,), 1e-6))
        self.position = nn.Conv2d(features, features, 3, padding=1, groups=features)
        self.project = nn.Conv2d(features, features, 1)

    def forward(self, x):
        normalized = self.norm(x)
        scale = self.head_scale.repeat_interleave(x.shape[1] // len(self.head_scale))[:, None, None]
        modulated = scale * self.attention(normalized) * self.value(normalized)
        weights = modulated.flatten(2).softmax(dim=-1).reshape(x.shape)
        return x + self.project(weights + self.position(x))


class DynamicConvolution(nn.Module):
    """Depthwise convolution whose kernel is a sum of ``kernels`` kernels with weights that depend on the image."""

    def __init__(self, features, kernel_size, kernels, reduction=8):
        super().__init__()
        self.gate = nn.Sequential(
            nn.Linear(features, features // reduction),
            nn.GELU(),
            nn.Linear(features // reduction, kernels),
            nn.Sigmoid(),
        )
        self.weight = nn.Parameter(torch.empty(kernels, features, 1, kernel_size, kernel_size))
        for kernel in self.weight:
            nn.init.kaiming_uniform_(kernel)
        self.bias = nn.Parameter(torch.zeros(kernels, features))

    def forward(self, x):
        gates = self.gate(x.mean(dim=(-2, -1)))
        weight = (gates @ self.weight.flatten(1)).reshape(-1, *self.weight.shape[2:])
        bias = (gates @ self.bias).flatten()
        # Every image of the batch has its own kernels: the batch becomes groups.
        images = x.reshape(1, -1, *x.shape[-2:])
        padding = self.weight.shape[-1] // 2
        return nn.functional.conv2d(images, weight, bias, padding=padding, groups=len(weight)).reshape(x.shape)


class DynamicMixingLayer(nn.Module):
    """DML: halves of the doubled channels see kernels of 5 and 7 pixels, and are shuffled together again."""

    def __init__(self, features, kernels):
        super().__init__()
        self.norm = ChannelNorm(features, eps=1e-6)
        self.expand = nn.Conv2d(features, 2 * features, 1)
        self.small = DynamicConvolution(features, 5, kernels)
        self.large = DynamicConvolution(features, 7, kernels)
        self.project = nn.Conv2d(2 * features, features, 1)

    def forward(self, x):
        first, second = nn.functional.gelu(self.expand(self.norm(x))).chunk(2, dim=1)
        mixed = torch.stack([self.small(first), self.large(second)], dim=2).flatten(1, 2)
        return x + self.project(nn.functional.gelu(mixed))


class SRConvNet(nn.Module):
    """(b, 1, h, w) -> (b, 1, h * scale, w * scale) on the field-of-view grid.

    Predicts the difference to bilinear interpolation; one network per scale 2, 3, 4.
    """

    def __init__(self, scale, blocks=8, features=64, heads=8, kernels=16):
        super().__init__()
        self.scale = scale
        self.head = nn.Conv2d(1, features, 3, padding=1)
        self.body = nn.Sequential(
            *[
                nn.Sequential(FourierModulatedAttention(features, heads), DynamicMixingLayer(features, kernels))
                for _ in range(blocks)
            ]
        )
        self.upsampler = upsampler(features, scale, kernel_size=1, activation=nn.GELU)
        self.tail = nn.Conv2d(features, 1, 3, padding=1)

    def forward(self, low):
        x = self.head(low)
        difference = self.tail(self.upsampler(x + self.body(x)))
        return difference + nn.functional.interpolate(low, scale_factor=self.scale, mode="bilinear")
