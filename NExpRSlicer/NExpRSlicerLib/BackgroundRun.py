"""Super-resolution of all slices in the worker thread, and the run as the main thread sees it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from NExpRLib.volumes.upsampling import Upsampling
from NExpRLib.volumes.volume import Volume

from .Models import ModelCache
from .Parameters import Settings
from .Worker import Worker

if TYPE_CHECKING:
    from .Apply import ApplyRun


class Cancelled(Exception):
    """The user cancelled the run."""


class UpsamplingJob:
    """All slices of one or several volumes. Knows neither MRML nor Qt: any thread can run it, once.

    Its progress can be read, and the job be cancelled, from another thread.

    :ivar done, total: number of slices.
    :ivar remainingSeconds: estimate, or None before the first slice is done.
    :ivar card: of the model that computed the slices, None before the run.
    """

    def __init__(self, upsamplings: list[Upsampling], settings: Settings, models: ModelCache):
        """
        :param upsamplings: of every volume, whose voxels nobody else writes to.
        """
        self._upsamplings = upsamplings
        self._settings = settings
        self._models = models
        self._cancelled = False
        self.done = 0
        self.total = sum(each.slice_count for each in upsamplings)
        self.remainingSeconds: float | None = None
        self.card: dict | None = None

    def cancel(self) -> None:
        """End the run after the slice that is being computed."""
        self._cancelled = True

    def run(self, progress: Callable[[int, int, float], None] | None = None) -> list[Volume]:
        """Compute all slices.

        :param progress: called as progress(done, total, remainingSeconds) after every slice; it may raise to cancel.
        :raises Cancelled: after cancel().
        """
        self._checkCancelled()
        model = self._models.get(self._settings)
        self.card = model.card
        start = time.monotonic()

        def onSlice(_fraction: float) -> None:
            self.done += 1
            self.remainingSeconds = (time.monotonic() - start) / self.done * (self.total - self.done)
            self._checkCancelled()
            if progress is not None:
                progress(self.done, self.total, self.remainingSeconds)

        return [each.run(model, onSlice, batch_size=1) for each in self._upsamplings]

    def _checkCancelled(self) -> None:
        if self._cancelled:
            raise Cancelled()


class BackgroundRun:
    """An Apply whose slices are computed in the worker thread. All methods are called in the main thread.

    :ivar inputVolume: volume node.
    :ivar inputRemoved: whether the run was given up because its input was removed from the scene.
    :ivar finished: whether the run has ended in any way.
    :ivar output: the output volume node, None if there is none.
    :ivar error: exception that ended the run, or None.
    """

    def __init__(self, applyRun: ApplyRun, worker: Worker):
        self._applyRun = applyRun
        self.inputVolume = applyRun.inputVolume
        self._worker = worker
        self._started = False
        self.cancelled = False
        self.inputRemoved = False
        self.finished = False
        self.output = None
        self.error: Exception | None = None

    @property
    def progress(self) -> tuple[int, int, float | None]:
        """(done, total, remaining seconds or None) slices."""
        job = self._applyRun.job
        return job.done, job.total, job.remainingSeconds

    def advance(self) -> None:
        """Start as soon as the worker is free, and give up when the input was removed from the scene."""
        if not self.cancelled and not self._applyRun.inputPresent:
            self.inputRemoved = True
            self.cancel()
        if not self._started and not self.finished and not self._worker.busy:
            self._started = True
            self._worker.submit(self._applyRun.job.run, self._onDone)

    def cancel(self) -> None:
        """End the run after the slice that is being computed; the scene stays as it was."""
        self.cancelled = True
        self._applyRun.job.cancel()
        self.finished = self.finished or not self._started

    def _onDone(self, results, error):
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
