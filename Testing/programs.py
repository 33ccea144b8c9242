"""Programs that tests start: they, and what they start themselves, end with the test."""

import contextlib
import os
import signal
import subprocess


@contextlib.contextmanager
def started(command, **options):
    """A running program, as of :class:`subprocess.Popen`, without a limit of time: machines are busy."""
    with subprocess.Popen(command, start_new_session=True, **options) as process:
        try:
            yield process
        finally:
            if os.name == "posix":
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)  # its children as well
            process.kill()
