"""Super-resolution of all slices of one or several volumes. Knows neither MRML nor Qt: any thread can run it."""

import time
from dataclasses import dataclass

import numpy as np

from NExpRLib.volumes.plan import Target

from .Volumes import slicesOf, volumeOf


class Cancelled(Exception):
    """The user cancelled the run."""


@dataclass
class Frame:
    """One volume: its voxels (k, j, i), which nobody else writes to, and where the output samples lie."""

    pixels: np.ndarray
    target: Target


class UpsamplingJob:
    """Run it once; progress can be read and the job be cancelled from another thread.

    :ivar done, total: number of slices.
    :ivar remainingSeconds: estimate, or None before the first slice is done.
    :ivar card: of the model that computed the slices, None before the run.
    """

    def __init__(self, frames, settings, models):
        self._frames = frames
        self._settings = settings
        self._models = models
        self._cancelled = False
        self.done = 0
        self.total = sum(frame.pixels.shape[2 - frame.target.slice_axis] for frame in frames)
        self.remainingSeconds = None
        self.card = None

    def cancel(self):
        """End the run after the slice that is being computed."""
        self._cancelled = True

    def run(self, progress=None):
        """Compute all slices.

        :param progress: called as progress(done, total, remainingSeconds) after every slice; it may raise to cancel.
        :return: list of arrays (k, j, i) of the voxel types of the frames.
        :raises Cancelled: after cancel().
        """
        self._checkCancelled()
        model = self._models.get(self._settings)
        self.card = model.card
        start = time.monotonic()

        def onSlice(_fraction):
            self.done += 1
            self.remainingSeconds = (time.monotonic() - start) / self.done * (self.total - self.done)
            self._checkCancelled()
            if progress is not None:
                progress(self.done, self.total, self.remainingSeconds)

        return [self._upsample(frame, model, onSlice) for frame in self._frames]

    def _upsample(self, frame, model, onSlice):
        from NExpRLib.volumes.upsampling import upsample_slices

        result = upsample_slices(
            slicesOf(frame.pixels, frame.target.slice_axis),
            frame.target,
            model,
            data_consistency=self._settings.dataConsistency,
            progress=onSlice,
            batch_size=1,
        )
        return volumeOf(result, frame.target.slice_axis)

    def _checkCancelled(self):
        if self._cancelled:
            raise Cancelled()
