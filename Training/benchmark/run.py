"""The whole benchmark: measured on every device, written as a report."""

import tempfile

from tqdm import tqdm

from NExpRLib.allocator import freed_memory_kept
from NExpRLib.model_card import check_of_pixels, read_card

from ..files.volume_files import atomic_output
from .cases import FULL, QUICK, measure, notes
from .machine import describe_machine, present_devices
from .report import report, rescale_figure, write_csv


def run_benchmark(model, quick=False, folder=None):
    """Measure on all devices of this machine.

    :param model: name or folder of a model.
    :param quick: tiny images and few repetitions.
    :param folder: path that receives ``benchmark.md``, ``benchmark.csv`` and ``benchmark.png``.
    :return: the report in Markdown.
    :raises ValueError: if the model or the folder cannot be used.
    """
    check_of_pixels(read_card(model))
    if folder:
        _check_writable(folder)
    workload = QUICK if quick else FULL
    machine, devices = describe_machine(), present_devices()
    rows, steps = [], []
    bar_format = "{desc} |{bar}| {n_fmt}/{total_fmt} [{elapsed}{postfix}]"
    with tqdm(total=len(devices) * workload.steps, bar_format=bar_format, disable=None) as bar:

        def announce(step, method):
            if step not in steps:
                bar.update(len(steps) - bar.n)
                steps.append(step)
            bar.set_description_str(step, refresh=False)
            bar.set_postfix_str(method)

        with freed_memory_kept():  # Also for the methods that would not ask for it.
            for device in devices:
                rows += measure(workload, device, model, announce)
        bar.update(len(steps) - bar.n)
    text = report(machine, rows, notes(workload))
    if folder:
        figure = rescale_figure(rows, machine)
        for name, write in (
            ("benchmark.md", lambda path: path.write_text(text, encoding="utf-8")),
            ("benchmark.csv", lambda path: write_csv(path, rows)),
            ("benchmark.png", lambda path: figure.savefig(path, dpi=130)),
        ):
            with atomic_output(folder / name) as temporary:
                write(temporary)
    return text


def _check_writable(folder):
    """Refuses before the work what would fail after it."""
    import matplotlib  # noqa: F401

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ValueError(f"The output folder {folder} cannot be made or written: {error.strerror}.") from error
