"""Direct float64 evaluation of explicit images: the definition, one output pixel after another."""

import itertools

import numpy as np


def patch_centers(patches, patch_size):
    """Patch i covers [a*i - 1/2, a*(i+1) - 1/2)."""
    return patch_size * np.arange(patches) + patch_size / 2 - 0.5


def paper_wave(alpha, beta, offsets, frequencies):
    """Eq. 1 at the offsets (t, z) from the center of a patch; alpha, beta (N+1, N+1)."""
    angle = frequencies[0][:, None] * offsets[0] + frequencies[1][None, :] * offsets[1]
    return np.sum(alpha * np.sin(angle) + beta * np.cos(angle))


def full_wave(matrix, offsets, frequencies):
    """All products of cosines and sines; matrix (2N+1, 2N+1, ...), cosines first, sines of frequencies 1 to N after."""
    for offset, of_axis in zip(offsets, frequencies):
        terms = np.array([np.cos(w * offset) for w in of_axis] + [np.sin(w * offset) for w in of_axis[1:]])
        matrix = np.tensordot(terms, matrix, axes=1)
    return matrix


def evaluate(wave, patches, patch_size, positions, blend=False):
    """Image of a piecewise function at every combination of positions along its axes.

    :param wave: ``wave(patch, offsets)``: value of patch (i, j, ...) at an offset from its center along each axis.
    :param patches: number of patches per axis.
    """
    centers = [patch_centers(n, patch_size) for n in patches]
    share_of = _blended_share if blend else _own_share
    image = np.empty([len(along) for along in positions])
    for where, point in zip(np.ndindex(image.shape), itertools.product(*positions)):
        shares = [share_of(position, of_axis, patch_size) for position, of_axis in zip(point, centers)]
        image[where] = sum(
            np.prod([share[i] for share, i in zip(shares, patch)])
            * wave(patch, [position - of_axis[i] for position, of_axis, i in zip(point, centers, patch)])
            for patch in itertools.product(*(np.flatnonzero(share) for share in shares))
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
