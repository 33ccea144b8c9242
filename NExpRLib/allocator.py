"""Keeping freed memory for reuse, where the C library of Linux would return it to the system.

The system clears memory before it hands it out again. A network that allocates its activations layer by layer, slice by
slice, spends up to a third of its time on that. With another C library or system, nothing is changed here.
"""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from threading import Lock

# Parameters of mallopt, from malloc.h of the GNU C library.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
_MEBIBYTE = 2**20
# The largest block that is kept. Larger ones would leave larger gaps, and only the first thread could keep them.
_LARGEST_KEPT = 64 * _MEBIBYTE
_LARGEST_IN_OLD_VERSIONS = 32 * _MEBIBYTE  # of the library, before 2.35
# Without it, other threads than the first return areas of 64 MiB in which nothing is used.
_SPARE = 64 * _MEBIBYTE

_lock = Lock()
_users = 0


@contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Context in which freed memory stays with the program.

    >>> with freed_memory_kept():
    ...     pass

    It may be nested, and entered by several threads: it lasts until all of them have left. What was kept remains for
    reuse until :func:`return_freed_memory`.
    """
    _enter_or_leave(+1)
    try:
        yield
    finally:
        _enter_or_leave(-1)


def return_freed_memory() -> None:
    """Give memory that was freed back to the system: 10 to 100 ms, and the next to need memory gets it anew.

    >>> return_freed_memory()
    """
    library = _gnu_c_library()
    if library is not None:
        library.malloc_trim(0)


def _enter_or_leave(change: int) -> None:
    global _users
    library = _gnu_c_library()
    if library is None:
        return
    with _lock:
        _users += change
        if _users:
            trim, pad, mmap = 2**31 - 1, _SPARE, _LARGEST_KEPT
        else:
            # The default, and the thresholds that the library itself arrives at in a program that frees large blocks.
            trim, pad, mmap = 64 * _MEBIBYTE, _MEBIBYTE // 8, 32 * _MEBIBYTE
        library.mallopt(_TRIM_THRESHOLD, trim)
        library.mallopt(_TOP_PAD, pad)
        if not library.mallopt(_MMAP_THRESHOLD, mmap):
            library.mallopt(_MMAP_THRESHOLD, _LARGEST_IN_OLD_VERSIONS)


@lru_cache(maxsize=1)
def _gnu_c_library() -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL(None) if os.confstr("CS_GNU_LIBC_VERSION") else None
    except (AttributeError, ValueError, OSError):  # Another system, or another C library.
        return None
