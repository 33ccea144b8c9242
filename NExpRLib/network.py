"""The network of NExpR: encoder, patch embedding and decoder (paper Sec. 2.2). Runs once per slice.

With the defaults it is the paper's: 1.59 M parameters, 5.36 G multiply-adds for 64 x 64 pixels.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from .function.explicit_image import ExplicitImage
from .function.fourier_basis import BASES, coefficient_count, paper_matrix
from .function.interpolant import SKIPS, prefilter

_LARGEST = {"blocks": 256, "features": 1024, "hidden": 8192, "patch_size": 32, "frequencies": 64}


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
    :ivar conditions: how many numbers besides the slice the network is told, such as what is known of its acquisition.
        They scale its features, so it may be equivariant all the same.
    :ivar noise_level: a second channel of the slice holds the standard deviation of the noise that is to be removed
        (Zhang et al. 2018, FFDNet). It is in the intensities of the slice, so the network stays equivariant, which it
        has to be.
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
    conditions: int = 0
    noise_level: bool = False

    def __post_init__(self) -> None:
        for name, most in _LARGEST.items():
            value = getattr(self, name)
            if not (isinstance(value, int) and 1 <= value <= most):
                raise ValueError(f"{name} must be a whole number from 1 to {most}, not {str(value):.40}.")
        if not (isinstance(self.frequency_step, int | float) and 0 < self.frequency_step < math.inf):
            raise ValueError(f"frequency_step must be a positive number, not {str(self.frequency_step):.40}.")
        if self.basis not in BASES or self.skip not in SKIPS:
            raise ValueError(f"basis must be one of {BASES} and skip one of {SKIPS}.")
        if self.equivariant and self.skip == "none":
            raise ValueError(
                "An equivariant network needs a skip, which carries the offset of the intensities: choose the skip "
                "bicubic or bspline, or equivariant false."
            )
        if self.noise_level and not self.equivariant:
            raise ValueError("A network that is told the noise level must be equivariant.")

    @property
    def channels(self) -> int:
        """Channels of the input: the slice and, if it is told, the noise level."""
        return 2 if self.noise_level else 1


class Differences(nn.Module):
    """Each of the eight neighbors minus the pixel: (b, n, h, w) -> (b, 7 + n, h, w), further channels as they are.

    The outermost pixels continue beyond the border. Autocast leaves differences in float32: a small contrast on a large
    offset keeps its precision.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h, w = x.shape[-2:]
        pixels, others = x[:, :1], x[:, 1:]
        padded = nn.functional.pad(pixels, (1, 1, 1, 1), mode="replicate")
        neighbors = [padded[..., i : i + h, j : j + w] for i in range(3) for j in range(3) if (i, j) != (1, 1)]
        differences = torch.cat(neighbors, dim=1) - pixels
        return torch.cat([differences, others], dim=1) if others.shape[1] else differences


class ResidualBlock(nn.Module):
    """Two convolutions, whose result is added to their input."""

    def __init__(self, features: int, bias: bool = True):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(features, features, 3, padding=1, bias=bias),
            nn.ReLU(inplace=True),
            nn.Conv2d(features, features, 3, padding=1, bias=bias),
        )

    def forward(self, x: torch.Tensor, factors: torch.Tensor | None = None) -> torch.Tensor:
        y = self.body(x)
        if factors is not None:
            y = y * factors
        return y.add_(x)  # In place: on a CPU, memory is what limits this sum.


class Factors(nn.Module):
    """From the conditions (b, n) to factors of the features of each stage: tuple of (b, features, 1, 1). At first 1."""

    def __init__(self, conditions: int, features: list[int]) -> None:
        super().__init__()
        self.features = features
        self.layers = nn.Sequential(nn.Linear(conditions, 32), nn.SiLU(), nn.Linear(32, sum(features)))
        last = self.layers[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, conditions: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (1 + self.layers(conditions))[:, :, None, None].split(self.features, dim=1)


class Encoder(nn.Module):
    """EDSR without its upsampler (Lim et al. 2017): (b, channels, h, w) -> (b, features, h, w)."""

    def __init__(self, blocks: int, features: int, equivariant: bool = False, channels: int = 1):
        super().__init__()
        bias = not equivariant
        self.head: nn.Module
        if equivariant:
            self.head = nn.Sequential(Differences(), nn.Conv2d(7 + channels, features, 1, bias=False))
        else:
            self.head = nn.Conv2d(channels, features, 3, padding=1)
        self.body = nn.Sequential(
            *[ResidualBlock(features, bias) for _ in range(blocks)],
            nn.Conv2d(features, features, 3, padding=1, bias=bias),
        )

    def forward(self, x: torch.Tensor, factors: Sequence[torch.Tensor] | None = None) -> torch.Tensor:
        """:param factors: of the features, after the head and in each residual block."""
        x = self.head(x)
        if factors is None:
            return self.body(x).add_(x)  # In place: on a CPU, memory is what limits this sum.
        *blocks, last = self.body
        x = x * factors[0]
        y = x
        for block, factors_of_block in zip(blocks, factors[1:]):
            y = block(y, factors_of_block)
        return last(y).add_(x)


class NExpRNetwork(nn.Module):
    """Predicts the coefficients of every patch from a low-resolution slice."""

    def __init__(self, config: NetworkConfig = NetworkConfig()):
        super().__init__()
        self.config = config
        bias = not config.equivariant  # Without biases, everything is proportional to the differences at its start.
        self.encoder = Encoder(config.blocks, config.features, config.equivariant, config.channels)
        self.gather = nn.Conv2d(config.features, config.hidden, config.patch_size, config.patch_size, bias=bias)
        layers: list[nn.Module] = []
        for _ in range(4):
            layers += [nn.Conv2d(config.hidden, config.hidden, 1, bias=bias), nn.ReLU(inplace=True)]
        layers.append(nn.Conv2d(config.hidden, coefficient_count(config.basis, config.frequencies), 1, bias=bias))
        self.decoder = nn.Sequential(*layers)
        if config.skip != "none":
            self._start_from_skip()
        if config.conditions:
            stages = [config.features] * (config.blocks + 1) + [config.hidden]
            self.factors = Factors(config.conditions, stages)
        initial = config.frequency_step * torch.arange(1, config.frequencies + 1, dtype=torch.float32)
        self.row_frequencies = nn.Parameter(initial.clone())
        self.column_frequencies = nn.Parameter(initial.clone())

    def _start_from_skip(self) -> None:
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
    def halo(self) -> int:
        """Pixels around a patch that its coefficients depend on, rounded up to whole patches."""
        radius, a = 2 * self.config.blocks + 2, self.config.patch_size
        return -(-radius // a) * a

    def frequencies(self) -> torch.Tensor:
        """Frequencies (2, N+1) of rows and columns in float64 on the CPU, index 0 fixed to 0; gradients flow."""
        both = torch.stack([self.row_frequencies, self.column_frequencies])
        return nn.functional.pad(both.cpu().double(), (1, 0))  # In this order: Apple GPUs have no float64.

    def forward(self, x: torch.Tensor, conditions: torch.Tensor | None = None) -> torch.Tensor:
        """Predict the coefficients of every patch: alpha and beta, or M itself, see :mod:`~.function.fourier_basis`.

        :param x: normalized slices (b, 1, h, w), or (b, 2, h, w) with the noise level, if it is told. Sizes that are no
            multiple of the patch are padded at the far border.
        :param conditions: (b, n) float32, if the network takes any.
        :return: (b, C, P, Q) with P, Q patches along rows and columns.
        """
        a = self.config.patch_size
        pad_rows, pad_columns = -x.shape[-2] % a, -x.shape[-1] % a
        if pad_rows or pad_columns:
            x = nn.functional.pad(x, (0, pad_columns, 0, pad_rows), mode="replicate")
        if not self.config.conditions:
            return self.decoder(self.gather(self.encoder(x)))
        *of_encoder, of_decoder = self.factors(conditions)
        return self.decoder(self.gather(self.encoder(x, of_encoder)) * of_decoder)

    def explicit_image(
        self,
        predicted: torch.Tensor,
        inputs: torch.Tensor,
        *,
        low_and_extent: torch.Tensor | None = None,
        padding: int = 0,
        returns_numpy: bool = False,
    ) -> ExplicitImage:
        """The function of each slice from the coefficients predicted for it; gradients flow.

        >>> network = NExpRNetwork(NetworkConfig(blocks=1, features=8, hidden=16, skip="bicubic"))
        >>> slices = torch.rand(2, 1, 6, 8)
        >>> network.explicit_image(network(slices), slices).rasterize(2).shape
        torch.Size([2, 1, 12, 16])

        :param predicted: from :meth:`forward`; changed in place where ``low_and_extent`` is given.
        :param inputs: normalized slices (..., h, w).
        :param low_and_extent: (2, ...), the intensities that are 0 in the inputs, and those that are 1 minus them; the
            function gives intensities then, and normalized ones otherwise.
        :param padding: pixels by which the inputs were padded on every side.
        """
        config = self.config
        coefficients = predicted.float().permute(0, 2, 3, 1)
        if config.basis == "full":
            coefficients = coefficients.unflatten(-1, (2 * config.frequencies + 1, -1))
        else:
            n = config.frequencies + 1
            coefficients = paper_matrix(*coefficients.unflatten(-1, (2, n, n)).unbind(-3))
        coefficients = coefficients.unflatten(0, inputs.shape[:-2]) if inputs.ndim > 2 else coefficients[0]
        skip_coefficients = prefilter(inputs, config.skip)
        if low_and_extent is not None:
            low, extent = low_and_extent[..., None, None]
            coefficients *= extent[..., None, None]
            if skip_coefficients is None:
                coefficients[..., 0, 0] += low  # Frequency 0 along both axes.
            else:
                skip_coefficients = skip_coefficients * extent + low
        return ExplicitImage(
            coefficients,
            skip_coefficients,
            shape=[n - 2 * padding for n in inputs.shape[-2:]],
            frequencies=self.frequencies(),
            patch_size=config.patch_size,
            blend=config.blend,
            skip=config.skip,
            padding=padding,
            returns_numpy=returns_numpy,
        )
