"""Upsampling of whole volumes: the one run that the shell, Python and Slicer share."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ..allocator import freed_memory_kept, return_freed_memory
from ..function.samples import Samples
from ..intensity import to_dtype
from ..kspace import enforce_data_consistency
from ..memory import TILE, is_out_of_memory
from .checks import check_memory, check_values
from .plan import Plan, plan_upsampling
from .volume import Volume, geometry_of

if TYPE_CHECKING:
    import SimpleITK as sitk

    from ..model import Model

# Larger batches are slower on a CPU: what one layer hands to the next leaves its caches.
_PIXELS_PER_BATCH = {"cpu": 120_000, "mps": 2**19, "cuda": 2**21}
_SMALLER_TILES = (256, 128)
# Output pixels per input pixel up to which the batches above fit into memory; larger scales take smaller batches.
_OUTPUT_PER_INPUT = 16


def upsample(
    image: sitk.Image,
    scale: ArrayLike | None = None,
    *,
    spacing: ArrayLike | None = None,
    size: ArrayLike | None = None,
    like: sitk.Image | None = None,
    plane: str | int = "auto",
    grid: str = "fov",
    model: str | os.PathLike | Model = "mri",
    data_consistency: bool = False,
    value_range: str = "auto",
    fill: float | None = None,
    device: str = "auto",
    progress: Callable[[float], None] | None = None,
) -> sitk.Image:
    """Super-resolve a volume in its acquisition plane, slice by slice, in bounded memory.

    Name the target by exactly one of ``scale``, ``spacing``, ``size`` or ``like``; see
    :func:`~.plan.plan_upsampling`.

    >>> import SimpleITK as sitk
    >>> image = sitk.GaussianSource(sitk.sitkInt16, [32, 32, 2], [8, 8, 8], [16, 16, 1])
    >>> upsample(image, 2, model="mri-fast", device="cpu").GetSize()
    (64, 64, 2)

    :param image: scalar image, 2D or 3D, of any integer or floating-point type; of a 4D image (time, direction, echo),
        each volume in turn.
    :param scale: factor, or (rows, columns) factors.
    :param spacing: in-plane spacing in mm, or (rows, columns).
    :param size: (rows, columns) of an output slice.
    :param like: image whose in-plane grid is taken over. Its samples outside the input's field of view are set to
        ``fill``.
    :param plane: ``auto`` (the acquisition plane), ``axial``, ``sagittal``, ``coronal``, or the through-plane axis 0-2.
    :param grid: ``fov`` (field of view preserved), or ``kspace`` (first sample stays in place, and slices continue
        periodically, as those do that were made from measured k-space).
    :param model: name of a model in the package, path of a model's folder, or a loaded :class:`NExpRLib.model.Model`
        (which keeps its own device).
    :param data_consistency: replace the measured band of k-space of each slice by that of the input.
    :param value_range: of the result: ``keep`` that of the input, ``free``, or ``auto``: ``keep`` for maps, which are
        known by the header, by fractions from 0 to 1, or by being 0 outside and nowhere else near it.
    :param fill: value outside the input; by default the lowest value, or 0 where values are signed about 0.
    :param device: ``auto``, ``cuda``, ``mps`` or ``cpu``.
    :param progress: called as ``progress(fraction)`` after every batch of slices; it may raise to cancel.
    :return: image of the input's pixel type; integers are rounded and saturated. Through-plane geometry is untouched.
    :raises ValueError: for an image or a target that cannot be upsampled, with what to do instead.
    """
    from .series import SeriesUpsampling, volumes_of  # It uses the run below.

    periodic = grid == "kspace"
    geometry = volumes_of(image, periodic)[0].geometry
    reference = None if like is None else geometry_of(like)
    plan = plan_upsampling(geometry, scale=scale, spacing=spacing, size=size, like=reference, plane=plane, grid=grid)
    upsampling = SeriesUpsampling(
        image, plan, periodic=periodic, value_range=value_range, fill=fill, data_consistency=data_consistency
    )
    if isinstance(model, str | os.PathLike):
        from ..model import load_model

        model = load_model(model, device)
    return upsampling.run(model, progress)


class Upsampling:
    """One run: what is wrong is found when it is made, which needs neither torch nor a model.

    :ivar plan: where the result lies.
    """

    def __init__(self, volume: Volume, plan: Plan, *, data_consistency: bool = False):
        """
        :param data_consistency: replace the measured band of k-space of each slice by that of the input.
        :raises ValueError: for voxels that are no intensities, and for a result that does not fit into memory.
        """
        check_values(volume.pixels)
        if data_consistency and plan.of_reference:
            raise ValueError(
                "Data consistency needs a grid over the whole slice: name the target by scale, spacing or size."
            )
        check_memory(plan, volume.pixels.dtype)
        self.plan = plan
        self._volume = volume
        self._data_consistency = data_consistency

    @property
    def slice_count(self) -> int:
        """Slices that are encoded."""
        return len(self._volume.slices(self.plan.slice_axis))

    def run(
        self, model: Model, progress: Callable[[float], None] | None = None, batch_size: int | None = None
    ) -> Volume:
        """Upsample slice by slice; the result does not depend on how slices are batched or tiled.

        :param model: loaded :class:`NExpRLib.model.Model`.
        :param progress: called as ``progress(fraction)`` after every batch of slices; it may raise to cancel.
        :param batch_size: slices per batch; by default as many as suit the device.
        :return: volume of the input's pixel type; integers are rounded and saturated.
        :raises MemoryError: when not even a small tile fits into memory.
        """
        slices = self._volume.slices(self.plan.slice_axis)
        low, high = (float(value) for value in model.intensity_range(slices))
        if high - low > float(np.finfo(np.float32).max):
            raise ValueError(
                f"Intensities from {low:g} to {high:g} are too large to compute with: scale them down first."
            )
        result = Volume.empty(self.plan.geometry, slices.dtype, self._volume.periodic)
        batches = _Batches(model, slices.shape[1:], self.plan.shape, batch_size)
        try:
            with freed_memory_kept():
                self._fill(result.slices(self.plan.slice_axis), slices, (low, high), batches, progress)
        finally:
            return_freed_memory()
        return result

    def _fill(self, result, slices, intensity_range, batches, progress):
        """Upsample batch by batch."""
        outside = self._outside()
        lowest = None if outside is None else float(slices.min())
        done = 0
        while done < len(slices):
            batch = slices[done : done + batches.size]
            try:
                values = self._upsampled(batch, intensity_range, batches)
                if not values.isfinite().all():
                    raise ValueError(
                        f"Intensities from {slices.min():g} to {slices.max():g} are too far apart: scale them."
                    )
                if outside is not None:
                    values.masked_fill_(values.new_tensor(outside, dtype=bool), lowest)
                values = to_dtype(values, slices.dtype)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                batches.reduce(error)
                values = None
            if values is None:  # Not before: the error holds what was computed until it failed.
                return_freed_memory()
                continue
            result[done : done + len(batch)] = values
            done += len(batch)
            if progress is not None:
                progress(done / len(slices))

    def _upsampled(self, batch, intensity_range, batches):
        """Intensities (b, H, W) of slices (b, h, w): float64 tensor, on the model's device where that has float64."""
        import torch  # Volumes can be checked without it.

        low, high = intensity_range
        batch = batch[:, None].astype(np.float64)
        inputs = torch.from_numpy((batch - low) / (high - low))
        image = batches.model.represent(inputs, (0.0, 1.0), batches.tile, self._volume.periodic)
        rows, columns = self.plan.rows, self.plan.columns
        values = image.rasterize(rows=rows, columns=columns)[:, 0]
        # In float64: far from zero, float32 would lose the small differences between intensities. MPS has no float64.
        values = (values.cpu() if values.is_mps else values).double().mul_(high - low).add_(low)
        if self._data_consistency:
            first = rows.first, columns.first
            values = torch.from_numpy(enforce_data_consistency(values.cpu().numpy(), batch[:, 0], first))
        return values

    def _outside(self):
        """Mask of output pixels beyond the input's field of view, or ``None`` when there are none."""
        if self._volume.periodic:
            return None
        sizes = [self._volume.geometry.size[axis] for axis in self.plan.plane_axes]
        beyond = [_beyond(along, n) for along, n in zip((self.plan.rows, self.plan.columns), sizes)]
        mask = beyond[0][:, None] | beyond[1][None, :]
        return mask if mask.any() else None


def _beyond(samples: Samples, size: int) -> np.ndarray:
    positions = samples.positions()
    return (positions < -0.5 - 1e-6) | (positions > size - 0.5 + 1e-6)


class _Batches:
    """How much is encoded at once; less after memory ran out: smaller batches, then tiles, then the CPU."""

    def __init__(self, model, shape, output_shape, size):
        self.model = model
        pixels = max(shape[0] * shape[1], output_shape[0] * output_shape[1] // _OUTPUT_PER_INPUT)
        self.size = size or max(1, _PIXELS_PER_BATCH[model.device.type] // pixels)
        self.tile = TILE
        self._longest_side = max(shape)

    def reduce(self, error):
        smaller_tiles = [t for t in _SMALLER_TILES if t < min(self.tile, self._longest_side)]
        if self.size > 1:
            self.size //= 2
        elif smaller_tiles:
            self.tile = smaller_tiles[0]
        elif self.model.device.type != "cpu":
            self.model = self.model.to("cpu")
        else:
            raise MemoryError("There is not enough memory for even a single slice.") from error
