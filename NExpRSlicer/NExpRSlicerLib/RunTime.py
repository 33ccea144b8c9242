"""How long a run takes, from the time that networks have taken for pixels before."""

from __future__ import annotations

import math

from .Models import ModelCache, slicesSettings
from .Parameters import Settings
from .RegionPlan import RegionPlan


def runTime(models: ModelCache, settings: Settings, plan: RegionPlan) -> float | None:
    """Seconds for one volume; None before the networks that it takes have been timed."""
    inSlices, throughSlices = _encodedPixels(plan, settings.noiseReduction)
    times = [models.secondsPerPixel(settings) if inSlices else 0.0]
    times.append(models.secondsPerPixel(slicesSettings(settings)) if throughSlices else 0.0)
    if None in times:
        return None
    return times[0] * inSlices + times[1] * throughSlices


def noteRun(models: ModelCache, settings: Settings, plans: list[RegionPlan], seconds: float) -> None:
    """A run over volumes takes so long, where one network does all of it."""
    inSlices, throughSlices = (
        sum(pixels) for pixels in zip(*(_encodedPixels(plan, settings.noiseReduction) for plan in plans))
    )
    if not throughSlices:
        models.noteSpeed(settings, inSlices, seconds)
    elif not inSlices:
        models.noteSpeed(slicesSettings(settings), throughSlices, seconds)


def _encodedPixels(plan: RegionPlan, noiseReduction: float) -> tuple[int, int]:
    """Pixels that are encoded within the slices, and in planes through them."""
    measured = math.prod(plan.measured)
    # A share of the noise takes the function with all of it, and that with none.
    times = 2 if 0 < noiseReduction < 1 else 1
    if plan.run.through is None:
        return times * measured, 0
    drawnAnew = plan.run.refines_slices or plan.measured != plan.geometry.size
    slices = plan.run.through.count * measured // plan.measured[plan.run.slice_axis] if drawnAnew else 0
    return slices + (times * measured if noiseReduction else 0), 2 * measured
