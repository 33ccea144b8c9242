"""``nexpr evaluate``: degrade volumes, restore them, and compare with the truth."""

import argparse
import shlex
from pathlib import Path

import torch

from NExpRLib.allocator import freed_memory_kept
from NExpRLib.model_card import model_folder, model_for, read_card, slices_model_for
from NExpRLib.volumes.geometry import PLANES
from NExpRLib.volumes.modality import modality_of
from NExpRLib.volumes.series import volumes_of
from NExpRLib.volumes.sidecar import sidecar_of

from ..data.degradation import DEGRADATIONS, SLICES
from ..evaluation.restorers import classical_methods, load_trained
from ..evaluation.stacks import evaluate_stacks
from ..evaluation.volumes import evaluate_volumes
from ..files.file_table import read_table
from ..files.volume_files import read_volume
from ..files.volume_sources import volumes_at
from ..models.card import quality_tables, rounded, write_card
from ..option_types import count
from ..threads import DEFAULT_THREADS, use_threads


class _Comparison(argparse.Action):
    def __call__(self, parser, namespace, value, option=None):
        raise ValueError(f"Methods are compared by a command of its own: nexpr compare {value}.")


def add_arguments(parser):
    parser.add_argument("inputs", nargs="*", metavar="VOLUME", help="files or folders; their slices are the truth")
    parser.add_argument(
        "--model",
        help="name or folder of a model, or checkpoint (.ckpt) of nexpr train, of any method (default: that of the "
        "modality of the volumes)",
    )
    parser.add_argument(
        "--scales",
        type=float,
        nargs="+",
        default=[2, 3, 4],
        help="by which rows and columns are reduced; for stacks of slices, how many voxels these are thick and apart "
        "(default: 2 3 4)",
    )
    parser.add_argument(
        "--degradation",
        choices=[*DEGRADATIONS, SLICES],
        help=f"{SLICES}: volumes are averaged to thick slices (default: that which the model was trained for)",
    )
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
        help="table of images that the scanner zero-filled, as of nexpr prepare: the rest of k-space is cropped first "
        "(default: recognized from the voxels where k-space is cropped)",
    )
    parser.add_argument("--device", default="auto", help="auto, cuda, cuda:1, mps or cpu (default: auto)")
    parser.add_argument("--threads", type=count, metavar="N", help=f"of the CPU ({DEFAULT_THREADS})")
    parser.add_argument("--update-card", action="store_true", help="write the means and this command to the model card")
    parser.add_argument("--config", action=_Comparison, help=argparse.SUPPRESS)


@freed_memory_kept()
def run(arguments):
    torch.backends.cudnn.allow_tf32 = False  # Convolutions in float32 are in float32 on GPUs as well.
    _check(arguments)
    sources = [source for path in arguments.inputs for source in volumes_at(path)]
    arguments.model = arguments.model or _model_of_modality(sources, arguments.degradation == SLICES)
    table = arguments.effective_resolution
    shares = read_table(table, "resolution") if table else {}
    use_threads(arguments.threads)
    trained = load_trained(arguments.model, arguments.device)
    degradation = arguments.degradation or trained.degradation
    note = "" if degradation == trained.degradation else f"; the model was trained for {trained.degradation}"
    print(f"{trained.description}. Degradation: {degradation}{note}.")
    if SLICES in (degradation, trained.degradation):
        return _evaluate_stacks(arguments, sources, trained, degradation)
    restorer = trained.restorer(degradation)
    if restorer.scale and arguments.scales != [restorer.scale]:
        raise ValueError(
            f"{arguments.model} holds a network for {restorer.scale}x only: add --scales {restorer.scale}."
        )
    methods = {**classical_methods(degradation), trained.method: restorer}
    found = evaluate_volumes(sources, methods, degradation, arguments.scales, arguments.plane, arguments.window, shares)
    if found.without_resolution:
        print(f"No resolution in {table}, so used whole: {', '.join(found.without_resolution)}.")
    if found.empty_slices:
        print(f"Left out: {found.empty_slices} slices that hold one value only.")
    _report(arguments, found, len(sources), degradation)


def _model_of_modality(sources, of_stacks):
    """Name of the model in the package for all volumes; those that cannot be read are named later."""
    found = {}
    for source in sources:
        try:
            image = read_volume(source)
            modality = modality_of(volumes_of(image)[0].pixels, sidecar_of(image))
        except (ValueError, MemoryError):
            continue
        found.setdefault(model_for(modality), source)
    if len(found) > 1:
        models = " and ".join(f'"{name}" for {source}' for name, source in found.items())
        raise ValueError(f"The volumes want different models, {models}: evaluate them apart, or name a --model.")
    name = next(iter(found), model_for(""))
    return slices_model_for(read_card(name)) if of_stacks else name


def _evaluate_stacks(arguments, sources, trained, degradation):
    if degradation != trained.degradation:
        kinds = ["the pixels of slices", "stacks of slices"]
        kind, other = kinds if degradation == SLICES else kinds[::-1]
        raise ValueError(f"The model {arguments.model} refines {kind}, not {other}: leave out --degradation.")
    if arguments.window or arguments.effective_resolution:
        raise ValueError("--window and --effective-resolution do not apply to stacks of slices: leave them out.")
    model = trained.restorer("bicubic").model
    found = evaluate_stacks(sources, {trained.method: model}, arguments.scales, arguments.plane)
    _report(arguments, found, len(sources), SLICES)


def _report(arguments, found, count, degradation):
    for note in found.notes:
        print(f"Note: {note}")
    for metric, table in quality_tables(found.results).items():
        print(f"\n{metric}\n{table}")
    if found.failures:
        raise ValueError(f"{len(found.failures)} of {count} volumes were skipped: " + " ".join(found.failures))
    if arguments.update_card:
        metrics = {"command": _command(arguments, degradation), "results": rounded(found.results)}
        write_card({**read_card(arguments.model), "metrics": metrics}, model_folder(arguments.model))


def _check(arguments):
    if not arguments.inputs:
        raise ValueError("Name a volume to evaluate on.")
    if arguments.update_card and (arguments.model or "").endswith(".ckpt"):
        raise ValueError("A checkpoint has no model card: export it first (nexpr models export).")
    if not all(1 < scale <= 16 for scale in arguments.scales):
        raise ValueError("The scales to evaluate must be above 1 and at most 16.")
    if arguments.window and not arguments.window[0] < arguments.window[1]:
        low, high = arguments.window
        raise ValueError(f"The window {low:g} {high:g} must go from a lower to a higher intensity.")


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
