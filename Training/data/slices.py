"""The slices of a volume, as they are trained on and evaluated."""

from dataclasses import replace

import numpy as np

from NExpRLib.volumes.acquisition import inspect_volume
from NExpRLib.volumes.checks import check_finite
from NExpRLib.volumes.geometry import slice_axis
from NExpRLib.volumes.meaning import Meaning
from NExpRLib.volumes.measured_grid import MeasuredGrid
from NExpRLib.volumes.plan import plane_axes
from NExpRLib.volumes.sidecar import sidecar_of
from NExpRLib.volumes.volume import Volume

from .degradation import measured_part


def slices_in_plane(image, plane="auto", shares=None):
    """Slices (n, H, W) of a SimpleITK image in the plane that is refined.

    :param plane: see :func:`NExpRLib.volumes.geometry.slice_axis`.
    :param shares: measured share of k-space along the image axes x and y; the rest is cropped. What was measured is
        recognized from the voxels, if left out.
    :raises ValueError: for an image that holds no intensities, phase, or NaN.
    """
    volume, facts = Volume.from_image(image), sidecar_of(image)
    if Meaning(volume, facts).is_phase:
        raise ValueError("The image holds phase, whose wraps are no edges of anything: take the magnitude.")
    check_finite(volume.pixels)  # Within a run, voxels without data are held out; here they would spread.
    across = slice_axis(volume.geometry, plane)
    slices = np.array(volume.slices(across))  # A view would end with the image.
    if shares is not None:
        return measured_part(slices, [(*shares, 1.0)[axis] for axis in plane_axes(volume.geometry, across)])
    grid = MeasuredGrid.of(volume, across, inspect_volume(volume, facts).measured_size)
    return replace(grid, margin=0).resample(slices)
