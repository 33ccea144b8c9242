"""Super-resolution of whole volumes in the worker thread, and the run as the main thread sees it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from NExpRLib.volumes.acquisition import Acquisition, inspect_volume
from NExpRLib.volumes.box import Box
from NExpRLib.volumes.meaning import Meaning
from NExpRLib.volumes.noise import noise_of_parts
from NExpRLib.volumes.run import Upsampling
from NExpRLib.volumes.volume import Volume

from .Models import ModelCache, checkedBetweenLayers, recognizes
from .Parameters import Settings
from .RegionPlan import RegionPlan, planned
from .RunTime import noteRun
from .Worker import Cancelled, Worker

if TYPE_CHECKING:
    from .Apply import ApplyRun


class UpsamplingJob:
    """One or several volumes. Knows neither MRML nor Qt: any thread can run it, once.

    Its progress can be read, and the job be cancelled, from another thread.

    :ivar started: whether run() was called.
    :ivar fraction: share of the work that is done.
    :ivar remainingSeconds: estimate, or None after the first step, which takes longer.
    :ivar card: of the model for pixels, None before the run.
    :ivar slicesCard: of the model for stacks of slices, if there is one.
    :ivar plans: of each volume, made with what is known of the measured pixels; run() makes them anew.
    """

    def __init__(
        self,
        volumes: list[Volume],
        settings: Settings,
        models: ModelCache,
        acquisition: Acquisition | None,
        facts: dict,
        box: Box | None,
    ):
        """
        :param volumes: volumes whose voxels nobody else writes to.
        :param acquisition: what was recognized of volumes of that size, if it is known.
        :param facts: of the header, under their BIDS names.
        :param box: voxels to super-resolve of each volume, None for all.
        :raises ValueError: if the volumes cannot be super-resolved to the target, with what to do instead.
        """
        self._volumes, self._box = volumes, box
        self._settings = settings
        self._models = models
        self._cancelled = False
        self.started = False
        self._facts = facts
        self._known = {} if acquisition is None else {tuple(axis.size for axis in acquisition.axes): acquisition}
        self.plans = [self._planned(volume) for volume in volumes]
        self.fraction = 0.0
        self.remainingSeconds: float | None = None
        self.card: dict | None = None
        self.slicesCard: dict | None = None

    def cancel(self) -> None:
        """End the run before the next layer of the network."""
        self._cancelled = True

    def run(self, progress: Callable[[float, float | None], None] | None = None) -> list[Volume]:
        """Compute all volumes.

        :param progress: called as progress(fraction, remainingSeconds) after every step; it may raise to cancel.
        :raises ValueError: for voxels that are no intensities, and results that do not fit into memory.
        :raises Cancelled: after cancel().
        """
        self.started = True
        self._checkCancelled()
        # These go through all voxels. The measured band would not stay as it was measured within limits.
        valueRange = "free" if self._settings.dataConsistency else "auto"
        meanings = [Meaning(volume, self._facts, valueRange) for volume in self._volumes]
        self._checkCancelled()
        self._measure()
        self._checkCancelled()
        model = self._models.get(self._settings)
        self.card = model.card
        slicesModel = None
        if self.plans[0].run.through is not None:
            slicesModel = self._models.getForSlices(self._settings)
            self.slicesCard = slicesModel.card
        total = sum(math.prod(plan.run.geometry.size) for plan in self.plans)
        done = 0.0
        first = None

        def onStep(share: float, fraction: float) -> None:
            """
            :param share: of the work, that a part is.
            :param fraction: of the part, that is done.
            """
            nonlocal first
            now = time.monotonic()
            self.fraction = done + share * fraction
            if first is None:
                first = now, self.fraction
            elif self.fraction > first[1]:
                seconds = (now - first[0]) / (self.fraction - first[1])
                self.remainingSeconds = seconds * (1 - self.fraction)
                noteRun(self._models, self._settings, self.plans, seconds)
            self._checkCancelled()
            if progress is not None:
                progress(self.fraction, self.remainingSeconds)

        results = []
        with checkedBetweenLayers(model, self._checkCancelled), ExitStack() as stack:
            if slicesModel is not None:
                stack.enter_context(checkedBetweenLayers(slicesModel, self._checkCancelled))
            for volume, meaning, plan in zip(self._volumes, meanings, self.plans):
                block, across = meaning.cropped(plan.block), plan.run.slice_axis
                parts = block.parts(across)
                share = math.prod(plan.run.geometry.size) / total / len(parts)
                ofParts = []
                noise = 0.0
                if self._settings.noiseReduction:  # A region has that of the whole volume.
                    whole = parts if self._box is None else meaning.parts(across)
                    sizes = self._settings.measuredSizes(volume.geometry, self._acquisitionOf(volume))
                    noise = noise_of_parts(whole, across, sizes)
                for part in parts:
                    upsampling = Upsampling(
                        part,
                        plan.run,
                        measured=plan.measured,
                        data_consistency=self._settings.dataConsistency,
                        thickness=self._settings.thicknessIn(plan.run),
                        noise_reduction=self._settings.noiseReduction,
                        noise=noise,
                    )
                    step = partial(onStep, share)
                    ofParts.append(upsampling.run(model, step, slices_model=slicesModel, batch_size=1))
                    done += share
                results.append(plan.trimmed(block.joined(ofParts, plan.run)))
        return results

    def _measure(self) -> None:
        """Find out what was measured of each volume, and plan with that."""
        for index, volume in enumerate(self._volumes):
            if recognizes(self._settings) and volume.geometry.size not in self._known:
                self._known[volume.geometry.size] = inspect_volume(volume, self._facts)
            self.plans[index] = self._planned(volume)

    def _planned(self, volume: Volume) -> RegionPlan:
        return planned(self._settings, volume.geometry, self._acquisitionOf(volume), self._box)

    def _acquisitionOf(self, volume: Volume) -> Acquisition | None:
        return self._known.get(volume.geometry.size) if recognizes(self._settings) else None

    def _checkCancelled(self) -> None:
        if self._cancelled:
            raise Cancelled()


class BackgroundRun:
    """An Apply that runs in the worker thread as soon as it is free. All methods are called in the main thread.

    :ivar inputVolume: volume node.
    :ivar inputRemoved: whether the run was given up because its input was removed from the scene.
    :ivar finished: whether the run has ended in any way.
    :ivar output: the output volume node, None if there is none.
    :ivar error: exception that ended the run, or None.
    """

    def __init__(self, applyRun: ApplyRun, worker: Worker):
        self._applyRun = applyRun
        self.inputVolume = applyRun.inputVolume
        self.cancelled = False
        self.inputRemoved = False
        self.finished = False
        self.output = None
        self.error: Exception | None = None
        # Between two steps, the worker encodes what the preview asks for.
        worker.submit(partial(applyRun.job.run, lambda *_state: worker.makeRoom()), self._onDone)

    @property
    def progress(self) -> tuple[float, float | None]:
        """(fraction that is done, remaining seconds or None)."""
        job = self._applyRun.job
        return job.fraction, job.remainingSeconds

    def advance(self) -> None:
        """Give up when the input was removed from the scene."""
        if not self.cancelled and not self._applyRun.inputPresent:
            self.inputRemoved = True
            self.cancel()

    def cancel(self) -> None:
        """End the run soon; the scene stays as it was."""
        self.cancelled = True
        self._applyRun.job.cancel()
        self.finished = self.finished or not self._applyRun.job.started

    def _onDone(self, results: list[Volume] | None, error: BaseException | None) -> None:
        if self.finished:  # It was cancelled before it began.
            return
        self.finished = True
        if self.cancelled or isinstance(error, Cancelled):
            self.cancelled = True
        elif error is not None:
            self.error = error
        else:
            try:
                self.output = self._applyRun.finish(results)
                self.inputRemoved = self.output is None
            except Exception as error:
                self.error = error
