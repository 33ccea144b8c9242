"""Super-resolution of all slices in the worker thread, and the run as the main thread sees it."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from NExpRLib.volumes.plan import Plan
from NExpRLib.volumes.run import Upsampling
from NExpRLib.volumes.volume import Volume

from .Models import ModelCache, checkedBetweenLayers
from .Parameters import Settings
from .Worker import Cancelled, Worker

if TYPE_CHECKING:
    from .Apply import ApplyRun


class UpsamplingJob:
    """All slices of one or several volumes. Knows neither MRML nor Qt: any thread can run it, once.

    Its progress can be read, and the job be cancelled, from another thread.

    :ivar started: whether run() was called.
    :ivar done, total: number of slices.
    :ivar remainingSeconds: estimate, or None before two slices are done: the first takes longer.
    :ivar card: of the model that computed the slices, None before the run.
    """

    def __init__(self, volumes: list[Volume], plans: list[Plan], settings: Settings, models: ModelCache):
        """
        :param volumes: volumes whose voxels nobody else writes to.
        """
        self._volumes, self._plans = volumes, plans
        self._settings = settings
        self._models = models
        self._cancelled = False
        self.started = False
        self.done = 0
        self.total = sum(plan.geometry.size[plan.slice_axis] for plan in plans)
        self.remainingSeconds: float | None = None
        self.card: dict | None = None

    def cancel(self) -> None:
        """End the run before the next layer of the network."""
        self._cancelled = True

    def run(self, progress: Callable[[int, int, float | None], None] | None = None) -> list[Volume]:
        """Compute all slices.

        :param progress: called as progress(done, total, remainingSeconds) after every slice; it may raise to cancel.
        :raises ValueError: for voxels that are no intensities, and results that do not fit into memory.
        :raises Cancelled: after cancel().
        """
        self.started = True
        self._checkCancelled()
        # These go through all voxels.
        upsamplings = [
            Upsampling(volume, plan, data_consistency=self._settings.dataConsistency)
            for volume, plan in zip(self._volumes, self._plans)
        ]
        self._checkCancelled()
        model = self._models.get(self._settings)
        self.card = model.card
        slicePixels = self._volumes[0].slices(self._plans[0].slice_axis)[0].size
        firstDone = None

        def onSlice(_fraction: float) -> None:
            nonlocal firstDone
            now = time.monotonic()
            self.done += 1
            left = self.total - self.done
            if firstDone is None:
                firstDone = now
            else:
                seconds = (now - firstDone) / (self.done - 1)
                self.remainingSeconds = seconds * left
                self._models.noteSpeed(self._settings, slicePixels, seconds)
            self._checkCancelled()
            if progress is not None:
                progress(self.done, self.total, self.remainingSeconds)

        with checkedBetweenLayers(model, self._checkCancelled):
            return [each.run(model, onSlice, batch_size=1) for each in upsamplings]

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
        # Between two slices, the worker encodes what the preview asks for.
        worker.submit(partial(applyRun.job.run, lambda *_state: worker.makeRoom()), self._onDone)

    @property
    def progress(self) -> tuple[int, int, float | None]:
        """(done, total, remaining seconds or None) slices."""
        job = self._applyRun.job
        return job.done, job.total, job.remainingSeconds

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
