"""One persistent thread for what takes long. It runs functions that touch neither MRML nor Qt."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable


class Worker:
    """Runs one function at a time. All methods are called in the main thread, and so are the callbacks."""

    def __init__(self):
        self._thread = self._tasks = self._results = self._onDone = None

    @property
    def busy(self) -> bool:
        return self._onDone is not None

    def submit(self, function: Callable[[], object], onDone: Callable[[object, Exception | None], None]) -> None:
        """Start function() in the thread; poll() then calls onDone(value, error).

        :raises RuntimeError: while another function is running.
        """
        if self.busy:
            raise RuntimeError("The worker is busy.")
        if self._tasks is None:
            self._tasks, self._results = queue.SimpleQueue(), queue.SimpleQueue()
            arguments = (self._tasks, self._results)
            self._thread = threading.Thread(target=_loop, args=arguments, name="NExpR", daemon=True)
            self._thread.start()
        self._onDone = onDone
        self._tasks.put(function)

    def poll(self, timeout: float = 0) -> None:
        """Deliver the result if there is one.

        :param timeout: seconds to wait for it. Slicer's main thread may keep Python's global lock while it is in Qt's
            event loop; waiting here lets the worker thread go on.
        """
        if not self.busy:
            return
        try:
            value, error = self._results.get(timeout=timeout) if timeout else self._results.get_nowait()
        except queue.Empty:
            return
        onDone, self._onDone = self._onDone, None
        onDone(value, error)

    def stop(self, timeout: float = 5) -> None:
        """End the thread after the function that it runs; its result is dropped.

        :param timeout: seconds to wait for the end, so that the application does not exit under a running thread.
        """
        if self._thread is not None:
            self._tasks.put(None)
            self._thread.join(timeout)
        self._thread = self._tasks = self._results = self._onDone = None


def _loop(tasks: queue.SimpleQueue, results: queue.SimpleQueue) -> None:
    while (function := tasks.get()) is not None:
        try:
            results.put((function(), None))
        except BaseException as error:
            results.put((None, error))
        function = None  # do not keep its data while waiting
