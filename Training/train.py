"""``nexpr train``: Lightning's command line over our module and data."""

from lightning.pytorch.callbacks import EMAWeightAveraging, ModelCheckpoint
from lightning.pytorch.cli import LightningCLI

from .data import SliceData
from .training_module import NExpRTraining


def train(arguments):
    """Run ``fit`` with the options of a configuration file and overrides, e.g. ``--trainer.devices 2``."""
    LightningCLI(
        NExpRTraining,
        SliceData,
        args=["fit", *arguments],
        seed_everything_default=0,
        save_config_kwargs={"overwrite": True},
        trainer_defaults={
            "reload_dataloaders_every_n_epochs": 1,
            "callbacks": [EMAWeightAveraging(decay=0.999), ModelCheckpoint(save_last=True)],
        },
    )


if __name__ == "__main__":
    import sys

    train(sys.argv[1:])
