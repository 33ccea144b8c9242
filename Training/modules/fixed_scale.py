"""Training of EDSR, SwinIR and SRConvNet."""

from typing import Literal

import torch

from ..methods import METHODS, Kind, names_of
from .base import RestorationTraining
from .schedule import Schedule


class FixedScaleTraining(RestorationTraining):
    """Trains the network of one scale on crops whose truth is that many times their size.

    :param method: whose network.
    :param scale: 2, 3 or 4.
    :param learning_rate: of Adam, times the factor of ``schedule``.
    :param network: its sizes, where they are not the published ones, e.g. ``{"blocks": 5, "features": 32}``.
    """

    def __init__(
        self,
        method: Literal[names_of(Kind.FIXED_SCALE)],
        scale: Literal[2, 3, 4] = 4,
        learning_rate: float = 1e-4,
        schedule: Schedule = Schedule(),  # noqa: B008
        network: dict[str, int] = {},  # noqa: B006
    ):
        super().__init__()
        self.save_hyperparameters()
        self.fixed_scale = scale
        self.schedule = schedule
        self.network = METHODS[method].network(scale, **network)

    def restored(self, samples):
        truths = [truth for sample in samples for truth in sample.truths]
        results = self.network(torch.cat([sample.inputs for sample in samples]))[:, 0].float()
        return [result[: truth.shape[0], : truth.shape[1]] for result, truth in zip(results, truths, strict=True)]
