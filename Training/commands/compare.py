"""``nexpr compare``: train all methods and compare them."""

import shlex
from pathlib import Path

import torch

from NExpRLib.allocator import freed_memory_kept

from ..comparison.page import compare
from ..configs import config_names, config_path


def add_arguments(parser):
    parser.description += ". Trains what is missing; a run that was stopped continues."
    shipped = ", ".join(config_names("compare"))
    parser.add_argument(
        "config",
        metavar="CONFIG",
        help=f"methods, data and experiments: a file, or the name of one that comes with NExpR ({shipped})",
    )
    parser.add_argument("--data", default=".", metavar="FOLDER", help="where its data lie (default: here)")
    parser.add_argument("-o", "--output", metavar="FOLDER", help="tables, figures, networks (default: nexpr-NAME)")
    parser.add_argument("--device", default="auto", help="auto, cuda, mps or cpu (default: auto)")


@freed_memory_kept()
def run(arguments):
    torch.backends.cudnn.allow_tf32 = False  # Convolutions in float32 are in float32 on GPUs as well.
    config = config_path(arguments.config, "compare")
    output = Path(arguments.output or f"nexpr-{config.stem}")
    command = shlex.join(["nexpr", "compare", config.name, "--data", "FOLDER"])
    print(f"Results: {compare(config, output, arguments.data, arguments.device, command)}")
