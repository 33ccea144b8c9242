"""How many threads PyTorch computes with.

More threads than idle cores wait for each other at every step: two threads on a busy machine were ten times slower than
one.
"""

import os
import time

DEFAULT_THREADS = "default: OMP_NUM_THREADS, else as many as there are idle cores"


def use_threads(wanted=None):
    """Let PyTorch compute with a number of threads, which is returned.

    :param wanted: by default what the environment says (``OMP_NUM_THREADS``, ``MKL_NUM_THREADS``), or as many as there
        are idle cores, and no more than PyTorch's own choice.
    """
    import torch

    if wanted is None and not any(os.environ.get(name) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")):
        wanted = max(1, min(torch.get_num_threads(), _idle_cores()))
    if wanted is not None:
        torch.set_num_threads(wanted)
    return torch.get_num_threads()


def _idle_cores(seconds=0.3):
    """Cores that this process may use and that nobody does; all of them where the system does not tell."""
    try:
        cores = os.sched_getaffinity(0)
        before = _ticks(cores)
        time.sleep(seconds)
        shares = [(idle - i) / max(1, total - t) for (idle, total), (i, t) in zip(_ticks(cores), before)]
    except (AttributeError, OSError, ValueError):  # other systems than Linux
        return os.cpu_count() or 1
    return round(sum(shares))


def _ticks(cores):
    """(idle, all) ticks of the clock of each core so far."""
    ticks = []
    with open("/proc/stat", encoding="ascii") as file:
        for line in file:
            name, *counts = line.split()
            if name.removeprefix("cpu").isdigit() and name.startswith("cpu") and int(name[3:]) in cores:
                numbers = [int(n) for n in counts[:8]]
                ticks.append((numbers[3] + numbers[4], sum(numbers)))
    return ticks
