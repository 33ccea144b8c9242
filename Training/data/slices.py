"""The slices of a volume, as they are trained on and evaluated."""

import numpy as np

from NExpRLib.volumes.checks import check_values
from NExpRLib.volumes.geometry import slice_axis
from NExpRLib.volumes.plan import plane_axes
from NExpRLib.volumes.volume import Volume

from .degradation import measured_part


def slices_in_plane(image, plane="auto", shares=(1.0, 1.0)):
    """Slices (n, H, W) of a SimpleITK image in the plane that is refined.

    :param plane: see :func:`NExpRLib.volumes.geometry.slice_axis`.
    :param shares: measured share of k-space along the image axes x and y; the rest is cropped.
    :raises ValueError: for an image that holds no intensities, see :func:`NExpRLib.volumes.checks.check_values`.
    """
    volume = Volume.from_image(image)
    check_values(volume.pixels)
    across = slice_axis(volume.geometry, plane)
    slices = np.array(volume.slices(across))  # A view would end with the image.
    return measured_part(slices, [(*shares, 1.0)[axis] for axis in plane_axes(volume.geometry, across)])
