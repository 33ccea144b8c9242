"""The part of a volume that a run is restricted to, and what the network has to see around it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from slicer.i18n import tr as _

from NExpRLib.function.samples import Samples, scaled_size
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
    """Plan a run. A box has the pixels of the whole volume; with data consistency, of a grid over its block.

    :param geometry: of the whole volume.
    :param acquisition: what was recognized of it, for automatic measured pixels.
    :param box: voxels to super-resolve; all, if left out.
    :raises ValueError: if there is no such plan, with the reason.
    """
    whole, sizes = settings.plan(geometry, acquisition), settings.measuredSizes(geometry, acquisition)
    if box is None:
        everything = Box((0,) * 3, geometry.size)
        return RegionPlan(everything, geometry, sizes, whole, Box((0,) * 3, whole.geometry.size))
    refined = [axis for axis in range(3) if axis != whole.slice_axis or whole.through is not None]
    if any(box.size[axis] < min(_SMALLEST, geometry.size[axis]) for axis in refined):
        raise ValueError(_("The visible part is too small: zoom out, or choose the whole volume as region."))
    margins = [
        math.ceil(_MARGIN * n / m) + (box.first[axis] - math.ceil(_MARGIN * n / m)) % _PATCH if axis in refined else 0
        for axis, (n, m) in enumerate(zip(geometry.size, sizes))
    ]
    block, measured = _onMeasuredPixels(box.grown(margins, geometry.size), geometry.size, sizes)
    axes, samples = zip(whole.samples, block.first, block.size, measured), []
    for along, start, n, m in axes:
        if settings.dataConsistency:  # The frequencies of the block are kept on a grid over all of it.
            samples.append(Samples.over(n, max(m, scaled_size(n, 1 / along.step))))
        else:
            first, count = _inside(along, start, n)
            samples.append(Samples(along.first + first * along.step - start, along.step, count))
    ofBlock = block.geometry(geometry)
    run = Plan(whole.slice_axis, tuple(samples), ofBlock.sampled(samples))
    starts = (a - b for a, b in zip(box.first, block.first))
    first, size = zip(*(_inside(along, a, n) for along, a, n in zip(samples, starts, box.size)))
    return RegionPlan(block, ofBlock, measured, run, Box(first, size))


def _onMeasuredPixels(block: Box, size: tuple[int, ...], measured: tuple[int, ...]) -> tuple[Box, tuple[int, ...]]:
    """A block that ends a little later, so that its measured pixels are as large as those of the volume.

    :param size: of the volume.
    :param measured: pixels of the volume.
    :return: the block, and its measured pixels.
    """
    lengths, counts = [], []
    for start, length, n, m in zip(block.first, block.size, size, measured):
        longest = min(length + _PATCH, n - start)
        length = min(range(length, longest + 1), key=lambda each: min(each * m % n, -each * m % n))
        lengths.append(length)
        counts.append(max(1, round(length * m / n)))
    return Box(block.first, tuple(lengths)), tuple(counts)


def _inside(along: Samples, first: int, size: int) -> tuple[int, int]:
    """The first of the samples that lie in some pixels, and how many do."""
    positions = along.positions()
    inside = np.flatnonzero((positions > first - 0.5 - 1e-9) & (positions < first + size - 0.5 - 1e-9))
    return int(inside[0]), int(inside.size)


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
