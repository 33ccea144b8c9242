"""Eq. 1 of the paper in the published order of evaluation: every output pixel on its own.

NExpR's rasterizer computes the same function by separating rows and columns; this is what its speed is compared with.
"""

import numpy as np
import torch

_PIXELS_AT_ONCE = 2**16  # bounds memory; the result does not depend on it


def evaluate_per_pixel(alpha, beta, row_frequencies, column_frequencies, patch_size, rows, columns):
    """Each pixel looks up the coefficients of its patch, takes all (N+1)^2 sines and cosines, and sums the products.

    :param alpha, beta: float32 tensors (P, Q, N+1, N+1), the coefficients of Eq. 1 for every patch.
    :param row_frequencies, column_frequencies: NumPy arrays (N+1,), radians per low-resolution pixel.
    :param rows, columns: NumPy arrays of positions in low-resolution pixel indices.
    :return: float32 tensor (rows, columns).
    """
    patch_rows, row_angles = _patches_and_angles(rows, row_frequencies, patch_size, alpha.shape[0], alpha.device)
    patch_columns, column_angles = _patches_and_angles(
        columns, column_frequencies, patch_size, alpha.shape[1], alpha.device
    )
    at_once = max(1, _PIXELS_AT_ONCE // len(columns))
    parts = []
    for part in (slice(start, start + at_once) for start in range(0, len(rows), at_once)):
        patches = patch_rows[part, None], patch_columns[None, :]
        angles = row_angles[part, None, :, None] + column_angles[None, :, None, :]
        waves = alpha[patches] * angles.sin() + beta[patches] * angles.cos()
        parts.append(waves.sum(dim=(-2, -1)))
    return torch.cat(parts)


def _patches_and_angles(positions, frequencies, patch_size, patches, device):
    """The patch of each position, and each frequency times the offset from the center of that patch."""
    patch = np.clip(np.floor((positions + 0.5) / patch_size), 0, patches - 1)
    offset = positions - (patch_size * patch + (patch_size - 1) / 2)
    angles = np.outer(offset, frequencies)
    return torch.from_numpy(patch).long().to(device), torch.from_numpy(angles).float().to(device)
