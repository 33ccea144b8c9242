"""``nexpr benchmark``: how long rescaling, encoding and whole volumes take on this machine, beside other methods."""

import tempfile
from pathlib import Path

from tqdm import tqdm

from NExpRLib.allocator import freed_memory_kept
from NExpRLib.model_card import read_card

from ..benchmark.cases import FULL, QUICK, measure, notes
from ..benchmark.machine import describe_machine, present_devices
from ..benchmark.report import report, rescale_figure, write_csv
from ..files.volume_files import atomic_output


def add_arguments(parser):
    parser.add_argument("--quick", action="store_true", help="tiny images, few repetitions: seconds instead of minutes")
    parser.add_argument("--model", default="mri", help="name or folder of a model (default: mri)")
    parser.add_argument("-o", "--output", metavar="FOLDER", help="write benchmark.md, benchmark.csv and benchmark.png")


def run(arguments):
    read_card(arguments.model)
    folder = _output_folder(arguments.output) if arguments.output else None
    plan = QUICK if arguments.quick else FULL
    machine, devices = describe_machine(), present_devices()
    rows, steps = [], []
    bar_format = "{desc} |{bar}| {n_fmt}/{total_fmt} [{elapsed}{postfix}]"
    with tqdm(total=len(devices) * plan.steps, bar_format=bar_format, disable=None) as bar:

        def announce(step, method):
            if step not in steps:
                bar.update(len(steps) - bar.n)
                steps.append(step)
            bar.set_description_str(step, refresh=False)
            bar.set_postfix_str(method)

        with freed_memory_kept():  # Also for the methods that would not ask for it.
            for device in devices:
                rows += measure(plan, device, arguments.model, announce)
        bar.update(len(steps) - bar.n)
    text = report(machine, rows, notes(plan))
    print(text)
    if folder:
        figure = rescale_figure(rows, machine)
        _write(folder / "benchmark.md", lambda path: path.write_text(text, encoding="utf-8"))
        _write(folder / "benchmark.csv", lambda path: write_csv(path, rows))
        _write(folder / "benchmark.png", lambda path: figure.savefig(path, dpi=130))
        print(f"Written to {folder.resolve()}: benchmark.md, benchmark.csv and benchmark.png.")


def _output_folder(name):
    """Refuses before the work what would fail after it."""
    import matplotlib  # noqa: F401

    folder = Path(name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ValueError(f"The output folder {folder} cannot be made or written: {error.strerror}.") from error
    return folder


def _write(path, write):
    with atomic_output(path) as temporary:
        write(temporary)
