"""The Lightning module: loss, optimizer, schedule and validation of a network."""

import lightning
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from torchmetrics.functional.image import peak_signal_noise_ratio

from NExpRLib.explicit_image import ExplicitImage
from NExpRLib.interpolation import prefilter
from NExpRLib.network import NetworkConfig, NExpRNetwork, coefficient_matrices


class NExpRTraining(lightning.LightningModule):
    """Trains a network to predict the function behind a low-resolution slice, by its values at the true pixels.

    :param network: architecture.
    :param learning_rate: of Adam, reached after ``warmup_steps``.
    :param decay_steps: the learning rate falls linearly to 0 over the last ones before ``trainer.max_steps``. A run
        that was stopped anywhere is finished by resuming it with ``max_steps`` that many steps later.
    """

    def __init__(
        self, network: NetworkConfig, learning_rate: float = 4e-4, warmup_steps: int = 500, decay_steps: int = 4000
    ):
        super().__init__()
        self.save_hyperparameters()
        self.network = NExpRNetwork(network).to(memory_format=torch.channels_last)

    def explicit_image(self, inputs):
        """Function of each normalized input (b, 1, h, w); gradients flow to the network and its frequencies."""
        config = self.network.config
        numbers = self.network(inputs.contiguous(memory_format=torch.channels_last))
        row_frequencies, column_frequencies = self.network.frequencies()
        return ExplicitImage.from_coefficients(
            coefficient_matrices(numbers, config.basis),
            self._exact(prefilter, inputs[:, 0], config.skip),
            shape=tuple(inputs.shape[-2:]),
            patch_size=config.patch_size,
            blend=config.blend,
            row_frequencies=row_frequencies,
            column_frequencies=column_frequencies,
            skip=config.skip,
        )

    def _exact(self, function, *args, **kwargs):
        """Call in float32: only the network may run in lower precision."""
        with torch.autocast(self.device.type, enabled=False):
            return function(*args, **kwargs)

    def training_step(self, samples):
        images = self.explicit_image(torch.cat([sample.inputs for sample in samples]))
        truths = [truth for sample in samples for truth in sample.truths]
        rows = [r for sample in samples for r in sample.rows]
        columns = [c for sample in samples for c in sample.columns]
        losses = [
            torch.nn.functional.l1_loss(self._exact(images[i].rasterize, rows=rows[i], columns=columns[i]), truth)
            for i, truth in enumerate(truths)
        ]
        loss = torch.stack(losses).mean()
        if not torch.isfinite(loss):
            raise ValueError(
                f"The loss is {loss.item()} at step {self.global_step}: train again with a lower learning rate "
                "(--model.learning_rate RATE). The last checkpoint is kept."
            )
        self.log("loss", loss, prog_bar=True)
        return loss

    def validation_step(self, samples, batch_index):
        for scale, sample in samples:
            image = self.explicit_image(sample.inputs)[0]
            result = self._exact(image.rasterize, rows=sample.rows[0], columns=sample.columns[0]).clamp(0, 1)
            psnr = peak_signal_noise_ratio(result, sample.truths[0], data_range=1.0)
            self.log(f"psnr_{scale:g}x", psnr, batch_size=1, sync_dist=True)
            self.log("psnr", psnr, batch_size=1, prog_bar=True, sync_dist=True)
            if batch_index == 0 and isinstance(self.logger, TensorBoardLogger):
                truth_and_result = torch.cat([sample.truths[0], result], dim=1)[None]
                self.logger.experiment.add_image("truth, result", truth_and_result, self.global_step)

    def configure_optimizers(self):
        optimizer = torch.optim.Adam(self.parameters(), lr=self.hparams.learning_rate)
        total = self.trainer.estimated_stepping_batches
        warmup, decay = self.hparams.warmup_steps, self.hparams.decay_steps

        def factor(step):
            return max(0.0, min(1.0, (step + 1) / warmup, (total - step) / decay))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
