"""Sampling grids. Coordinates are low-resolution pixel indices: pixel centers are integers."""

import math
from functools import lru_cache

import numpy as np

GRIDS = ("fov", "kspace")


def first_position(input_size, output_size, grid="fov"):
    """Position of output sample 0 along one axis, in input pixel indices."""
    if grid not in GRIDS:
        raise ValueError(f'Unknown grid "{grid}": choose one of {", ".join(GRIDS)}.')
    return (input_size / output_size - 1) / 2 if grid == "fov" else 0.0


@lru_cache(maxsize=16)
def sample_positions(input_size, output_size, grid="fov"):
    """Positions of the output samples along one axis, in input pixel indices.

    - ``fov``: ``u_k = (k + 1/2) h/H - 1/2``; the physical extent is preserved.
    - ``kspace``: ``u_k = k h/H``; the first sample stays in place (exact k-space cropping and zero-filling).

    The step is the ratio of the integer sizes, never the nominal scale.

    :param input_size: number of input pixels h.
    :param output_size: number of output samples H.
    :return: float64 array of shape (H,), read-only.
    :raises ValueError: for an unknown grid.
    """
    positions = first_position(input_size, output_size, grid) + np.arange(output_size) * (input_size / output_size)
    positions.flags.writeable = False
    return positions


def scaled_size(input_size, scale):
    """Number of output samples for a scale factor: ``h * scale`` rounded half up, at least 1."""
    return max(1, math.floor(input_size * scale + 0.5))
