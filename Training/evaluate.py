"""``nexpr evaluate``: degrade volumes, restore them, and compare with the truth; or run a whole comparison."""

import shlex
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from tqdm import tqdm

from NExpRLib.allocator import freed_memory_kept
from NExpRLib.model import load_model
from NExpRLib.model_card import model_folder
from NExpRLib.volumes import checked_pixels

from .degradation import DEGRADATIONS, measured_part
from .evaluation import METRICS, evaluate_slice, normalized_slices
from .file_table import fact_of_volume, read_table
from .files import read_volume, volumes_at
from .models import write_card
from .restorers import NExpR, classical_methods
from .table import markdown_table


def add_arguments(parser):
    parser.add_argument("inputs", nargs="*", metavar="VOLUME", help="files or folders; their k slices are the truth")
    parser.add_argument("--model", default="mri", help="name or folder of a model (default: mri)")
    parser.add_argument("--scales", type=float, nargs="+", default=[2, 3, 4], help="default: 2 3 4")
    parser.add_argument("--degradation", choices=DEGRADATIONS, help="default: that which the model was trained for")
    parser.add_argument(
        "--window",
        type=float,
        nargs=2,
        metavar=("LOW", "HIGH"),
        help="intensities that become 0 and 1, the rest is clipped (default: 0.1 and 99.9 percentiles of each volume)",
    )
    parser.add_argument(
        "--effective-resolution",
        metavar="TABLE",
        help="table of images that the scanner zero-filled, as of nexpr prepare: the rest of k-space is cropped first",
    )
    parser.add_argument("--device", default="auto", help="auto, cuda, mps or cpu")
    parser.add_argument("--update-card", action="store_true", help="write the means and this command to the model card")
    comparison = parser.add_argument_group(
        "comparison of all methods (instead of VOLUME)", "Trains what is missing; a run that was stopped continues."
    )
    comparison.add_argument("--config", metavar="FILE", help="methods, data and experiments, see configs/evaluate/")
    comparison.add_argument("--data", default=".", metavar="FOLDER", help="where its data lie (default: here)")
    comparison.add_argument("--output", metavar="FOLDER", help="tables, figures, networks (default: nexpr-NAME)")


@freed_memory_kept()
def run(arguments):
    if arguments.config:
        run_comparison(arguments)
        return
    _check(arguments)
    sources = [source for path in arguments.inputs for source in volumes_at(path)]
    table = arguments.effective_resolution
    shares = read_table(table, "resolution") if table else {}
    model = load_model(arguments.model, arguments.device)
    trained_for = model.card.get("degradation", "kspace")
    degradation = arguments.degradation or trained_for
    note = "" if degradation == trained_for else f"; the model was trained for {trained_for}"
    print(f'Model "{model.card["name"]}" on {model.device}. Degradation: {degradation}{note}.')
    methods = classical_methods(degradation)
    methods["NExpR"] = NExpR(degradation, model)
    tables = evaluate_volumes(sources, arguments.scales, degradation, methods, arguments.window, shares)
    for metric, table in tables.items():
        print(f"\n{metric}\n{table}")
    if arguments.update_card:
        folder = model_folder(arguments.model)
        by_line = {metric: table.splitlines() for metric, table in tables.items()}
        metrics = {"command": _command(arguments, degradation), "tables": by_line}
        write_card({**model.card, "metrics": metrics}, folder)


def run_comparison(arguments):
    """Train, measure and write the page that ``--config`` asks for."""
    from .comparison.page import compare

    if arguments.inputs:
        raise ValueError("Name volumes or --config, not both: a configuration names its own data.")
    name = Path(arguments.config).stem
    output = Path(arguments.output or f"nexpr-{name}")
    command = shlex.join(["nexpr", "evaluate", "--config", _in_repository(arguments.config), "--data", "FOLDER"])
    page = compare(arguments.config, output, arguments.data, arguments.device, command)
    print(f"Results: {page}")


def evaluate_volumes(sources, scales, degradation, methods, window=None, shares=None):
    """Mean over the slices of all volumes, and of each volume: ``{metric: Markdown table}``.

    Slices that hold one value only, which every method restores, are left out.

    :param shares: measured shares of k-space per file, see :func:`~.file_table.read_table`.
    :raises ValueError: for a volume of such slices.
    """
    measured, left_out = {}, 0
    with tqdm(sources, unit="volume", disable=None) as bar:
        for source in bar:
            bar.set_description(source.name)
            measured_shares = fact_of_volume(source, shares or {})
            if shares and not measured_shares:
                tqdm.write(f"No resolution of {source.name} in the table, so used whole.")
            along_x, along_y = measured_shares or (1.0, 1.0)
            slices = normalized_slices(_pixels(source, (along_y, along_x)), window)
            with_contrast = [truth for truth in slices if truth.min() < truth.max()]
            if not with_contrast:
                raise ValueError(f"{source}: every slice holds one value only, there is nothing to compare.")
            left_out += len(slices) - len(with_contrast)
            for truth in tqdm(with_contrast, unit="slice", leave=False, disable=None):
                for scale in scales:
                    _, results = evaluate_slice(truth, scale, degradation, methods)
                    for name, (_, values) in results.items():
                        for metric, value in values.items():
                            measured.setdefault((metric, source, name, scale), []).append(value)
    if left_out:
        print(f"Left out: {left_out} slices that hold one value only.")
    return {metric: _table(metric, sources, scales, methods, measured) for metric in METRICS}


def _in_repository(config):
    """Path of a configuration as seen from the repository, or its name."""
    repository = Path(__file__).resolve().parents[1]
    path = Path(config).resolve()
    return path.relative_to(repository).as_posix() if path.is_relative_to(repository) else path.name


def _check(arguments):
    if not arguments.inputs:
        raise ValueError("Name a volume to evaluate on, or a comparison to run (--config FILE).")
    if not all(1 < scale <= 16 for scale in arguments.scales):
        raise ValueError("The scales to evaluate must be above 1 and at most 16.")
    if arguments.window and not arguments.window[0] < arguments.window[1]:
        low, high = arguments.window
        raise ValueError(f"The window {low:g} {high:g} must go from a lower to a higher intensity.")


def _pixels(source, shares):
    """Slices (n, H, W) of a volume that can be evaluated, of what was measured; the window of SSIM has to fit."""
    image = read_volume(source)
    try:
        checked_pixels(image)
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from error
    pixels = sitk.GetArrayFromImage(image)
    pixels = measured_part(pixels.reshape(-1, *pixels.shape[-2:]), shares)
    if min(pixels.shape[-2:]) < 11:
        raise ValueError(
            f"{source}: slices of {pixels.shape[-2]} x {pixels.shape[-1]} pixels are too small to compare."
        )
    return pixels


def _command(arguments, degradation):
    """The command without the folders of this machine."""
    names = [Path(path).name for path in arguments.inputs]
    scales = [f"{scale:g}" for scale in arguments.scales]
    model = Path(arguments.model).name
    options = ["--model", model, "--scales", *scales, "--degradation", degradation]
    if arguments.window:
        options += ["--window", *(f"{value:g}" for value in arguments.window)]
    if arguments.effective_resolution:
        options += ["--effective-resolution", Path(arguments.effective_resolution).name]
    return shlex.join(["nexpr", "evaluate", *names, *options])


def _table(metric, sources, scales, methods, measured):
    def cells(group, method):
        values = ([v for source in group for v in measured[metric, source, method, scale]] for scale in scales)
        return [f"{np.mean(v):.4f}" if metric == "SSIM" else f"{np.mean(v):.2f}" for v in values]

    groups = [*((source.name, [source]) for source in sources), ("all slices", sources)]
    rows = [[name, method, *cells(group, method)] for name, group in groups for method in methods]
    return markdown_table(["Volume", "Method", *(f"{scale:g}x" for scale in scales)], rows)
