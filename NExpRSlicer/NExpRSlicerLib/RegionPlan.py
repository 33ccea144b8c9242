"""The part of a volume that a run is restricted to, and what the network has to see around it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from slicer.i18n import tr as _

from NExpRLib.volumes.acquisition import Acquisition
from NExpRLib.volumes.box import Box
from NExpRLib.volumes.geometry import Geometry
from NExpRLib.volumes.plan import Plan
from NExpRLib.volumes.volume import Volume

from .Parameters import Settings

# In measured pixels: what a pixel of the result depends on, so that it is that of a run over the whole volume.
_MARGIN = 32
_PATCH = 12  # Blocks begin at multiples of this, so that their patches, of 2 or 3 pixels, are those of the volume.
_SMALLEST = 8  # voxels along an axis that is refined


@dataclass(frozen=True)
class RegionPlan:
    """A run over a box of a volume, and a little more.

    :ivar block: voxels of the volume that the run sees.
    :ivar geometry: theirs.
    :ivar measured: pixels that were measured along each axis of the block.
    :ivar run: what is done to the block.
    :ivar kept: voxels of the result of the run that lie in the box.
    """

    block: Box
    geometry: Geometry
    measured: tuple[int, ...]
    run: Plan
    kept: Box

    @property
    def result(self) -> Plan:
        """The plan of the box alone."""
        axes = zip(self.run.samples, self.kept.first, self.kept.size)
        samples = tuple(replace(along, first=along.first + a * along.step, count=n) for along, a, n in axes)
        return Plan(self.run.slice_axis, samples, self.kept.geometry(self.run.geometry))

    @property
    def measuredMm(self) -> tuple[float, ...]:
        """Size of the measured pixels along each axis."""
        axes = zip(self.geometry.spacing, self.geometry.size, self.measured)
        return tuple(mm * stored / count for mm, stored, count in axes)

    def trimmed(self, result: Volume) -> Volume:
        """The box of the result of the run."""
        if self.kept.size == result.geometry.size:
            return result
        part = result.cropped(self.kept)
        return replace(part, pixels=part.pixels.copy())


def planned(
    settings: Settings, geometry: Geometry, acquisition: Acquisition | None = None, box: Box | None = None
) -> RegionPlan:
    """Plan a run.

    :param geometry: of the whole volume.
    :param acquisition: what was recognized of it, for automatic measured pixels.
    :param box: voxels to super-resolve; all, if left out.
    :raises ValueError: if there is no such plan, with the reason.
    """
    whole = settings.plan(geometry, acquisition)
    if box is None:
        sizes = settings.measuredSizes(geometry, acquisition)
        everything = Box((0,) * 3, geometry.size)
        return RegionPlan(everything, geometry, sizes, whole, Box((0,) * 3, whole.geometry.size))
    refined = [axis for axis in range(3) if axis != whole.slice_axis or whole.through is not None]
    if any(box.size[axis] < min(_SMALLEST, geometry.size[axis]) for axis in refined):
        raise ValueError(_("The visible part is too small: zoom out, or choose the whole volume as region."))
    stored = zip(geometry.size, settings.measuredSizes(geometry, acquisition))
    margins = [
        math.ceil(_MARGIN * n / m) + (box.first[axis] - math.ceil(_MARGIN * n / m)) % _PATCH if axis in refined else 0
        for axis, (n, m) in enumerate(stored)
    ]
    block = box.grown(margins, geometry.size)
    ofBlock = block.geometry(geometry)
    if acquisition is not None:
        axes = tuple(replace(axis, size=n) for axis, n in zip(acquisition.axes, block.size))
        acquisition = replace(acquisition, axes=axes)
    run = settings.plan(ofBlock, acquisition)
    first, size = [], []
    for along, start, a, n in zip(run.samples, block.first, box.first, box.size):
        positions = along.positions() + start
        inside = np.flatnonzero((positions > a - 0.5 - 1e-9) & (positions < a + n - 0.5 - 1e-9))
        first.append(int(inside[0]))
        size.append(int(inside.size))
    return RegionPlan(block, ofBlock, settings.measuredSizes(ofBlock, acquisition), run, Box(tuple(first), tuple(size)))


def visibleBox(sizes: tuple[int, int, int], views: Iterable[tuple[int, np.ndarray, tuple[int, int]]]) -> Box:
    """The voxels within all slice views: each bounds the two axes of the volume that lie along it, or nearly so.

    :param sizes: voxels of the volume along each axis.
    :param views: of each view, the axis of the volume across it, the 4x4 array from its pixels to voxel indices, and
        its (width, height) in pixels.
    :raises ValueError: if there are none, with what to do instead.
    """
    views = list(views)
    if not views:
        raise ValueError(_("No slice view shows the input volume or its result, so that no part of it is visible."))
    low, high = np.zeros(3), np.array(sizes) - 1.0
    for across, xyToIJK, (width, height) in views:
        corners = [[x, y, 0, 1] for x in (-0.5, width - 0.5) for y in (-0.5, height - 0.5)]
        seen = (np.array(corners) @ xyToIJK.T)[:, :3]
        bounds = [axis for axis in range(3) if axis != across]
        low[bounds] = np.maximum(low, seen.min(axis=0))[bounds]
        high[bounds] = np.minimum(high, seen.max(axis=0))[bounds]
    first, last = np.ceil(low - 1e-6).astype(int), np.floor(high + 1e-6).astype(int)
    if (first > last).any():
        raise ValueError(_("No part of the input volume is visible in all slice views: reset their field of view."))
    return Box(tuple(first.tolist()), tuple((last - first + 1).tolist()))
