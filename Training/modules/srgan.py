"""Training of SRGAN."""

from typing import Literal

import torch
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy
from torch.nn.functional import l1_loss

from ..methods import Kind, names_of
from ..methods.srgan import VGGStyleDiscriminator
from .fixed_scale import FixedScaleTraining
from .perceptual import PerceptualLoss
from .schedule import Schedule


class SRGANTraining(FixedScaleTraining):
    """Trains the generator on pixels first, then against the discriminator (Ledig et al. 2017; losses, weights and
    schedules as in BasicSR's training of MSRResNet and MSRGAN).

    :param scale: 2, 3 or 4.
    :param pretraining: share of the run with the pixel loss alone.
    :param learning_rate, schedule: during pretraining.
    :param adversarial_learning_rate, adversarial_schedule: afterwards, for both networks.
    :param crop_size: that of the data; ``scale`` times it is a multiple of 32.
    :param vgg_weights: state dictionary of torchvision's VGG19. Without it, there is no perceptual loss, and the pixel
        loss keeps its full weight beside the adversarial one.
    """

    automatic_optimization = False

    def __init__(
        self,
        method: Literal[names_of(Kind.ADVERSARIAL)] = "SRGAN",
        scale: Literal[2, 3, 4] = 4,
        learning_rate: float = 2e-4,
        schedule: Schedule = Schedule(cosine_periods=4),  # noqa: B008
        pretraining: float = 1 / 2,
        adversarial_learning_rate: float = 1e-4,
        adversarial_schedule: Schedule = Schedule(halve_at=[1 / 8, 1 / 4, 1 / 2, 3 / 4]),  # noqa: B008
        adversarial_weight: float = 5e-3,
        pixel_weight: float = 1e-2,
        crop_size: int = 32,
        vgg_weights: str | None = None,
    ):
        super().__init__(method, scale, learning_rate, schedule)
        self.save_hyperparameters()
        self.adversarial_schedule = adversarial_schedule
        self.discriminator = VGGStyleDiscriminator(scale * crop_size)
        self._perceptual_losses = []

    def on_fit_start(self):
        crop_size = self.trainer.datamodule.hparams.crop_size
        if crop_size != self.hparams.crop_size:
            raise ValueError(
                f"The discriminator is made for crops of {self.hparams.crop_size} pixels, and those of the data have "
                f"{crop_size}: give --model.crop_size and --data.crop_size the same value."
            )
        if self.hparams.vgg_weights:
            # In a list, so that checkpoints do not hold VGG.
            self._perceptual_losses = [PerceptualLoss(self.hparams.vgg_weights).to(self.device)]
        else:
            self.print("SRGAN: no perceptual loss, because no --model.vgg_weights are given.")

    def training_step(self, samples):
        progress = self.global_step / self.trainer.estimated_stepping_batches
        share = self.hparams.pretraining
        if progress < share:
            loss = self.pixel_loss(samples)
            self._generator_step(loss, self.hparams.learning_rate * self.schedule.factor(progress / share))
        else:
            factor = self.adversarial_schedule.factor((progress - share) / (1 - share))
            self._adversarial_step(samples, self.hparams.adversarial_learning_rate * factor)

    def _adversarial_step(self, samples, learning_rate):
        results = torch.stack(self.restored(samples))[:, None]
        truths = torch.stack([truth for sample in samples for truth in sample.truths])[:, None]
        self.discriminator.requires_grad_(False)
        logits = self.discriminator(results)
        adversarial_loss = cross_entropy(logits, torch.ones_like(logits))
        pixel_loss = l1_loss(results, truths)
        loss = self.hparams.adversarial_weight * adversarial_loss
        loss = loss + pixel_loss * (self.hparams.pixel_weight if self._perceptual_losses else 1)
        for perceptual_loss in self._perceptual_losses:
            loss = loss + perceptual_loss(results, truths)
        self._generator_step(loss, learning_rate)

        self.discriminator.requires_grad_(True)
        on_truths, on_results = self.discriminator(truths), self.discriminator(results.detach())
        discriminator_loss = cross_entropy(on_truths, torch.ones_like(on_truths)) + cross_entropy(
            on_results, torch.zeros_like(on_results)
        )
        # Not by Lightning's wrapper, which would count it as another step of the run.
        optimizer = self.optimizers()[1].optimizer
        self._step(optimizer, discriminator_loss, learning_rate)
        self.log_dict({"pixel_loss": pixel_loss, "discriminator_loss": discriminator_loss})

    def _generator_step(self, loss, learning_rate):
        self._step(self.optimizers()[0], self.stop_unless_finite(loss), learning_rate)
        self.log("loss", loss, prog_bar=True)

    def _step(self, optimizer, loss, learning_rate):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()

    def configure_optimizers(self):
        return [torch.optim.Adam(network.parameters()) for network in (self.network, self.discriminator)]
