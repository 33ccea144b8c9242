"""A run over the volumes of an image: the one of a 3D image, or each of a 4D image (time, direction, echo) in turn."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ..model_card import check_noise_reduction, on_kspace
from .acquisition import inspect_volume, measured_sizes, thickness_across
from .checks import check_fill, check_memory
from .geometry import slice_axis
from .meaning import Meaning, fill_outside, notes_on
from .noise import noise_of_parts
from .plan import plan_upsampling
from .run import Upsampling
from .sidecar import sidecar_of
from .volume import Volume, geometry_of

if TYPE_CHECKING:
    import SimpleITK as sitk

    from ..model import Model


def volumes_of(image: sitk.Image, periodic: bool = False) -> list[Volume]:
    """The volumes of an image of 2, 3 or 4 dimensions, not copied.

    >>> import SimpleITK as sitk
    >>> [volume.pixels.shape for volume in volumes_of(sitk.Image([5, 4, 3, 2], sitk.sitkInt16))]
    [(3, 4, 5), (3, 4, 5)]

    :raises ValueError: for vector, complex and empty images, with what to do instead.
    """
    whole = geometry_of(image)
    if whole.dimension != 4 or 0 in whole.size:
        return [Volume.from_image(image, periodic)]
    first = Volume.from_image(image[:, :, :, 0], periodic)
    import SimpleITK as sitk

    pixels = sitk.GetArrayViewFromImage(image)
    return [Volume(volume, first.geometry, periodic, image) for volume in pixels]


class SeriesUpsampling:
    """The run of an image: what is wrong is found when it is made, which needs neither torch nor a model.

    :ivar geometry: of one of its volumes.
    :ivar acquisition: what was recognized of it; ``None`` where that was not asked for.
    :ivar measured: pixels that were measured along each image axis.
    :ivar plan: of the run of each volume.
    :ivar notes: sentences for the user on what was recognized in the values.
    """

    def __init__(
        self,
        image: sitk.Image,
        card: dict[str, Any],
        *,
        like: sitk.Image | None = None,
        plane: str | int = "auto",
        grid: str = "fov",
        measured: str | ArrayLike = "auto",
        noise_reduction: float = 0.0,
        data_consistency: bool = False,
        value_range: str = "auto",
        fill: float | None = None,
        thickness: float | None = None,
        **target: Any,
    ):
        """
        :param card: of the model for pixels.
        :param target: scale, spacing, size or isotropic.
        :raises ValueError: for options that make no sense, see :func:`~.upsampling.upsample`, for voxels that are no
            intensities, and for a result that does not fit into memory.
        """
        volumes = volumes_of(image, periodic=grid == "kspace")
        facts = sidecar_of(image)
        check_noise_reduction(card, noise_reduction)
        self.geometry = volumes[0].geometry
        recognize = isinstance(measured, str) and measured == "auto" and on_kspace(card)
        self.acquisition = inspect_volume(volumes[0], facts) if recognize else None
        self.measured = measured_sizes(self.geometry, measured, slice_axis(self.geometry, plane), self.acquisition)
        reference = None if like is None else _geometry_of_volumes(like)
        self.plan = plan_upsampling(
            self.geometry, like=reference, plane=plane, grid=grid, measured=self.measured, **target
        )
        if fill is not None:
            check_fill(fill, volumes[0].pixels.dtype)
        check_memory(self.plan, volumes[0].pixels.dtype, len(volumes))
        if data_consistency and value_range == "auto":
            value_range = "free"  # The measured band would not stay as it was measured.
        self._meanings = [_meaning(volumes, number, facts, value_range) for number in range(len(volumes))]
        self.notes = notes_on(self._meanings)
        self._image = image
        self._fill = fill
        if self.plan.through is not None and thickness is None:
            thickness = thickness_across(plane, self.geometry, facts.get("SliceThickness"))
        self._options: dict[str, Any] = {
            "measured": self.measured,
            "data_consistency": data_consistency,
            "thickness": thickness,
            "noise_reduction": noise_reduction,
        }
        self._runs_of(self._meanings[0])  # finds what is wrong with the options

    def run(self, model: Model, progress: Callable[[float], None] | None = None, **models: Any) -> sitk.Image:
        """Upsample volume by volume: besides the image and the result, only what one volume takes is in memory.

        :param model: loaded :class:`NExpRLib.model.Model`.
        :param progress: called as ``progress(fraction)``; it may raise to cancel.
        :return: image of the input's pixel type and number of dimensions; integers are rounded and saturated.
        """
        count = len(self._meanings)
        if self._image.GetDimension() != 4:
            return self._result(self._meanings[0], model, progress, models).to_image()
        result = np.empty((count, *self.plan.geometry.size[::-1]), self._meanings[0].dtype)
        for number, meaning in enumerate(self._meanings):
            result[number] = self._result(meaning, model, _part_of(progress, number, count), models).pixels
        return _to_4d_image(result, self.plan, self._image)

    def _runs_of(self, meaning):
        parts = meaning.parts(self.plan.slice_axis)
        noise = noise_of_parts(parts, self.plan.slice_axis, self.measured) if self._options["noise_reduction"] else 0.0
        return [Upsampling(part, self.plan, noise=noise, **self._options) for part in parts]

    def _result(self, meaning, model, progress, models):
        runs = self._runs_of(meaning)
        results = []
        for number, run in enumerate(runs):
            results.append(run.run(model, _part_of(progress, number, len(runs)), **models))
        result = meaning.joined(results, self.plan)
        if self.plan.of_reference:
            fill = meaning.default_fill() if self._fill is None else self._fill
            fill_outside(result, self.plan, self.geometry.size, fill)
        return result


def _meaning(volumes, number, facts, value_range):
    try:
        return Meaning(volumes[number], facts, value_range)
    except ValueError as error:
        if len(volumes) == 1:
            raise
        raise ValueError(f"Volume {number + 1} of {len(volumes)}: {error}") from error


def _geometry_of_volumes(image):
    """Geometry of an image, of a 4D one that of its volumes."""
    whole = geometry_of(image)
    return geometry_of(image[:, :, :, 0]) if whole.dimension == 4 else whole


def _part_of(progress, number, count):
    """Progress of one of several equal parts."""
    return None if progress is None else lambda fraction: progress((number + fraction) / count)


def _to_4d_image(pixels, plan, like):
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(pixels, isVector=False)
    direction = np.array(like.GetDirection()).reshape(4, 4)
    direction[:3, :3] = plan.geometry.direction
    image.SetSpacing([*plan.geometry.spacing, like.GetSpacing()[3]])
    image.SetOrigin([*plan.geometry.origin, like.GetOrigin()[3]])
    image.SetDirection(direction.ravel().tolist())
    return image
