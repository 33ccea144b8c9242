"""An Apply whose slices are computed in the worker thread, as the main thread sees it."""

from .UpsamplingJob import Cancelled


class BackgroundRun:
    """All methods are called in the main thread.

    :ivar inputVolume: volume node.
    :ivar inputRemoved: whether the run was given up because its input was removed from the scene.
    :ivar finished: whether the run has ended in any way.
    :ivar output: the output volume node, None if there is none.
    :ivar error: exception that ended the run, or None.
    """

    def __init__(self, applyRun, worker):
        self._applyRun = applyRun
        self.inputVolume = applyRun.inputVolume
        self._worker = worker
        self._started = False
        self.cancelled = False
        self.inputRemoved = False
        self.finished = False
        self.output = None
        self.error = None

    @property
    def progress(self):
        """(done, total, remaining seconds or None) slices."""
        job = self._applyRun.job
        return job.done, job.total, job.remainingSeconds

    def advance(self):
        """Start as soon as the worker is free, and give up when the input was removed from the scene."""
        if not self.cancelled and not self._applyRun.inputPresent:
            self.inputRemoved = True
            self.cancel()
        if not self._started and not self.finished and not self._worker.busy:
            self._started = True
            self._worker.submit(self._applyRun.job.run, self._onDone)

    def cancel(self):
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
