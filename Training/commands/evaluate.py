"""``nexpr evaluate``: degrade volumes, restore them, and compare with the truth; or run a whole comparison."""

import shlex
from functools import partial
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from NExpRLib.allocator import freed_memory_kept
from NExpRLib.model import load_model, torch_device
from NExpRLib.model_card import model_folder, read_card
from NExpRLib.volumes.geometry import PLANES

from ..data.degradation import DEGRADATIONS
from ..data.slices import slices_in_plane
from ..evaluation.markdown import markdown_table
from ..evaluation.metrics import METRICS, evaluate_slice, normalized_slices
from ..evaluation.restorers import NExpR, classical_methods, load_restorer, training_of
from ..files.file_table import fact_of_volume, read_table
from ..files.volume_files import read_volume, volumes_at
from .models import write_card


def add_arguments(parser):
    parser.add_argument("inputs", nargs="*", metavar="VOLUME", help="files or folders; their slices are the truth")
    parser.add_argument(
        "--model",
        default="mri",
        help="name or folder of a model, or checkpoint (.ckpt) of nexpr train, of any method (default: mri)",
    )
    parser.add_argument("--scales", type=float, nargs="+", default=[2, 3, 4], help="default: 2 3 4")
    parser.add_argument("--degradation", choices=DEGRADATIONS, help="default: that which the model was trained for")
    parser.add_argument(
        "--plane",
        default="auto",
        choices=[*PLANES, "0", "1", "2"],
        help="of the slices, or the axis across it (default: auto, as acquired)",
    )
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
    torch.backends.cudnn.allow_tf32 = False  # Convolutions in float32 are in float32 on GPUs as well.
    if arguments.config:
        run_comparison(arguments)
        return
    _check(arguments)
    sources = [source for path in arguments.inputs for source in volumes_at(path)]
    table = arguments.effective_resolution
    shares = read_table(table, "resolution") if table else {}
    is_checkpoint = arguments.model.endswith(".ckpt")
    degradation, method, restorer = _checkpoint(arguments) if is_checkpoint else _model(arguments)
    methods = {**classical_methods(degradation), method: restorer}
    slices_of = partial(_slices, plane=arguments.plane, shares=shares)
    tables, failures = evaluate_volumes(sources, slices_of, arguments.scales, degradation, methods, arguments.window)
    for metric, table in tables.items():
        print(f"\n{metric}\n{table}")
    if failures:
        raise ValueError(f"{len(failures)} of {len(sources)} volumes were skipped: " + " ".join(failures))
    if arguments.update_card:
        folder = model_folder(arguments.model)
        by_line = {metric: table.splitlines() for metric, table in tables.items()}
        metrics = {"command": _command(arguments, degradation), "tables": by_line}
        write_card({**read_card(arguments.model), "metrics": metrics}, folder)


def _model(arguments):
    """(degradation, name, restorer) of a model."""
    model = load_model(arguments.model, arguments.device)
    described = f'Model "{model.card["name"]}" on {model.device}'
    degradation = _degradation(arguments, model.card.get("degradation", "kspace"), described)
    return degradation, "NExpR", NExpR(degradation, model)


def _checkpoint(arguments):
    """(degradation, name, restorer) of a checkpoint, in float32."""
    path, device = arguments.model, torch_device(arguments.device)
    method, trained_for = training_of(path)
    degradation = _degradation(arguments, trained_for, f"{method} of {path} on {device}")
    restorer = load_restorer(path, degradation, device)
    if restorer.scale and arguments.scales != [restorer.scale]:
        raise ValueError(f"{path} holds a network for {restorer.scale}x only: add --scales {restorer.scale}.")
    return degradation, method, restorer


def _degradation(arguments, trained_for, described):
    degradation = arguments.degradation or trained_for
    note = "" if degradation == trained_for else f"; the model was trained for {trained_for}"
    print(f"{described}. Degradation: {degradation}{note}.")
    return degradation


def run_comparison(arguments):
    """Train, measure and write the page that ``--config`` asks for."""
    from ..comparison.page import compare

    if arguments.inputs:
        raise ValueError("Name volumes or --config, not both: a configuration names its own data.")
    name = Path(arguments.config).stem
    output = Path(arguments.output or f"nexpr-{name}")
    command = shlex.join(["nexpr", "evaluate", "--config", _in_repository(arguments.config), "--data", "FOLDER"])
    page = compare(arguments.config, output, arguments.data, arguments.device, command)
    print(f"Results: {page}")


def evaluate_volumes(sources, slices_of, scales, degradation, methods, window=None):
    """Mean over the slices of all volumes, and of each volume.

    Slices that hold one value only, which every method restores, are left out.

    :param slices_of: function of a source that returns its slices (n, H, W).
    :return: ``({metric: Markdown table}, failures)``: why volumes could not be used.
    :raises ValueError: if none could.
    """
    measured, failures, left_out = {}, [], 0
    with tqdm(sources, unit="volume", disable=None) as bar:
        for source in bar:
            bar.set_description(source.name)
            try:
                slices = normalized_slices(slices_of(source), window)
            except (ValueError, MemoryError) as error:
                failures.append(str(error) if str(source) in str(error) else f"{source}: {error}")
                continue
            with_contrast = [truth for truth in slices if truth.min() < truth.max()]
            if not with_contrast:
                failures.append(f"{source}: every slice holds one value only, there is nothing to compare.")
            left_out += len(slices) - len(with_contrast)
            for truth in tqdm(with_contrast, unit="slice", leave=False, disable=None):
                for scale in scales:
                    _, results = evaluate_slice(truth, scale, degradation, methods)
                    for name, (_, values) in results.items():
                        for metric, value in values.items():
                            measured.setdefault((metric, source, name, scale), []).append(value)
    if left_out:
        print(f"Left out: {left_out} slices that hold one value only.")
    compared = list(dict.fromkeys(source for _, source, _, _ in measured))
    if not compared:
        raise ValueError(" ".join(failures))
    return {metric: _table(metric, compared, scales, methods, measured) for metric in METRICS}, failures


def _in_repository(config):
    """Path of a configuration as seen from the repository, or its name."""
    repository = Path(__file__).resolve().parents[1]
    path = Path(config).resolve()
    return path.relative_to(repository).as_posix() if path.is_relative_to(repository) else path.name


def _check(arguments):
    if not arguments.inputs:
        raise ValueError("Name a volume to evaluate on, or a comparison to run (--config FILE).")
    if arguments.update_card and arguments.model.endswith(".ckpt"):
        raise ValueError("A checkpoint has no model card: export it first (nexpr models export).")
    if not all(1 < scale <= 16 for scale in arguments.scales):
        raise ValueError("The scales to evaluate must be above 1 and at most 16.")
    if arguments.window and not arguments.window[0] < arguments.window[1]:
        low, high = arguments.window
        raise ValueError(f"The window {low:g} {high:g} must go from a lower to a higher intensity.")


def _slices(source, plane, shares):
    """Slices (n, H, W) of a volume that can be evaluated, of what was measured; the window of SSIM has to fit."""
    measured_shares = fact_of_volume(source, shares)
    if shares and not measured_shares:
        tqdm.write(f"No resolution of {source.name} in the table, so used whole.")
    image = read_volume(source)
    try:
        pixels = slices_in_plane(image, plane, measured_shares or (1.0, 1.0))
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from error
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
    if arguments.plane != "auto":
        options += ["--plane", arguments.plane]
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
