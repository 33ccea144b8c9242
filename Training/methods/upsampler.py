"""The last layers of the fixed-scale networks."""

from torch import nn

STEPS = {2: [2], 3: [3], 4: [2, 2]}


def upsampler(features, scale, kernel_size=3, activation=None):
    """Sub-pixel convolutions (Shi et al. 2016): (b, features, h, w) -> (b, features, h * scale, w * scale).

    Output pixels split their input pixel evenly, so they lie on the field-of-view grid.

    :param scale: 2, 3, or 4 (two steps of 2).
    :param activation: constructor of a module that follows each step, or ``None``.
    :raises ValueError: for another scale.
    """
    if scale not in STEPS:
        raise ValueError(f"Fixed-scale networks exist for the scales {', '.join(map(str, STEPS))}, not {scale}.")
    layers = []
    for step in STEPS[scale]:
        layers += [
            nn.Conv2d(features, features * step**2, kernel_size, padding=kernel_size // 2),
            nn.PixelShuffle(step),
        ]
        if activation:
            layers.append(activation())
    return nn.Sequential(*layers)
