"""``nexpr train``: train a network, with the options of Lightning's command line."""

import textwrap

from ..configs import config_names

HELP = """\
usage: nexpr train --config CONFIG [--OPTION VALUE ...] [--resume CHECKPOINT]

Train a network on slices that "nexpr prepare" has written.

CONFIG is a file, or the name of one that comes with NExpR:
{configs}

Every value of the configuration is an option, such as:
  --data.data DATA.npz             prepared slices
  --data.validation_subjects LIST  kept out of training: [ann,bob] or '["001"]' (default: as prepared)
  --data.degradation NAME          kspace (MRI), bicubic (CT), paper, or slices
  --data.scales [LOW,HIGH]         range of scales
  --data.crop_size N               side of a crop in low-resolution pixels
  --data.slices_per_batch N        slices per step, on each device
  --data.crops_per_slice N         crops of each of them
  --data.steps_per_epoch N         steps until the next validation (default: one pass over the slices)
  --data.workers N                 processes that prepare crops
  --model.network.blocks N         depth of the network
  --model.network.features N       width of the network
  --model.learning_rate RATE
  --trainer.max_steps N            length of the run
  --trainer.devices N              GPUs
  --trainer.accelerator NAME       gpu or cpu (default: the fastest present)
  --trainer.default_root_dir DIR   where lightning_logs is written (default: here)
  --seed_everything N              seed of the weights (default: 0)
  --threads N                      of the CPU (default: OMP_NUM_THREADS, else idle cores)

  --resume CHECKPOINT              continue a run
  --print_config                   print the whole configuration and exit
  --help-all                       all options, those of Lightning's trainer included

Checkpoints are written to lightning_logs/version_N/checkpoints; "nexpr models export" turns one into a model."""


def run(arguments):
    """:param arguments: of the shell, which Lightning parses."""
    if {"-h", "--help"} & set(arguments):
        print(HELP.format(configs=_wrapped(config_names())))
        return
    from ..modules.run import train

    for checkpoint in train(["--help" if argument == "--help-all" else argument for argument in arguments]):
        print(f"Checkpoint: {checkpoint}")


def _wrapped(names):
    return textwrap.fill(", ".join(names), 80, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
