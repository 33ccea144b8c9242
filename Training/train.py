"""``nexpr train``: Lightning's command line over our module and data."""

import logging
import warnings

from lightning.pytorch.callbacks import EMAWeightAveraging, ModelCheckpoint
from lightning.pytorch.cli import LightningCLI

from .data_module import SliceData
from .training_module import NExpRTraining


class TrainingCommand(LightningCLI):
    """Adds what every run has: averaged weights (``ema``), and checkpoints ``last.ckpt`` and ``best.ckpt``."""

    def add_arguments_to_parser(self, parser):
        parser.add_lightning_class_args(EMAWeightAveraging, "ema")
        parser.add_lightning_class_args(ModelCheckpoint, "last")
        parser.add_lightning_class_args(ModelCheckpoint, "best")
        parser.set_defaults(
            {
                "ema.decay": 0.999,
                "last.filename": "last",
                "last.save_on_train_epoch_end": True,
                "last.enable_version_counter": False,
                "best.filename": "best",
                "best.monitor": "psnr",
                "best.mode": "max",
                "best.enable_version_counter": False,
            }
        )


def train(arguments):
    """Run Lightning's ``fit`` with ``--config FILE`` and overrides, e.g. ``--trainer.devices 2``, ``--resume FILE``.

    :raises ValueError: for data that cannot be used, and when the loss is no longer finite.
    """
    warnings.filterwarnings("ignore", message="LightningCLI's args parameter")
    warnings.filterwarnings("ignore", message=".*LeafSpec.* is deprecated")
    logging.getLogger("lightning.pytorch.utilities.rank_zero").setLevel(logging.WARNING)
    arguments = ["--ckpt_path" + a.removeprefix("--resume") if a.startswith("--resume") else a for a in arguments]
    TrainingCommand(
        NExpRTraining,
        SliceData,
        args=["fit", *arguments],
        seed_everything_default=0,
        save_config_kwargs={"overwrite": True},
        # Item i of the training data depends on the epoch, see TrainingCrops.
        trainer_defaults={"reload_dataloaders_every_n_epochs": 1},
    )
