"""Degradations: from a high-resolution slice to the low-resolution one, and where the pixels of both lie."""

import numpy as np
import torch

from NExpRLib.function.interpolant import interpolate, prefilter
from NExpRLib.function.samples import Samples
from NExpRLib.intensity import to_dtype
from NExpRLib.kspace import band_limited, kspace_crop, zero_fill

DEGRADATIONS = ("kspace", "bicubic", "paper")
SLICES = "slices"  # That of stacks, across their slices: Training/data/slice_stacks.py, Training/evaluation/stacks.py.


def degrade(image, shape, degradation, rounded=True):
    """Low-resolution version of a slice.

    :param image: float32 array (H, W).
    :param shape: (h, w) of the result.
    :param degradation: ``kspace`` (exact crop of k-space), ``bicubic`` (antialiased), or ``paper``: the published
        pipeline, which low-passes at full size and then resizes an 8-bit image with an antialiased bicubic filter.
    :param rounded: whether ``paper`` rounds to 8 bits.
    :return: float32 array (h, w).
    """
    if degradation == "kspace":
        return kspace_crop(image, shape)
    if degradation == "bicubic":
        return _resize(image, shape)
    if degradation == "paper":
        low_pass = zero_fill(kspace_crop(image, shape), image.shape)
        if not rounded:
            return _resize(low_pass, shape)
        return _resize(to_dtype(255 * low_pass, np.uint8), shape).astype(np.float32) / 255
    raise ValueError(f'Unknown degradation "{degradation}": choose one of {", ".join(DEGRADATIONS)}.')


def _resize(image, shape):
    """Antialiased bicubic resizing, in the precision of the image (float32 or 8-bit)."""
    pixels = torch.from_numpy(image)[None, None]
    return torch.nn.functional.interpolate(pixels, size=tuple(shape), mode="bicubic", antialias=True)[0, 0].numpy()


def measured_part(slices, shares):
    """Slices without the border of k-space that was filled with zeros after the measurement.

    :param slices: (n, H, W).
    :param shares: of k-space that was measured along rows and columns, above 0 and at most 1.
    """
    if min(shares) == 1:
        return slices
    size = [n if share == 1 else 2 * round(n * share / 2) for n, share in zip(slices.shape[1:], shares)]
    return kspace_crop(slices.astype(np.float32), size)


def grid_of(degradation):
    """The sampling grid on which a degradation leaves its ground truth."""
    return "kspace" if degradation == "kspace" else "fov"


def truth_positions(low_shape, shape, degradation):
    """Positions of the high-resolution pixels along each axis, in low-resolution pixel indices."""
    return [Samples.over(low, high, grid_of(degradation)).positions() for low, high in zip(low_shape, shape)]


def fixed_scale_input(low, shape, scale, degradation, margin=0):
    """Input of a network that multiplies sizes by a whole ``scale`` and leaves its result on the field-of-view grid.

    Such a network puts result k of each axis at ``(k + 1/2) / scale - 1/2`` in pixels of its input. The degraded slice
    is sampled where this is the position of pixel k of the truth: shifted by a part of a pixel on the k-space grid,
    exactly but for the Nyquist wave of even sizes; as it is on the field-of-view grid if the sizes are multiples.

    :param low: float32 array (h, w), degraded from ``shape`` (H, W).
    :param margin: pixels by which it is continued on all sides; on the k-space grid, periodically.
    :return: float32 array (ceil(H / scale), ceil(W / scale)) and the margin; from ``margin * scale`` on, (H, W) pixels
        of the network's result are those of the truth.
    """
    axes = []
    for low_size, high_size in zip(low.shape, shape):
        centers = (np.arange(-margin, -(-high_size // scale) + margin) + 0.5) * scale - 0.5
        truth = Samples.over(low_size, high_size, grid_of(degradation))
        axes.append(truth.first + centers * truth.step)
    if grid_of(degradation) == "kspace":
        return band_limited(low, *axes)
    if all(len(p) == n and np.allclose(p, np.arange(n)) for p, n in zip(axes, low.shape)):
        return low
    return interpolate(prefilter(low, "bspline"), *axes, "bspline")
