"""The network of NExpR: encoder, patch embedding and decoder (paper Sec. 2.2). Runs once per slice.

With the defaults it is the paper's: 1.59 M parameters, 5.36 G multiply-adds for 64 x 64 pixels.
"""

import math
from dataclasses import dataclass

import torch
from torch import nn

from .function.fourier_basis import BASES, coefficient_count
from .function.interpolant import SKIPS


def paper_matrix(alpha, beta):
    """Coefficients of Eq. 1, each (..., N+1, N+1), as the matrices M of :mod:`fourier_basis`: (..., 2N+1, 2N+1)."""
    cosine_rows = torch.cat([beta, alpha[..., :, 1:]], dim=-1)
    sine_rows = torch.cat([alpha[..., 1:, :], -beta[..., 1:, 1:]], dim=-1)
    return torch.cat([cosine_rows, sine_rows], dim=-2)


def coefficient_matrices(numbers, basis):
    """Numbers that a network predicts, (b, C, P, Q), as float32 matrices M of its patches: (b, P, Q, K, K)."""
    numbers = numbers.float().permute(0, 2, 3, 1)
    if basis == "full":
        return numbers.unflatten(-1, (math.isqrt(numbers.shape[-1]), -1))
    n = math.isqrt(numbers.shape[-1] // 2)
    alpha, beta = numbers.unflatten(-1, (2, n, n)).unbind(-3)
    return paper_matrix(alpha, beta)


@dataclass(frozen=True)
class NetworkConfig:
    """Architecture of a network; stored in the model card.

    :ivar blocks: residual blocks of the EDSR encoder.
    :ivar features: features of the encoder.
    :ivar hidden: features of the decoder.
    :ivar patch_size: low-resolution pixels per patch side, a in the paper.
    :ivar frequencies: N, the number of non-zero frequencies per axis.
    :ivar frequency_step: initial spacing of the frequencies, radians per low-resolution pixel.
    :ivar basis: ``paper`` (Eq. 1) or ``full`` (all four products of sines and cosines).
    :ivar skip: ``none`` (Eqs. 1-3), ``bicubic`` or ``bspline``.
    :ivar blend: mix neighboring patches linearly, so that there are no seams.
    :ivar equivariant: normalization-equivariant (Herbreteau et al. 2023): the function of ``gain * slice + offset`` is
        ``gain * function + offset`` for every positive gain, so it does not matter which intensities the network sees
        as 0 and 1. It sees differences of pixels and has no biases (Mohan et al. 2020); needs a skip.
    """

    blocks: int = 16
    features: int = 64
    hidden: int = 256
    patch_size: int = 2
    frequencies: int = 8
    frequency_step: float = math.pi
    basis: str = "paper"
    skip: str = "none"
    blend: bool = False
    equivariant: bool = False

    def __post_init__(self):
        if self.basis not in BASES or self.skip not in SKIPS:
            raise ValueError(f"basis must be one of {BASES} and skip one of {SKIPS}.")
        if self.equivariant and self.skip == "none":
            raise ValueError(
                "An equivariant network needs a skip, which carries the offset of the intensities: choose the skip "
                "bicubic or bspline, or equivariant false."
            )


class Differences(nn.Module):
    """Each of the eight neighbors minus the pixel: (b, 1, h, w) -> (b, 8, h, w).

    The outermost pixels continue beyond the border. Autocast leaves differences in float32: a small contrast on a large
    offset keeps its precision.
    """

    def forward(self, x):
        h, w = x.shape[-2:]
        padded = nn.functional.pad(x, (1, 1, 1, 1), mode="replicate")
        neighbors = [padded[..., i : i + h, j : j + w] for i in range(3) for j in range(3) if (i, j) != (1, 1)]
        return torch.cat(neighbors, dim=1) - x


class ResidualBlock(nn.Module):
    def __init__(self, features, bias=True):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(features, features, 3, padding=1, bias=bias),
            nn.ReLU(inplace=True),
            nn.Conv2d(features, features, 3, padding=1, bias=bias),
        )

    def forward(self, x):
        return self.body(x).add_(x)  # In place: on a CPU, memory is what limits this sum.


class Encoder(nn.Module):
    """EDSR without its upsampler (Lim et al. 2017): (b, 1, h, w) -> (b, features, h, w)."""

    def __init__(self, blocks, features, equivariant=False):
        super().__init__()
        bias = not equivariant
        if equivariant:
            self.head = nn.Sequential(Differences(), nn.Conv2d(8, features, 1, bias=False))
        else:
            self.head = nn.Conv2d(1, features, 3, padding=1)
        self.body = nn.Sequential(
            *[ResidualBlock(features, bias) for _ in range(blocks)],
            nn.Conv2d(features, features, 3, padding=1, bias=bias),
        )

    def forward(self, x):
        x = self.head(x)
        return self.body(x).add_(x)  # In place: on a CPU, memory is what limits this sum.


class NExpRNetwork(nn.Module):
    """Predicts the coefficients of every patch from a low-resolution slice."""

    def __init__(self, config=NetworkConfig()):
        super().__init__()
        self.config = config
        bias = not config.equivariant  # Without biases, everything is proportional to the differences at its start.
        self.encoder = Encoder(config.blocks, config.features, config.equivariant)
        self.gather = nn.Conv2d(config.features, config.hidden, config.patch_size, config.patch_size, bias=bias)
        layers = []
        for _ in range(4):
            layers += [nn.Conv2d(config.hidden, config.hidden, 1, bias=bias), nn.ReLU(inplace=True)]
        layers.append(nn.Conv2d(config.hidden, coefficient_count(config.basis, config.frequencies), 1, bias=bias))
        self.decoder = nn.Sequential(*layers)
        if config.skip != "none":
            self._start_from_skip()
        initial = config.frequency_step * torch.arange(1, config.frequencies + 1, dtype=torch.float32)
        self.row_frequencies = nn.Parameter(initial.clone())
        self.column_frequencies = nn.Parameter(initial.clone())

    def _start_from_skip(self):
        """An untrained network adds nothing to the skip."""
        *hidden, last = (layer for layer in self.decoder if isinstance(layer, nn.Conv2d))
        for layer in hidden:
            # What differs between patches reaches the last layer (He et al. 2015). PyTorch's own initialization passes
            # on 3 % of it: what all patches share then dominates the first updates, and they switch off all units.
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.zeros_(last.weight)
        for layer in (*hidden, last):
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

    @property
    def halo(self):
        """Pixels around a patch that its coefficients depend on, rounded up to whole patches."""
        radius, a = 2 * self.config.blocks + 2, self.config.patch_size
        return -(-radius // a) * a

    def frequencies(self):
        """Row and column frequencies (N+1,) in float64 on the CPU, index 0 fixed to 0; gradients flow."""
        return tuple(
            nn.functional.pad(f.cpu().double(), (1, 0))  # In this order: Apple GPUs have no float64.
            for f in (self.row_frequencies, self.column_frequencies)
        )

    def forward(self, x):
        """Predict the numbers of every patch, see :func:`coefficient_matrices`.

        :param x: normalized slices (b, 1, h, w). Sizes that are no multiple of the patch are continued at the far
            border.
        :return: (b, C, P, Q) with P, Q patches along rows and columns.
        """
        a = self.config.patch_size
        pad_rows, pad_columns = -x.shape[-2] % a, -x.shape[-1] % a
        if pad_rows or pad_columns:
            x = nn.functional.pad(x, (0, pad_columns, 0, pad_rows), mode="replicate")
        return self.decoder(self.gather(self.encoder(x)))
