"""Training of LIIF, LTE and SRNO."""

from typing import Literal

import torch

from ..methods import METHODS, Kind, names_of
from ..methods.arbitrary_scale import from_network, to_network
from .base import RestorationTraining
from .schedule import Schedule


class ArbitraryScaleTraining(RestorationTraining):
    """Trains one network for all scales at the true pixels of every crop.

    :param method: whose network.
    :param network: its sizes, where they are not the published ones, e.g. ``{"blocks": 5, "features": 32}``.
    :param learning_rate: of Adam, times the factor of ``schedule``.
    """

    def __init__(
        self,
        method: Literal[names_of(Kind.ARBITRARY_SCALE)],
        network: dict[str, int] = {},  # noqa: B006
        learning_rate: float = 1e-4,
        schedule: Schedule = Schedule(),  # noqa: B008
    ):
        super().__init__()
        self.save_hyperparameters()
        self.schedule = schedule
        self.network = METHODS[method].network(**network)

    def restored(self, samples):
        features = self.network.encode(to_network(torch.cat([sample.inputs for sample in samples])))
        queries = [q for sample in samples for q in zip(sample.rows, sample.columns, sample.cells)]
        values = [self.network.query(features[i : i + 1], *query)[0, 0] for i, query in enumerate(queries)]
        return [from_network(value.float()) for value in values]
