"""``nexpr upsample``: super-resolve files, DICOM series, or all volumes of folders."""

import contextlib
import importlib
import os
import re
import sys
import time
from dataclasses import replace

from NExpRLib.function.samples import GRIDS
from NExpRLib.volumes.checks import check_no_effect
from NExpRLib.volumes.geometry import PLANES
from NExpRLib.volumes.meaning import RANGES
from NExpRLib.volumes.modality import modality_of
from NExpRLib.volumes.plan import pixels_between_slices
from NExpRLib.volumes.series import SeriesUpsampling, volumes_of
from NExpRLib.volumes.sidecar import sidecar_of

from ..files.batch_summary import batch_summary
from ..files.notes import notes_of
from ..files.output_paths import output_paths, preview_paths
from ..files.provenance import record
from ..files.volume_files import atomic_output, check_format, read_volume, write_volume
from ..files.volume_sources import find_volumes, volumes_at, volumes_below
from ..models.chosen import ChosenModels, notes_on_model, notes_on_slices_model
from ..option_types import count, measured_pixels, one_or_two, positive, share, side_of_voxels
from ..progress import shown_progress
from ..threads import DEFAULT_THREADS, use_threads


def add_arguments(parser):
    parser.usage = "nexpr upsample IN OUT TARGET [options]\n       nexpr upsample IN [IN ...] -o OUT TARGET [options]"
    parser.add_argument(
        "inputs", nargs="+", metavar="IN", help="NIfTI, NRRD, MetaImage or MGH file, DICOM folder, or folder of volumes"
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="OUT",
        help="file (.nii, .nii.gz, .nrrd, .mha), or folder; files of that name are replaced",
    )
    target = parser.add_argument_group("TARGET (exactly one)").add_mutually_exclusive_group()
    target.add_argument("--scale", type=one_or_two, metavar="S", help="factor, e.g. 2.5, or rows,columns, e.g. 2,3.3")
    target.add_argument("--spacing", type=one_or_two, metavar="MM", help="in-plane spacing in mm, or rows,columns")
    target.add_argument("--size", type=count, nargs=2, metavar=("R", "C"), help="rows and columns of a slice")
    target.add_argument("--like", metavar="REF", help="volume whose in-plane grid is taken over")
    target.add_argument(
        "--isotropic",
        type=side_of_voxels,
        nargs="?",
        const=True,
        metavar="MM",
        help="cubes as voxels, through the slices: of the shorter side of the measured pixels, or of MM, "
        "which may be a tenth more",
    )
    parser.add_argument(
        "--thickness",
        type=positive,
        metavar="MM",
        help="of the slices, with --isotropic (default: as the header says, else slices touch each other)",
    )
    parser.add_argument(
        "--plane",
        default="auto",
        choices=[*PLANES, "0", "1", "2"],
        metavar="PLANE",
        help=f"plane to refine: {', '.join(PLANES)}, or the through-plane axis 0-2 (default: auto, as acquired)",
    )
    parser.add_argument(
        "--grid", choices=GRIDS, default="fov", help="keep the extent, or the first sample (default: fov)"
    )
    parser.add_argument(
        "--measured",
        type=measured_pixels,
        default="auto",
        metavar="auto|stored|MM",
        help="size of the pixels that were measured, where the scanner stored smaller ones: auto (recognized from the "
        "voxels; as stored with models for CT), stored, or mm, or rows,columns in mm (default: auto)",
    )
    parser.add_argument(
        "--model", help="name or folder of a model (default: ct where header or values say CT, else mri)"
    )
    parser.add_argument(
        "--slices-model",
        default="auto",
        metavar="MODEL",
        help="name or folder of a model for stacks of slices, with --isotropic (default: that of the modality)",
    )
    parser.add_argument("--device", default="auto", help="auto, cuda, cuda:1, mps or cpu (default: auto)")
    parser.add_argument("--threads", type=count, metavar="N", help=f"of the CPU ({DEFAULT_THREADS})")
    parser.add_argument(
        "--noise-reduction",
        type=share,
        default=0.0,
        metavar="SHARE",
        help="how much of the noise is removed, from 0 to 1; its level is measured in the volume (default: 0)",
    )
    parser.add_argument("--data-consistency", action="store_true", help="keep the measured band of k-space exactly")
    parser.add_argument(
        "--range",
        choices=RANGES,
        default="auto",
        help="of the result: keep that of the input, free, or auto (default): keep for maps, such as those of T1 or FA",
    )
    parser.add_argument(
        "--fill",
        type=float,
        metavar="VALUE",
        help="outside the input, with --like (default: the lowest value, or 0 where values are signed about 0)",
    )
    batch = parser.add_argument_group("several volumes")
    batch.add_argument(
        "--recursive", action="store_true", help="search the subfolders, too; OUT gets the same subfolders"
    )
    batch.add_argument("--skip-existing", action="store_true", help="leave out volumes whose output exists")
    batch.add_argument("--summary", metavar="CSV", help="write a table with a row for each volume")
    said = parser.add_argument_group("what is said and shown")
    said.add_argument(
        "--preview", metavar="PNG", help="picture of the middle slice before and after; a folder for several volumes"
    )
    how_much = said.add_mutually_exclusive_group()
    how_much.add_argument("-q", "--quiet", action="store_true", help="print errors only")
    how_much.add_argument("-v", "--verbose", action="store_true", help="print what is recognized, threads and seconds")


def run(arguments):
    with contextlib.ExitStack() as stack:
        if arguments.quiet:
            stack.enter_context(contextlib.redirect_stdout(stack.enter_context(open(os.devnull, "w"))))
        _run(arguments, stack)


def _run(arguments, stack):
    named = arguments.slices_model != "auto"
    check_no_effect(arguments.fill, arguments.like is not None, named, arguments.isotropic)
    inputs, output = _inputs_and_output(arguments)
    _check_target(arguments)
    sources = [source for path in inputs for source in _found(path, arguments.recursive, output)]
    if len(inputs) > 1:  # Images that had to be read to find them would all stay in memory.
        sources = [replace(source, image=None) for source in sources]
    outputs = output_paths(inputs, sources, output, find_volumes(arguments.like) if arguments.like else ())
    previews = preview_paths(arguments.preview, outputs, output)
    models = ChosenModels(arguments.model, arguments.slices_model, arguments.device, arguments.noise_reduction)
    _prepare_torch(arguments)
    if arguments.preview:
        importlib.import_module("matplotlib")  # It may be missing.
    like = read_volume(arguments.like) if arguments.like else None
    summary = stack.enter_context(batch_summary(arguments.summary))
    failed = []
    for source, path, preview in zip(sources, outputs, previews):
        row, begin = {"input": source, "output": path}, time.monotonic()
        if arguments.skip_existing and path.exists():
            print(f"Exists already, not made again: {path}")
            summary({**row, "status": "existing"})
            continue
        try:
            facts = _upsample(source, path, preview, arguments, models, like)
        except (ValueError, MemoryError, OSError) as error:
            message = " ".join(str(error).split()) or "There is not enough memory."
            summary({**row, "status": "failed", "message": message})
            if len(sources) == 1:
                raise
            failed.append(str(source))
            print(f"Failed: {source.failure(message)}", file=sys.stderr)
        else:
            seconds = time.monotonic() - begin
            summary({**row, "status": "written", **facts, "seconds": f"{seconds:.1f}"})
            print(f"Written: {path}" + (f" ({seconds:.1f} s)" if arguments.verbose else ""))
    if failed:
        raise ValueError(f"{len(failed)} of {len(sources)} volumes failed: {', '.join(failed)}.")


def _found(path, recursive, output):
    return volumes_below(path, without=output) if recursive else volumes_at(path)


def _inputs_and_output(arguments):
    """The last of two paths is the output, if it is not named."""
    for path in arguments.inputs:
        if re.fullmatch(r"[0-9]*[.]?[0-9]+", path) and not os.path.exists(path):
            raise ValueError(
                f"There is no file {path}. Join two numbers of an option by a comma, as in --scale 2,{path}"
            )
    *inputs, last = arguments.inputs
    if arguments.output is not None:
        return arguments.inputs, arguments.output
    if not inputs:
        raise ValueError("Name the output, too: nexpr upsample IN OUT")
    if len(inputs) > 1:
        raise ValueError("Name the folder of the results of several volumes: nexpr upsample IN IN ... -o OUT")
    return inputs, last


def _check_target(arguments):
    """Refuse a run without a target: argparse would do so before it names an option with a typing error."""
    if not any((arguments.scale, arguments.spacing, arguments.size, arguments.like, arguments.isotropic)):
        raise ValueError("One of --scale, --spacing, --size, --like and --isotropic is required.")


def _prepare_torch(arguments):
    """Choose the device, which may not be there, and the number of threads."""
    import torch

    from NExpRLib.model import torch_device

    device = torch_device(arguments.device)
    if device.index is not None:
        torch.cuda.set_device(device)
    threads = use_threads(arguments.threads)
    if arguments.verbose:
        print(f"Threads of the CPU: {threads}.")


def _upsample(source, output, preview, arguments, models, like):
    """Super-resolve a volume.

    :return: facts for the summary.
    """
    image = read_volume(source)
    facts = sidecar_of(image)
    modality = modality_of(volumes_of(image)[0].pixels, facts)
    card = models.card_of(modality)
    upsampling = SeriesUpsampling(
        image,
        card,
        scale=arguments.scale,
        spacing=arguments.spacing,
        size=arguments.size,
        like=like,
        isotropic=arguments.isotropic,
        thickness=arguments.thickness,
        plane=arguments.plane,
        grid=arguments.grid,
        measured=arguments.measured,
        noise_reduction=arguments.noise_reduction,
        data_consistency=arguments.data_consistency,
        value_range=arguments.range,
        fill=arguments.fill,
    )
    plan, geometry, acquisition = upsampling.plan, upsampling.geometry, upsampling.acquisition
    measured, grid = upsampling.measured, upsampling.plan.geometry
    check_format(output, grid.size, grid.spacing, grid.origin, grid.direction)
    times = f"{image.GetSize()[3]} times " if image.GetDimension() == 4 else ""
    print(f"{source}: {times}{_describe(geometry)} -> {_describe(grid)}")
    if models.by_modality and not facts.get("Modality"):
        values = "the air near -1000 is that of CT" if modality == "CT" else "no air near -1000 speaks for CT"
        print(f'The model "{card["name"]}" is taken: no header names the modality, and {values}.')
    if acquisition is not None:
        print(f"{acquisition}.")
        for text in acquisition.evidence if arguments.verbose else ():
            print(f"  {text}")
        for note in acquisition.notes:
            print(f"Note: {note}")
    shares = [measured[axis] / geometry.size[axis] for axis in plan.plane_axes]
    if acquisition is None and measured != geometry.size:
        pixels = _millimeters(geometry.spacing[axis] / share for axis, share in zip(plan.plane_axes, shares))
        print(f"Measured, as named: {pixels} mm (rows x columns).")
    for note in (*notes_of(image), *upsampling.notes, *notes_on_model(card, modality, plan, shares)):
        print(f"Note: {note}")
    if plan.through is not None:
        distance = pixels_between_slices(geometry, plan.slice_axis, measured)
        for note in notes_on_slices_model(models.card_for_slices(modality), distance):
            print(f"Note: {note}")
    model = models.load(modality)
    slices_model = None if plan.through is None else models.load_for_slices(modality)
    with shown_progress(source.name, arguments.quiet) as progress:
        result = upsampling.run(model, slices_model=slices_model, progress=progress)
    record(
        result,
        source.place,
        facts,
        plan,
        [model.card, *([] if slices_model is None else [slices_model.card])],
        MeasuredPixels=list(measured) if measured != geometry.size else None,
        SliceThickness=arguments.thickness,
        NoiseReduction=arguments.noise_reduction,
        DataConsistency=arguments.data_consistency,
    )
    if preview is not None:
        from ..evaluation.preview_figure import preview_figure

        with atomic_output(preview) as temporary:
            preview_figure(image, result, plan, source.name).savefig(temporary, dpi=150)
    write_volume(result, output, image)  # Last: a volume that exists was made with all that belongs to it.
    return {
        "spacing_before": _millimeters(geometry.spacing),
        "spacing_after": _millimeters(grid.spacing),
        "measured": _millimeters(mm * n / m for mm, n, m in zip(geometry.spacing, geometry.size, measured)),
    }


def _describe(geometry):
    return f"{' x '.join(str(n) for n in geometry.size)} voxels of {_millimeters(geometry.spacing)} mm"


def _millimeters(lengths):
    return " x ".join(f"{mm:.4g}" for mm in lengths)
