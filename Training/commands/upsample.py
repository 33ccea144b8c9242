"""``nexpr upsample``: super-resolve a file, a DICOM series, or every volume of a folder."""

import argparse
import os
import sys
from pathlib import Path

from tqdm import tqdm

from NExpRLib.function.samples import GRIDS
from NExpRLib.model_card import check_noise_reduction, model_for, on_kspace, slices_model_for
from NExpRLib.volumes.acquisition import inspect_volume, measured_sizes
from NExpRLib.volumes.geometry import PLANES, slice_axis
from NExpRLib.volumes.meaning import RANGES
from NExpRLib.volumes.modality import modality_of
from NExpRLib.volumes.plan import plan_upsampling
from NExpRLib.volumes.series import SeriesUpsampling, volumes_of
from NExpRLib.volumes.sidecar import sidecar_of
from NExpRLib.volumes.volume import geometry_of

from ..files.notes import notes_of
from ..files.provenance import record
from ..files.volume_files import (
    WRITTEN_EXTENSIONS,
    check_format,
    check_output,
    extension_of,
    find_volumes,
    read_volume,
    volumes_at,
    write_volume,
)


def add_arguments(parser):
    parser.add_argument("input", metavar="IN", help="NIfTI, NRRD or MetaImage file, DICOM folder, or folder of volumes")
    parser.add_argument(
        "output", metavar="OUT", help="file (.nii, .nii.gz, .nrrd, .mha), or folder; files of that name are replaced"
    )
    target = parser.add_argument_group("target (exactly one)").add_mutually_exclusive_group(required=True)
    target.add_argument("--scale", type=_numbers, metavar="S", help="factor, e.g. 2.5, or rows,columns, e.g. 2,3.3")
    target.add_argument("--spacing", type=_numbers, metavar="MM", help="in-plane spacing in mm, or rows,columns")
    target.add_argument("--size", type=int, nargs=2, metavar=("R", "C"), help="rows and columns of a slice")
    target.add_argument("--like", metavar="REF", help="volume whose in-plane grid is taken over")
    target.add_argument(
        "--isotropic",
        type=float,
        nargs="?",
        const=True,
        metavar="MM",
        help="cubes as voxels, through the slices: of the shorter side of the pixels, or of MM",
    )
    parser.add_argument(
        "--thickness",
        type=float,
        metavar="MM",
        help="of the slices, with --isotropic (default: as the header says, else slices touch each other)",
    )
    parser.add_argument(
        "--plane",
        default="auto",
        help=f"plane to refine: {', '.join(PLANES)}, or the through-plane axis 0-2 (default: auto, as acquired)",
    )
    parser.add_argument(
        "--grid", choices=GRIDS, default="fov", help="keep the extent, or the first sample (default: fov)"
    )
    parser.add_argument(
        "--measured",
        type=_measured,
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
    parser.add_argument("--device", default="auto", help="auto, cuda, mps or cpu (default: auto)")
    parser.add_argument(
        "--noise-reduction",
        type=float,
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


def run(arguments):
    sources = volumes_at(arguments.input)
    outputs = _outputs(arguments, sources)
    like = read_volume(arguments.like) if arguments.like else None
    models = _Models(arguments.model, arguments.slices_model, arguments.device)
    failures = 0
    for source, output in zip(sources, outputs):
        try:
            _upsample(source, output, arguments, models, like)
        except (ValueError, MemoryError) as error:
            if len(sources) == 1:
                raise
            failures += 1
            print(f"Skipped: {error}" if str(source) in str(error) else f"Skipped: {source}: {error}", file=sys.stderr)
    if failures:
        raise ValueError(f"{failures} of {len(sources)} volumes were skipped.")


class _Models:
    """The named model, or for each volume that of its modality."""

    def __init__(self, name, slices_name, device):
        self._device = device
        self._slices_name = slices_name
        self._loaded = {}
        self._named = None if name is None else self._load(name)

    @property
    def by_modality(self):
        return self._named is None

    def of(self, modality):
        """:param modality: DICOM's code."""
        return self._named or self._load(model_for(modality))

    def of_slices(self, card):
        """The model for stacks of slices.

        :param card: of the model for pixels.
        """
        return self._load(slices_model_for(card) if self._slices_name == "auto" else self._slices_name)

    def _load(self, name):
        if name not in self._loaded:
            from NExpRLib.model import load_model

            self._loaded[name] = load_model(name, self._device)
            print(f'Model "{self._loaded[name].card["name"]}" on {self._loaded[name].device}.')
        return self._loaded[name]


def _upsample(source, output, arguments, models, like):
    image = read_volume(source)
    facts = sidecar_of(image)
    periodic = arguments.grid == "kspace"
    volume = volumes_of(image, periodic)[0]
    geometry = volume.geometry
    modality = modality_of(volume.pixels, facts)
    model = models.of(modality)
    check_noise_reduction(model.card, arguments.noise_reduction)
    across = slice_axis(geometry, arguments.plane)
    acquisition = inspect_volume(volume, facts) if arguments.measured == "auto" and on_kspace(model.card) else None
    measured = measured_sizes(geometry, arguments.measured, across, acquisition)
    plan = plan_upsampling(
        geometry,
        scale=arguments.scale,
        spacing=arguments.spacing,
        size=arguments.size,
        like=None if like is None else geometry_of(like),
        isotropic=arguments.isotropic,
        plane=arguments.plane,
        grid=arguments.grid,
        measured=measured,
    )
    upsampling = SeriesUpsampling(
        image,
        plan,
        periodic=periodic,
        value_range=arguments.range,
        fill=arguments.fill,
        noise_reduction=arguments.noise_reduction,
        data_consistency=arguments.data_consistency,
        thickness=arguments.thickness,
        measured=measured,
    )
    grid = plan.geometry
    check_format(output, grid.size, grid.spacing, grid.origin, grid.direction)
    slices_model = None if plan.through is None else models.of_slices(model.card)
    times = f"{image.GetSize()[3]} times " if image.GetDimension() == 4 else ""
    print(f"{source}: {times}{_describe(geometry)} -> {_describe(plan.geometry)}")
    if models.by_modality and not facts.get("Modality"):
        values = "the air near -1000 is that of CT" if modality == "CT" else "no air near -1000 speaks for CT"
        print(f'The model "{model.card["name"]}" is taken: no header names the modality, and {values}.')
    if acquisition is not None:
        print(f"{acquisition}.")
        for note in acquisition.notes:
            print(f"Note: {note}")
    shares = [measured[axis] / geometry.size[axis] for axis in plan.plane_axes]
    for note in (*notes_of(image), *upsampling.notes, *_notes_on_model(model.card, modality, plan, shares)):
        print(f"Note: {note}")
    with tqdm(total=100, unit="%", bar_format="{l_bar}{bar}| {elapsed}<{remaining}", disable=None) as bar:
        result = upsampling.run(
            model, slices_model=slices_model, progress=lambda fraction: bar.update(100 * fraction - bar.n)
        )
    record(
        result,
        source.files[0],
        plan,
        [model.card, *([] if slices_model is None else [slices_model.card])],
        MeasuredPixels=list(measured) if measured != geometry.size else None,
        SliceThickness=arguments.thickness,
        NoiseReduction=arguments.noise_reduction,
        DataConsistency=arguments.data_consistency,
    )
    write_volume(result, output, image)
    print(f"Written: {output}")


def _notes_on_model(card, modality, plan, shares):
    """What the model was not trained for."""
    highest, trained = max(scale / share for scale, share in zip(plan.scale, shares)), card["scales"][1]
    if highest > trained + 0.05:
        yield f"{highest:.2f}x is above the {trained:g}x that the model was trained for."
    of_model = card.get("modality")
    if of_model and modality in ("MR", "CT", "PT", "NM") and modality != of_model:
        yield f'The volume is {modality}, and the model "{card["name"]}" was trained on {of_model}.'


def _outputs(arguments, sources):
    """One checked output path per source."""
    if not arguments.output:
        raise ValueError("The name of the output is empty.")
    output = Path(arguments.output)
    if len(sources) == 1 and extension_of(output):
        outputs = [output]
    elif Path(arguments.input).is_file() and not output.is_dir():
        raise ValueError(
            f"The output {output} is no folder: a file needs one of the extensions .nii, .nii.gz, .nrrd, .mha."
        )
    else:
        if output.is_file() or extension_of(output):
            raise ValueError(
                f"{arguments.input} holds {len(sources)} volumes: the output must be a folder, not {output}."
            )
        try:
            output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(f"The output folder {output} cannot be made: {error.strerror}.") from error
        outputs = [output / f"{source.name}{_written_extension(source)}" for source in sources]
    references = find_volumes(arguments.like) if arguments.like else []
    inputs = {_identity(file) for source in [*sources, *references] for file in source.files if os.path.isfile(file)}
    for path in outputs:
        check_output(path)
        if path.exists() and _identity(path) in inputs:
            raise ValueError(f"The output {path} is an input: choose another name or folder.")
        if path.resolve().parent == Path(arguments.input).resolve():
            raise ValueError(
                f"The output {path} lies among the inputs, where the next run would take it for one: "
                "choose another folder."
            )
        if outputs.count(path) > 1:
            raise ValueError(f"Two volumes of {arguments.input} would both be written to {path}: rename one.")
    return outputs


def _identity(path):
    """The file that a path leads to, whatever its spelling."""
    status = os.stat(path)
    return status.st_dev, status.st_ino


def _written_extension(source):
    """That of the source where it is written; otherwise that of the nearest format that is."""
    extension = extension_of(source.files[0]) if source.series is None else ""
    return {".mhd": ".mha", ".nhdr": ".nrrd"}.get(
        extension, extension if extension in WRITTEN_EXTENSIONS else ".nii.gz"
    )


def _describe(geometry):
    size = " x ".join(str(n) for n in geometry.size)
    return f"{size} voxels of {' x '.join(f'{s:.4g}' for s in geometry.spacing)} mm"


def _measured(text):
    return text if text in ("auto", "stored") else _numbers(text)


def _numbers(text):
    try:
        return [float(number) for number in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is no number and no pair of numbers such as 2,3.3") from None
