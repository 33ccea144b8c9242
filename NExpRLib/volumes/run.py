"""The run: one volume, refined through its slices, within them, or both."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..allocator import freed_memory_kept, return_freed_memory
from ..function.samples import Samples
from ..intensity import to_dtype
from ..model_card import check_noise_reduction, check_of_pixels
from .checks import check_finite, check_memory, check_range, check_thickness
from .geometry import Geometry
from .in_plane import refine_slices
from .measured_grid import MeasuredGrid
from .plan import Plan
from .through_plane import through_plane
from .volume import Volume

if TYPE_CHECKING:
    from ..model import Model

# With slices whose thickness is not known. Orthogonal stacks of one patient agree best at about this.
_CONSISTENCY_OF_A_GUESS = 0.5
# From zero, in ranges of the intensities.
_FAR = 1e3


def stack_options(geometry: Geometry, plan: Plan, grid: MeasuredGrid, thickness: float | None) -> dict[str, Any]:
    """What :func:`~.through_plane.through_plane` is told of the slices of a volume.

    >>> from NExpRLib.volumes.plan import plan_upsampling
    >>> thick = Geometry((32, 32, 8), (1.0, 1.0, 4.0), (0.0, 0.0, 0.0), np.eye(3))
    >>> plan = plan_upsampling(thick, isotropic=True)
    >>> stack_options(thick, plan, MeasuredGrid((32, 32), (32, 32)), thickness=3.0)
    {'pixel': 0.25, 'thickness': 0.75, 'consistency': 1.0}

    :param geometry: of the input.
    :param grid: what was measured of its slices.
    :param thickness: of the slices in mm, or ``None`` where it is not known: slices are then taken to touch each other.
    """
    between_slices = geometry.spacing[plan.slice_axis or 0]
    pixels = [geometry.spacing[axis] * of.step for axis, of in zip(plan.plane_axes, grid.samples)]
    return {
        "pixel": min(pixels) / between_slices,
        "thickness": (thickness or between_slices) / between_slices,
        "consistency": 1.0 if thickness else _CONSISTENCY_OF_A_GUESS,
    }


def _covers(plan, geometry):
    """Whether output rows and columns cover the slices exactly; those of cubes may end a little before or after."""
    sampled = zip(plan.plane_axes, (plan.rows, plan.columns))
    return all(math.isclose(along.count * along.step, geometry.size[axis]) for axis, along in sampled)


def _in_single_precision(slices):
    """Slices in float32, and what was subtracted: of values far from zero it would lose the small differences."""
    low, high = float(slices.min()), float(slices.max())
    check_range(low, high)
    offset = low if max(-low, high) > _FAR * (high - low) else 0.0
    return np.stack([np.subtract(one, offset, dtype=np.float64).astype(np.float32) for one in slices]), offset


class Upsampling:
    """One run: what is wrong is found when it is made, which needs neither torch nor a model.

    :ivar plan: where the result lies.
    """

    def __init__(
        self,
        volume: Volume,
        plan: Plan,
        *,
        measured: tuple[int, ...] | None = None,
        data_consistency: bool = False,
        thickness: float | None = None,
        noise_reduction: float = 0.0,
        noise: float = 0.0,
    ):
        """
        :param measured: pixels that were measured along each image axis; as many as are stored, if left out.
        :param data_consistency: replace the measured band of k-space of each slice by that of the input.
        :param thickness: of the slices in mm, where they are refined; by default slices are taken to touch each other.
        :param noise_reduction: how much of the noise is removed, from 0 to 1.
        :param noise: its standard deviation in a measured pixel, see :func:`~.noise.noise_of_parts`; of 0, nothing is
            removed.
        :raises ValueError: for NaN and infinite voxels, for a thickness that makes no sense, and for a result that
            does not fit into memory. Whether voxels are intensities only a whole volume tells: see
            :class:`~.meaning.Meaning`.
        """
        check_finite(volume.pixels)
        if data_consistency and (plan.of_reference or plan.through is not None or not _covers(plan, volume.geometry)):
            raise ValueError(
                "Data consistency needs a grid over the whole slice: name the target by scale, spacing or size."
            )
        if data_consistency and noise_reduction:
            raise ValueError(
                "Data consistency keeps the noise that was measured: leave out either it or the noise reduction."
            )
        if thickness is not None:
            check_thickness(thickness, volume.geometry, plan)
        check_memory(plan, volume.pixels.dtype)
        self.plan = plan
        self._volume = volume
        self._data_consistency = data_consistency
        self._thickness = thickness
        self._grid = MeasuredGrid.of(volume, plan.slice_axis, measured or volume.geometry.size)
        self._noise_reduction = noise_reduction
        self._noise = noise

    def run(
        self,
        model: Model,
        progress: Callable[[float], None] | None = None,
        *,
        slices_model: Model | None = None,
        batch_size: int | None = None,
    ) -> Volume:
        """Upsample; the result does not depend on how slices are batched or tiled.

        :param model: loaded :class:`NExpRLib.model.Model` for the pixels of slices.
        :param progress: called as ``progress(fraction)`` after every batch of slices; it may raise to cancel.
        :param slices_model: loaded model for stacks of slices, where the plan refines these.
        :param batch_size: slices per batch; by default as many as suit the device.
        :return: volume of the input's pixel type; integers are rounded and saturated.
        :raises ValueError: for a model of the other kind.
        :raises MemoryError: when not even a small tile fits into memory.
        """
        check_of_pixels(model.card)
        check_noise_reduction(model.card, self._noise_reduction)
        slices = self._volume.slices(self.plan.slice_axis)
        result = Volume.empty(self.plan.geometry, slices.dtype, self._volume.periodic)
        refined = result.slices(self.plan.slice_axis)
        rows, columns, grid = self.plan.rows, self.plan.columns, self._grid
        report = progress or (lambda fraction: None)
        denoised, through = self._shares_of_work()
        offset = 0.0
        noise = {"noise_reduction": self._noise_reduction, "noise": self._noise}
        try:
            with freed_memory_kept():
                if through:
                    slices, offset = _in_single_precision(slices)
                    slices = grid.resample(slices)
                    rows, columns = (along.seen_from(of) for along, of in zip((rows, columns), grid.samples))
                    grid = MeasuredGrid(grid.shape, grid.shape, margin=0)
                if denoised:  # Planes through the slices are then encoded as if they had never been noisy.
                    slices = self._denoised(slices, model, noise, lambda share: report(denoised * share))
                    noise = {}
                if through:
                    slices = self._through_plane(
                        slices, self.plan.through, slices_model, lambda share: report(denoised + through * share)
                    )
                done = denoised + through
                if self._draws_pixels():
                    refine_slices(
                        slices,
                        refined,
                        model,
                        rows,
                        columns,
                        grid=grid,
                        periodic=self._volume.periodic,
                        data_consistency=self._data_consistency,
                        **noise,
                        offset=offset,
                        progress=lambda share: report(done + (1 - done) * share),
                        batch_size=batch_size,
                    )
                else:
                    for of_result, values in zip(refined, slices):
                        of_result[:] = to_dtype(np.add(values, offset, dtype=np.float64), of_result.dtype)
        finally:
            return_freed_memory()
        return result

    def _through_plane(self, slices, along, model, progress):
        """Slices at samples along the slice axis, float32."""
        options = stack_options(self._volume.geometry, self.plan, self._grid, self._thickness)
        drawn = through_plane(slices, along.positions(), model, **options, progress=progress)
        if not np.isfinite(drawn).all():
            raise ValueError(f"Intensities from {slices.min():g} to {slices.max():g} are too far apart: scale them.")
        return drawn

    def _denoised(self, slices, model, noise, progress):
        """Slices at their own pixels without the noise, float32."""
        result = np.empty(slices.shape, np.float32)
        rows, columns = (Samples.pixels(n) for n in slices.shape[1:])
        refine_slices(slices, result, model, rows, columns, periodic=self._volume.periodic, **noise, progress=progress)
        return result

    def _shares_of_work(self) -> tuple[float, float]:
        """Shares of the pixels that are encoded to remove noise before slices are refined, and through the slices."""
        if self.plan.through is None:
            return 0.0, 0.0
        thick, *_ = self._volume.slices(self.plan.slice_axis).shape
        denoised = thick if self._noise_reduction else 0
        total = denoised + 2 * thick + self.plan.through.count * self._draws_pixels()
        return denoised / total, 2 * thick / total

    def _draws_pixels(self) -> bool:
        """Whether slices are drawn at other pixels than the network sees."""
        plan = self.plan
        return plan.through is None or plan.refines_slices or self._grid.measured != self._grid.stored
