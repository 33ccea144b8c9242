"""Measuring how long functions take, whole and synchronized, in turns so that a slow spell of the machine hits all."""

import time
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

_FEWEST_CALLS = 5  # in a turn, so that one interruption of the program does not decide the median


@dataclass(frozen=True)
class Measured:
    """A quantity that was measured several times, such as seconds."""

    values: tuple

    @property
    def median(self):
        return float(np.median(self.values))

    @property
    def quartiles(self):
        """Lower and upper quartile."""
        return tuple(float(q) for q in np.percentile(self.values, (25, 75)))

    def per(self, count):
        """The quantity divided among ``count`` items."""
        return Measured(tuple(value / count for value in self.values))


class Effort(NamedTuple):
    """How long to measure.

    :ivar rounds: turns that every function gets.
    :ivar turn: seconds that a function is repeated for in its turn.
    :ivar budget: seconds of turns after which a function gets no further one.
    """

    rounds: int
    turn: float
    budget: float


def in_turns(functions, effort, clock=time.perf_counter, announce=lambda name: None, before=None):
    """Time functions by turns, each at least once.

    :param functions: ``{name: function without arguments}``.
    :param before: ``{name: function}`` that makes ready for every single call; it is not timed.
    :param clock: returns seconds.
    :param announce: called with the name before each turn.
    :return: ``{name: Measured}`` in seconds.
    """
    before = before or {}
    taken = {name: [] for name in functions}
    for _ in range(effort.rounds):
        for name, function in functions.items():
            if sum(taken[name]) < effort.budget:
                announce(name)
                taken[name] += _turn(function, effort.turn, clock, before.get(name, lambda: None))
    return {name: Measured(tuple(seconds)) for name, seconds in taken.items()}


def _turn(function, length, clock, before):
    """Seconds of each call; the first warms up caches and counts only where it is as long as the turn."""
    first = _seconds(function, clock, before)
    if first >= length:
        return [first]
    taken, start = [], clock()
    while clock() - start < length or len(taken) < _FEWEST_CALLS:
        taken.append(_seconds(function, clock, before))
    return taken


def _seconds(function, clock, before):
    before()
    start = clock()
    function()
    return clock() - start


def synchronized(function, device):
    """The function, followed by a wait until the device has finished its work."""
    wait = {"cuda": torch.cuda.synchronize, "mps": torch.mps.synchronize}.get(device.type)
    if wait is None:
        return function

    def whole():
        function()
        wait()

    return whole
