"""Published learning-rate schedules, in shares of the run, so that a run of any length has the published shape."""

import math
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Schedule:
    """Factor of the learning rate over the course of a run.

    :ivar halve_at: shares of the run after which the learning rate is halved, e.g. 0.5 and 0.8.
    :ivar warmup: share of the run in which the learning rate rises linearly to its full value.
    :ivar warmup_start: the factor at the beginning of the warm-up.
    :ivar cosine_periods: after the warm-up, fall to 0 along half a cosine that many times.
    """

    halve_at: list[float] = field(default_factory=list)
    warmup: float = 0.0
    warmup_start: float = 0.1
    cosine_periods: int = 0

    def factor(self, progress):
        """Factor at ``progress``, the share of the run that is done (0 to 1)."""
        if progress < self.warmup:
            return self.warmup_start + (1 - self.warmup_start) * progress / self.warmup
        factor = 0.5 ** sum(progress >= share for share in self.halve_at)
        if self.cosine_periods:
            periods = self.cosine_periods * (progress - self.warmup) / (1 - self.warmup)
            factor *= (1 + math.cos(math.pi * (periods % 1))) / 2
        return factor
