"""Super-resolution of all slices of one or several volumes. Knows neither MRML nor Qt: any thread can run it."""

import time


class Cancelled(Exception):
    """The user cancelled the run."""


class UpsamplingJob:
    """Run it once; progress can be read and the job be cancelled from another thread.

    :ivar done, total: number of slices.
    :ivar remainingSeconds: estimate, or None before the first slice is done.
    :ivar card: of the model that computed the slices, None before the run.
    """

    def __init__(self, upsamplings, settings, models):
        """
        :param upsamplings: NExpRLib.volumes.upsampling.Upsampling of every volume, whose voxels nobody else writes to.
        """
        self._upsamplings = upsamplings
        self._settings = settings
        self._models = models
        self._cancelled = False
        self.done = 0
        self.total = sum(each.slice_count for each in upsamplings)
        self.remainingSeconds = None
        self.card = None

    def cancel(self):
        """End the run after the slice that is being computed."""
        self._cancelled = True

    def run(self, progress=None):
        """Compute all slices.

        :param progress: called as progress(done, total, remainingSeconds) after every slice; it may raise to cancel.
        :return: list of NExpRLib.volumes.volume.Volume.
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

        return [each.run(model, onSlice, batch_size=1) for each in self._upsamplings]

    def _checkCancelled(self):
        if self._cancelled:
            raise Cancelled()
