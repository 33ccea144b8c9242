"""Progress of long work: a bar in a terminal, elsewhere a line for every ten percent, but not in every second."""

import contextlib
import sys
import time

from tqdm import tqdm


@contextlib.contextmanager
def shown_progress(name, quiet=False):
    """A function to call with the fraction that is done.

    :param name: of the work, for the lines in a log.
    :param quiet: show nothing.
    """
    if quiet:
        yield lambda fraction: None
        return
    if sys.stderr.isatty():
        with tqdm(total=100, desc=name, unit="%", bar_format="{l_bar}{bar}| {elapsed}<{remaining}") as bar:
            yield lambda fraction: bar.update(100 * fraction - bar.n)
        return
    said, last = 0, time.monotonic()
    begin = last

    def line(fraction):
        nonlocal said, last
        tenths, now = int(10 * fraction + 1e-6), time.monotonic()
        if said < tenths < 10 and now - last >= 1:
            said, last = tenths, now
            left = (now - begin) * (1 - fraction) / fraction
            print(f"{name}: {10 * tenths} % done, {tqdm.format_interval(left)} left", file=sys.stderr, flush=True)

    yield line


def counted(items, name, unit):
    """The items of a list, one after the other, with :func:`shown_progress` of how many are done."""
    if sys.stderr.isatty():
        yield from tqdm(items, desc=name, unit=unit, leave=False)
        return
    with shown_progress(name) as report:
        for done, item in enumerate(items, 1):
            yield item
            report(done / len(items))
