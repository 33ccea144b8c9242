"""The slices of a volume, as they are trained on and evaluated."""

import numpy as np

from NExpRLib.volumes.plan import slice_axis
from NExpRLib.volumes.upsampling import checked_pixels, geometry_of

from .degradation import measured_part


def slices_in_plane(image, plane="auto", shares=(1.0, 1.0)):
    """Slices (n, H, W) of a SimpleITK image in the plane that is refined.

    :param plane: see :func:`NExpRLib.volumes.plan.slice_axis`.
    :param shares: measured share of k-space along the image axes x and y; the rest is cropped.
    :raises ValueError: for an image that holds no intensities, see :func:`NExpRLib.volumes.upsampling.checked_pixels`.
    """
    pixels = np.array(checked_pixels(image))  # A view would end with the image.
    dimension, across = image.GetDimension(), slice_axis(geometry_of(image), plane)
    slices = pixels[None] if across is None else np.moveaxis(pixels, dimension - 1 - across, 0)
    plane_axes = (axis for axis in reversed(range(dimension)) if axis != across)
    return measured_part(slices, [(*shares, 1.0)[axis] for axis in plane_axes])
