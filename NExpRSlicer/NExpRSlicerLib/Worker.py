"""One persistent thread for what takes long. It runs functions that touch neither MRML nor Qt."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable


class Cancelled(Exception):
    """What was being computed is no longer wanted."""


class Worker:
    """Runs one function after the other. Methods and callbacks are called in the main thread, except makeRoom()."""

    def __init__(self):
        self._tasks, self._results = queue.SimpleQueue(), queue.SimpleQueue()
        self._thread = threading.Thread(target=self._loop, name="NExpR", daemon=True)
        self._pending = 0

    @property
    def busy(self) -> bool:
        """Whether there are functions whose results were not delivered."""
        return self._pending > 0

    def submit(self, function: Callable[[], object], onDone: Callable[[object, BaseException | None], None]) -> None:
        """Run function() in the thread after those that were submitted before; poll() then calls onDone(value, error).

        It comes earlier if the function that is running makes room.
        """
        if self._thread.ident is None:
            self._thread.start()
        self._pending += 1
        self._tasks.put((function, onDone))

    def makeRoom(self) -> None:
        """To be called in the thread, by a function that takes long: run what was submitted meanwhile."""
        try:
            while (task := self._tasks.get_nowait()) is not None:
                self._do(task)
        except queue.Empty:
            return
        self._tasks.put(None)  # The thread is to end, but not within this function.

    def poll(self, timeout: float = 0) -> None:
        """Deliver the results that there are.

        :param timeout: seconds to wait for the first. Slicer's main thread may keep Python's global lock while it is in
            Qt's event loop; waiting here lets the worker thread go on.
        """
        while self.busy:
            try:
                onDone, value, error = self._results.get(timeout=timeout) if timeout else self._results.get_nowait()
            except queue.Empty:
                return
            timeout = 0
            self._pending -= 1
            onDone(value, error)

    def stop(self, timeout: float = 5) -> None:
        """End the thread, for good, after the function that it runs; results are dropped.

        :param timeout: seconds to wait for the end, so that the application does not exit under a running thread.
        """
        self._tasks.put(None)
        if self._thread.is_alive():
            self._thread.join(timeout)
        self._pending = 0

    def _loop(self) -> None:
        while (task := self._tasks.get()) is not None:
            self._do(task)
            task = None  # do not keep its data while waiting

    def _do(self, task: tuple) -> None:
        function, onDone = task
        try:
            self._results.put((onDone, function(), None))
        except BaseException as error:
            self._results.put((onDone, None, error))
