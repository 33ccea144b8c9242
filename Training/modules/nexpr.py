"""Training of NExpR."""

import torch

from NExpRLib.model import load_model
from NExpRLib.network import NetworkConfig, NExpRNetwork

from .base import RestorationTraining
from .grown import grow
from .schedule import Schedule


class NExpRTraining(RestorationTraining):
    """Trains a network to predict the function behind a low-resolution slice, by its values at the true pixels.

    :param network: architecture.
    :param learning_rate: of Adam, reached after ``warmup_steps``.
    :param decay_steps: the learning rate falls linearly to 0 over the last ones before ``trainer.max_steps``. A run
        that was stopped anywhere is finished by resuming it with ``max_steps`` that many steps later.
    :param schedule: further factor of the learning rate, in shares of the run: it changes when a run is resumed with
        other ``max_steps``.
    :param learn_frequencies: otherwise the frequencies stay as they are initialized.
    :param start_from: name or folder of a model whose weights a run begins with, of the same architecture. It may have
        fewer blocks and not be told the noise level: what is new has no effect at first, see :mod:`.grown`.
    """

    def __init__(
        self,
        network: NetworkConfig,
        learning_rate: float = 4e-4,
        warmup_steps: int = 500,
        decay_steps: int = 4000,
        schedule: Schedule = Schedule(),  # noqa: B008
        learn_frequencies: bool = True,
        start_from: str | None = None,
    ):
        super().__init__()
        self.save_hyperparameters()
        self.schedule = schedule
        self.network = NExpRNetwork(network).to(memory_format=torch.channels_last)
        for frequencies in (self.network.row_frequencies, self.network.column_frequencies):
            frequencies.requires_grad_(learn_frequencies)

    def setup(self, stage):
        """Begins with other weights than random ones, if asked to; a resumed run has its own."""
        if self.hparams.start_from:
            grow(self.network, load_model(self.hparams.start_from, device="cpu").network)

    def explicit_image(self, inputs, conditions=None):
        """Function of each normalized input (b, 1 or 2, h, w); gradients flow to the network and its frequencies.

        :param conditions: (b, n), if the network takes any.
        """
        predicted = self.network(inputs.contiguous(memory_format=torch.channels_last), conditions)
        return self.network.explicit_image(predicted, inputs[:, 0])

    def restored(self, samples):
        inputs = torch.cat([sample.inputs for sample in samples])
        told = self.network.config.conditions > 0
        images = self.explicit_image(inputs, torch.cat([s.conditions for s in samples]) if told else None)
        rows = [r for sample in samples for r in sample.rows]
        columns = [c for sample in samples for c in sample.columns]
        return [images[i].rasterize(rows=r, columns=c) for i, (r, c) in enumerate(zip(rows, columns))]

    def learning_rate_factor(self, step, total):
        warmup, decay = (max(1, steps) for steps in (self.hparams.warmup_steps, self.hparams.decay_steps))
        factor = max(0.0, min(1.0, (step + 1) / warmup, (total - step) / decay))
        return factor * super().learning_rate_factor(step, total)
