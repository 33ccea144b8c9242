"""Direct float64 evaluation of explicit images: the definition, one output pixel after another."""

import numpy as np


def patch_centers(patches, patch_size):
    """Patch i covers [a*i - 1/2, a*(i+1) - 1/2)."""
    return patch_size * np.arange(patches) + patch_size / 2 - 0.5


def paper_wave(alpha, beta, t, z, row_frequencies, column_frequencies):
    """Eq. 1 at the offsets (t, z) from the center of a patch; alpha, beta (N+1, N+1)."""
    angle = row_frequencies[:, None] * t + column_frequencies[None, :] * z
    return np.sum(alpha * np.sin(angle) + beta * np.cos(angle))


def full_wave(matrix, t, z, row_frequencies, column_frequencies):
    """All products of cosines and sines; matrix (2N+1, 2N+1), cosines first, sines of frequencies 1 to N after."""

    def terms(offset, frequencies):
        return np.array([np.cos(w * offset) for w in frequencies] + [np.sin(w * offset) for w in frequencies[1:]])

    return terms(t, row_frequencies) @ matrix @ terms(z, column_frequencies)


def evaluate(wave, patches, patch_size, rows, columns, blend=False):
    """Image (rows, columns) of a piecewise function.

    :param wave: ``wave(i, j, t, z)``: value of patch (i, j) at an offset from its center.
    :param patches: number of patches (P, Q).
    """
    centers = [patch_centers(n, patch_size) for n in patches]
    image = np.empty((len(rows), len(columns)))
    for y, u in enumerate(rows):
        for x, v in enumerate(columns):
            shares = [
                (_blended_share if blend else _own_share)(position, of_axis, patch_size)
                for position, of_axis in zip((u, v), centers)
            ]
            image[y, x] = sum(
                shares[0][i] * shares[1][j] * wave(i, j, u - centers[0][i], v - centers[1][j])
                for i in np.flatnonzero(shares[0])
                for j in np.flatnonzero(shares[1])
            )
    return image


def _own_share(position, centers, patch_size):
    """1 for the patch that covers a position, outside the image for the nearest one."""
    shares = np.zeros(len(centers))
    covering = [i for i, c in enumerate(centers) if c - patch_size / 2 <= position < c + patch_size / 2]
    shares[covering[0] if covering else np.argmin(np.abs(centers - position))] = 1
    return shares


def _blended_share(position, centers, patch_size):
    """Falls linearly from 1 at the center of a patch to 0 at those of its neighbors."""
    inside = np.clip(position, centers[0], centers[-1])
    return np.maximum(0, 1 - np.abs(inside - centers) / patch_size)
