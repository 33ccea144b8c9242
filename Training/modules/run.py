"""A run of training: Lightning's command line over our modules and data."""

import logging
import re
import sys
import warnings
from pathlib import Path

from jsonargparse.typing import PositiveInt
from lightning.pytorch.callbacks import EMAWeightAveraging, ModelCheckpoint
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from NExpRLib.allocator import freed_memory_kept

from ..configs import config_names, config_path
from ..data.data_module import SliceData
from ..models.checkpoint import read_checkpoint
from ..threads import DEFAULT_THREADS, use_threads
from .base import RestorationTraining
from .epoch_lines import EpochLines


class _Parser(LightningArgumentParser):
    """Ends with one line instead of a page of options."""

    def error(self, message, ex=None):
        self.exit(2, f"nexpr train: error: {_objection(' '.join(message.split()))} (see nexpr train --help)\n")


def _objection(message):
    """What a class objects to, which jsonargparse says among all types that it has tried."""
    tried = re.search(
        r"^(.*?)Does not validate against any of the Union .*?Errors:(.*?)Given value type:", message, re.DOTALL
    )
    if tried is None:
        return message
    said = [one.strip() for one in re.split(r"\s- ", tried[2]) if one.strip()]
    if said[0].startswith("Expected a <class 'str'>"):  # YAML takes 001 for 1.
        said[0] += ", names of digits need quotes: '[\"001\"]'"
    return tried[1] + "; ".join(one for one in said if one != "Expected a <class 'NoneType'>")


class TrainingCommand(LightningCLI):
    """Adds what every run has: averaged weights (``ema``), and checkpoints ``last.ckpt`` and ``best.ckpt``.

    A configuration whose ``model`` names no class trains NExpR.
    """

    def parse_arguments(self, parser, args):
        super().parse_arguments(parser, args)
        path, steps = self.config.fit.ckpt_path, self.config.fit.trainer.max_steps
        if steps == 0:
            raise ValueError("--trainer.max_steps must be 1 or more.")
        if path is not None and Path(path).is_file():  # Lightning knows names such as "last", and says what is missing.
            done = read_checkpoint(path)["global_step"]
            if 0 < steps <= done:
                raise ValueError(f"{path} has done {done} steps already: --trainer.max_steps must be higher.")

    def add_arguments_to_parser(self, parser):
        parser.usage = "nexpr train --config CONFIG [--OPTION VALUE ...] [--resume CHECKPOINT]"
        parser.description = (
            "Trains a network. --config FILE may be the name of a configuration that comes with NExpR "
            f"({', '.join(config_names())}); options change its values. --resume CHECKPOINT continues a run."
        )
        parser.add_argument("--threads", type=PositiveInt | None, help=f"of the CPU ({DEFAULT_THREADS})")
        parser.add_lightning_class_args(EMAWeightAveraging, "ema")
        parser.add_lightning_class_args(ModelCheckpoint, "last")
        parser.add_lightning_class_args(ModelCheckpoint, "best")
        parser.set_defaults(
            {
                "model": {"class_path": "NExpRTraining"},
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

    def before_instantiate_classes(self):
        data = self.config.fit.data.data
        if not Path(data).is_file():  # Said before Lightning makes a folder of the run.
            raise ValueError(
                f"There is no file {data}: write it with nexpr prepare, or name another one with --data.data."
            )
        use_threads(self.config.fit.threads)
        if not sys.stdout.isatty() and self.config.fit.trainer.enable_progress_bar is not False:
            self.trainer_defaults["callbacks"] = [EpochLines()]


def _of_shell(arguments):
    """Arguments for Lightning: checkpoints to resume by its name, configurations of the package by their path."""
    found = ["fit"]
    for argument in arguments:
        option, equals, value = argument.partition("=")
        if option == "--resume":
            option = "--ckpt_path"
        elif option in ("--config", "-c") and equals:
            value = str(config_path(value))
        elif found[-1] in ("--config", "-c"):
            option, equals, value = str(config_path(argument)), "", ""
        found.append(option + equals + value)
    return found


@freed_memory_kept()
def train(arguments):
    """Run Lightning's ``fit``.

    :param arguments: of the shell: ``--config FILE``, changes of it such as ``--trainer.devices 2``, ``--resume FILE``;
        or a whole configuration as a dictionary.
    :return: paths of the checkpoints; in other processes than the first, none.
    :raises ValueError: for data that cannot be used, and when the loss is no longer finite.
    :raises KeyboardInterrupt: on Ctrl-C.
    """
    warnings.filterwarnings("ignore", message="LightningCLI's args parameter")
    warnings.filterwarnings("ignore", message=".*LeafSpec.* is deprecated")
    # The data begin at the step that was reached, see SliceData.
    warnings.filterwarnings("ignore", message="You're resuming from a checkpoint that ended before the epoch ended")
    warnings.filterwarnings("ignore", message="Checkpoint directory .* exists and is not empty")
    for name in ("lightning.pytorch.utilities.rank_zero", "lightning.fabric.utilities.seed"):
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        command = TrainingCommand(
            RestorationTraining,
            SliceData,
            subclass_mode_model=True,
            args={"subcommand": "fit", "fit": arguments} if isinstance(arguments, dict) else _of_shell(arguments),
            seed_everything_default=0,
            parser_class=_Parser,
            save_config_kwargs={"overwrite": True},
            # The training data of an epoch begin at the step that was reached, see SliceData.
            trainer_defaults={"reload_dataloaders_every_n_epochs": 1},
        )
    except MisconfigurationException as error:
        raise ValueError(str(error)) from error
    except ValueError as error:
        raise ValueError(_objection(str(error))) from error
    except SystemExit as error:
        if error.code == 1:  # Lightning's answer to Ctrl-C.
            raise KeyboardInterrupt from error
        raise
    if not command.trainer.is_global_zero:
        return []
    paths = [Path(callback.dirpath, f"{callback.filename}.ckpt") for callback in command.trainer.checkpoint_callbacks]
    return [path for path in paths if path.is_file()]
