"""What the training of all methods shares: loss, optimizer, learning rate, validation, logging."""

import abc

import lightning
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from torchmetrics.functional.image import peak_signal_noise_ratio


class RestorationTraining(lightning.LightningModule, abc.ABC):
    """Trains ``self.network`` on the mean absolute difference at the true pixels, by Adam.

    Subclasses say how a sample is restored (:meth:`restored`). The learning rate is ``self.hparams.learning_rate``
    times the factor of ``self.schedule``, unless they define :meth:`learning_rate_factor` otherwise.

    :ivar fixed_scale: the one scale of the network, ``None`` if it serves all.
    """

    fixed_scale = None

    @abc.abstractmethod
    def restored(self, samples):
        """Results at the true pixels of every crop of a list of :class:`~.data.items.Crops`: list of (H, W)."""

    def learning_rate_factor(self, step, total):
        """Factor of the learning rate at a step of a run of ``total`` steps."""
        return self.schedule.factor(step / total)

    def training_step(self, samples):
        loss = self.stop_unless_finite(self.pixel_loss(samples))
        self.log("loss", loss, prog_bar=True)
        return loss

    def pixel_loss(self, samples):
        """Mean absolute difference; every crop counts the same."""
        truths = [truth for sample in samples for truth in sample.truths]
        losses = [
            torch.nn.functional.l1_loss(result, truth)
            for result, truth in zip(self.restored(samples), truths, strict=True)
        ]
        return torch.stack(losses).mean()

    def stop_unless_finite(self, loss):
        """The loss.

        :raises ValueError: if it is not finite.
        """
        if not torch.isfinite(loss):
            raise ValueError(
                f"The loss is {loss.item()} at step {self.global_step}: train again with a lower learning rate "
                "(see learning_rate in the configuration). The last checkpoint is kept."
            )
        return loss

    def validation_step(self, batch, batch_index):
        (slice_at_scales,) = batch
        for scale, sample in slice_at_scales:
            result = self.restored([sample])[0].clamp(0, 1)
            psnr = peak_signal_noise_ratio(result, sample.truths[0], data_range=1.0)
            self.log(f"psnr_{scale:g}x", psnr, batch_size=1, sync_dist=True)
            self.log("psnr", psnr, batch_size=1, prog_bar=True, sync_dist=True)
            if batch_index == 0 and isinstance(self.logger, TensorBoardLogger):
                truth_and_result = torch.cat([sample.truths[0], result], dim=1)[None]
                self.logger.experiment.add_image(f"truth, result at {scale:g}x", truth_and_result, self.global_step)

    def configure_optimizers(self):
        trained = [parameter for parameter in self.parameters() if parameter.requires_grad]
        optimizer = torch.optim.Adam(trained, lr=self.hparams.learning_rate)
        total = self.trainer.estimated_stepping_batches
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: self.learning_rate_factor(step, total))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
