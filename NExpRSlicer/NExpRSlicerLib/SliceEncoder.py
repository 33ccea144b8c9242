"""Which slice is encoded when: one at a time, the newest request wins."""

import logging
from functools import partial


class SliceEncoder:
    """Keeps the slice that was encoded last. All methods are called in the main thread.

    :ivar key: identifies the encoded slice; None if there is none.
    :ivar value: what encode returned for it.
    """

    def __init__(self, worker, encode):
        """
        :param encode: encode(content) is called in the worker's thread.
        """
        self._worker = worker
        self._encode = encode
        self._inFlight = None
        self.release()

    @property
    def error(self):
        """Why the slice that was requested last could not be encoded, or None."""
        return self._failure[1] if self._failure and self._failure[0] == self._newest else None

    @property
    def pending(self):
        """Whether a slice is being encoded or waits for it."""
        return self._inFlight is not None or self._wanted is not None

    @property
    def waiting(self):
        """Whether the worker is busy with something else than a slice."""
        return self._wanted is not None and self._inFlight is None

    def request(self, key, readContent):
        """Ask for a slice; it replaces requests that were not started.

        :param readContent: called in the main thread when encoding starts; returns the content to encode, or raises
            ValueError to say why it cannot be.
        """
        self._newest = key
        known = key in (self.key, self._inFlight) or self.error is not None
        self._wanted = None if known else (key, readContent)
        self._start()

    def poll(self, timeout=0):
        """Take over what was encoded, and start what was requested meanwhile; see Worker.poll."""
        self._worker.poll(timeout)
        self._start()

    def withdraw(self):
        """Give up a request that was not started."""
        self._wanted = None

    def release(self):
        """Forget all slices; one that is being encoded is dropped when it is done."""
        self._newest = self._wanted = self._failure = None
        self.key = self.value = None

    def _start(self):
        if self._wanted is None or self._worker.busy:
            return
        (key, readContent), self._wanted = self._wanted, None
        try:
            content = readContent()
        except ValueError as error:
            self._failure = (key, error)
            return
        self._inFlight = key
        self._worker.submit(partial(self._encode, content), partial(self._onDone, key))

    def _onDone(self, key, value, error):
        self._inFlight = None
        if key != self._newest:
            return
        if error is None:
            self.key, self.value, self._failure = key, value, None
        else:
            self._failure = (key, error)
            if not isinstance(error, ValueError):
                logging.error("NExpR: the slice could not be encoded.", exc_info=error)
