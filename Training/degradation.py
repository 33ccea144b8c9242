"""Degradations: from a high-resolution slice to the low-resolution one, and where the pixels of both lie."""

import numpy as np
import torch

from NExpRLib.grid import sample_positions
from NExpRLib.intensity import to_dtype
from NExpRLib.kspace import kspace_crop, zero_fill

DEGRADATIONS = ("kspace", "bicubic", "paper")


def degrade(image, shape, degradation):
    """Low-resolution version of a slice.

    :param image: float32 array (H, W).
    :param shape: (h, w) of the result.
    :param degradation: ``kspace`` (exact crop of k-space), ``bicubic`` (antialiased), or ``paper``: the published
        pipeline, which low-passes at full size and then resizes an 8-bit image with an antialiased bicubic filter.
    :return: float32 array (h, w).
    """
    if degradation == "kspace":
        return kspace_crop(image, shape)
    if degradation == "bicubic":
        return _resize(image, shape)
    if degradation == "paper":
        low_pass = zero_fill(kspace_crop(image, shape), image.shape)
        return _resize(to_dtype(255 * low_pass, np.uint8), shape).astype(np.float32) / 255
    raise ValueError(f'Unknown degradation "{degradation}": choose one of {", ".join(DEGRADATIONS)}.')


def _resize(image, shape):
    """Antialiased bicubic resizing, in the precision of the image (float32 or 8-bit)."""
    pixels = torch.from_numpy(image)[None, None]
    return torch.nn.functional.interpolate(pixels, size=tuple(shape), mode="bicubic", antialias=True)[0, 0].numpy()


def grid_of(degradation):
    """The sampling grid on which a degradation leaves its ground truth."""
    return "kspace" if degradation == "kspace" else "fov"


def truth_positions(low_size, high_size, degradation):
    """Positions of the high-resolution pixels along one axis, in low-resolution pixel indices."""
    return sample_positions(low_size, high_size, grid_of(degradation))
