"""A volume with its geometry: the only place where the axis orders of SimpleITK and NumPy meet.

SimpleITK, and every geometry here, numbers axes i, j, k; NumPy arrays of voxels have them the other way round.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from .box import Box
from .geometry import Geometry

if TYPE_CHECKING:  # SimpleITK is loaded at first use: Slicer has volumes without it.
    import SimpleITK as sitk


@dataclass(frozen=True, eq=False)
class Volume:
    """A 2D or 3D image of real numbers.

    :ivar pixels: array (k, j, i) or (j, i).
    :ivar geometry: its axes are i, j, k.
    :ivar periodic: whether slices continue periodically beyond their border, as those do that were made from measured
        k-space.
    :ivar missing: where voxels hold no data but what was filled in: bool array as the pixels, ``None`` for nowhere.
    """

    pixels: np.ndarray
    geometry: Geometry
    periodic: bool = False
    _memory: object = field(default=None, repr=False)  # The image that the pixels are a view of.
    missing: np.ndarray | None = field(default=None, repr=False)

    @classmethod
    def from_image(cls, image: sitk.Image, periodic: bool = False) -> Volume:
        """The voxels of a SimpleITK image, not copied.

        >>> import SimpleITK as sitk
        >>> image = sitk.Image([4, 3, 2], sitk.sitkInt16)
        >>> Volume.from_image(image).pixels.shape
        (2, 3, 4)

        :raises ValueError: for vector, complex, 4D and empty images, with what to do instead.
        """
        import SimpleITK as sitk

        geometry = geometry_of(image)
        pixel_type = image.GetPixelIDTypeAsString()
        if image.GetDimension() not in (2, 3):
            raise ValueError(f"The image has {image.GetDimension()} dimensions: split it into 3D volumes first.")
        if image.GetNumberOfComponentsPerPixel() != 1 or "label" in pixel_type:
            raise ValueError(
                f"The image holds {pixel_type} pixels (color, vector or label map): upsample one scalar channel at a "
                "time."
            )
        if "complex" in pixel_type:
            raise ValueError("The image is complex: upsample its magnitude.")
        if 0 in image.GetSize():
            raise ValueError("The image is empty.")
        return cls(sitk.GetArrayViewFromImage(image), geometry, periodic, image)

    def to_image(self) -> sitk.Image:
        """SimpleITK image with a copy of the voxels."""
        import SimpleITK as sitk

        image = sitk.GetImageFromArray(self.pixels)
        image.SetSpacing(self.geometry.spacing)
        image.SetOrigin(self.geometry.origin)
        image.SetDirection(self.geometry.direction.ravel().tolist())
        return image

    def slices(self, across: int | None) -> np.ndarray:
        """The slices across an axis as a view (n, h, w); of a 2D image, the one slice there is."""
        return self._across(self.pixels, across)

    def missing_slices(self, across: int | None) -> np.ndarray | None:
        """Where they hold no data, ``None`` for nowhere."""
        return None if self.missing is None else self._across(self.missing, across)

    def cropped(self, box: Box) -> Volume:
        """The voxels of a box, not copied."""
        missing = None if self.missing is None else self.missing[box.index]
        return Volume(self.pixels[box.index], box.geometry(self.geometry), False, self._memory, missing)

    @classmethod
    def empty(cls, geometry: Geometry, dtype: np.dtype, periodic: bool = False) -> Volume:
        """A volume whose voxels are yet to be filled in."""
        return cls(np.empty(geometry.size[::-1], dtype), geometry, periodic)

    def _across(self, voxels: np.ndarray, axis: int | None) -> np.ndarray:
        return voxels[None] if axis is None else np.moveaxis(voxels, self.geometry.dimension - 1 - axis, 0)


def geometry_of(image: sitk.Image) -> Geometry:
    """Geometry of a SimpleITK image.

    >>> import SimpleITK as sitk
    >>> geometry_of(sitk.Image([4, 3, 2], sitk.sitkInt16)).size
    (4, 3, 2)

    :raises ValueError: for anything else.
    """
    import SimpleITK as sitk

    if not isinstance(image, sitk.Image):
        raise ValueError(f"A SimpleITK image is needed, from SimpleITK.ReadImage for a file, not {image!r:.80}.")
    dimension = image.GetDimension()
    direction = np.array(image.GetDirection()).reshape(dimension, dimension)
    return Geometry(image.GetSize(), image.GetSpacing(), image.GetOrigin(), direction)


def middle_slices(slices: np.ndarray, most: int = 12) -> np.ndarray:
    """Evenly spaced slices of the middle of a volume: the first and the last ones hold less.

    >>> middle_slices(np.arange(101)[:, None, None], 4).ravel().tolist()
    [20, 40, 60, 80]

    :param slices: (n, h, w).
    :return: at most ``most`` of them.
    """
    n = len(slices)
    return slices[np.unique(np.linspace(0.2 * (n - 1), 0.8 * (n - 1), min(n, most)).round().astype(int))]
