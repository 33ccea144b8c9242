"""Degradations: from a high-resolution slice to the low-resolution one, and where the pixels of both lie."""

from NExpRLib.grid import sample_positions
from NExpRLib.kspace import kspace_crop

DEGRADATIONS = ("kspace", "bicubic")


def degrade(image, shape, degradation):
    """Low-resolution version of a slice.

    :param image: float32 array (H, W).
    :param shape: (h, w) of the result.
    :param degradation: ``kspace`` (exact crop of k-space) or ``bicubic`` (antialiased).
    :return: float32 array (h, w).
    """
    if degradation == "kspace":
        return kspace_crop(image, shape)
    if degradation == "bicubic":
        import torch

        resized = torch.nn.functional.interpolate(
            torch.from_numpy(image)[None, None], size=tuple(shape), mode="bicubic", antialias=True
        )
        return resized[0, 0].numpy()
    raise ValueError(f'Unknown degradation "{degradation}": choose one of {", ".join(DEGRADATIONS)}.')


def grid_of(degradation):
    """The sampling grid on which a degradation leaves its ground truth."""
    return "kspace" if degradation == "kspace" else "fov"


def truth_positions(low_size, high_size, degradation):
    """Positions of the high-resolution pixels along one axis, in low-resolution pixel indices."""
    return sample_positions(low_size, high_size, grid_of(degradation))
