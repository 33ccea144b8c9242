"""The ``nexpr`` command. Each subcommand is a module with ``add_arguments(parser)`` and ``run(arguments)``."""

import argparse
import importlib
import os
import signal
import sys

from NExpRLib import __version__

COMMANDS = {
    "upsample": "super-resolve volumes",
    "inspect": "tell what a scanner measured along each axis of volumes",
    "demo": "restore a real brain MRI that comes with nilearn, with a figure and a table",
    "evaluate": "measure a model on volumes",
    "compare": "train all methods and compare them",
    "prepare": "turn a folder of volumes into slices for training",
    "benchmark": "measure the speed on this machine, beside other methods",
    "models": "list, show, verify and export models",
    "train": "train a network",
}


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def main(argv=None):
    """Run ``nexpr`` with the arguments of the shell. Exit status 0, or 2 with one line on stderr for bad input."""
    argv = sys.argv[1:] if argv is None else argv
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # A name that the console's encoding lacks is no reason to stop.
            # Lines come in order where both go into one log.
            stream.reconfigure(errors="backslashreplace", line_buffering=True)
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # There is no SIGHUP on Windows, and nohup ignores it.
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        if argv[:1] == ["train"]:
            from .commands.train import run

            run(argv[1:])
        else:
            arguments = _parse(argv)
            _check_model(getattr(arguments, "model", None))
            importlib.import_module(f".commands.{arguments.command}", __package__).run(arguments)
    except (ValueError, MemoryError) as error:
        sys.exit(_fail(str(error), 2))
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] in ("NExpRLib", "NExpRTraining"):
            raise
        missing = f"the package {error.name} is not installed" if error.name else str(error)
        sys.exit(_fail(f'{missing} (in the folder of NExpR: pip install ".[demo,train]")', 2))
    except ImportError as error:  # such as too little memory to load a library
        sys.exit(_fail(f"a package cannot be loaded: {error}", 2))
    except BrokenPipeError:  # The reader of the output, such as head, has seen enough.
        sys.stdout = None
        sys.exit(141)
    except OSError as error:
        sys.exit(_fail(f"{error.filename}: {error.strerror}" if error.filename else str(error), 2))
    except KeyboardInterrupt:
        sys.exit(_fail("interrupted, nothing half-written is left", 130))


def _check_model(model):
    """Refuse a name that may be that of a model in the package or of a folder here."""
    from NExpRLib.model_card import MODELS_FOLDER, model_names

    if model in model_names() and os.path.isfile(os.path.join(model, "card.json")):
        if not os.path.samefile(model, MODELS_FOLDER / model):
            raise ValueError(
                f'"{model}" is a model in the package and also a folder with a model here: write ./{model} for the '
                "folder, or rename it."
            )


def _fail(message, status):
    print(f"nexpr: error: {' '.join(message.split()) or 'There is not enough memory.'}", file=sys.stderr)
    return status


def _parse(argv):
    parser = _Parser(prog="nexpr", description="Explicit super-resolution of MRI and CT. For research use only.")
    parser.add_argument("--version", action="version", version=f"nexpr {__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, summary in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=summary, description=summary)
        if argv[:1] == [name]:
            importlib.import_module(f".commands.{name}", __package__).add_arguments(subparser)
            parser.error = subparser.error  # names the command
    arguments, more = parser.parse_known_args(argv)
    if more and hasattr(arguments, "inputs") and not any(argument.startswith("-") for argument in more):
        arguments.inputs += more  # argparse takes only those before the first option
    elif more:
        parser.error(f"unrecognized arguments: {' '.join(more)}")
    return arguments
