"""DICOM series as volumes: sorted and checked by what their files say, converted by dcm2niix.

dcm2niix decodes and stacks: mosaics, enhanced multi-frame files, echoes, time points, compressed pixels. It also stacks
what should not be stacked, so where slices lie is checked before, see :mod:`.slice_stack`, and its result is compared
with that. The volume is the one that ITK, and with it 3D Slicer, makes of such a series: the same voxels in the same
order.
"""

import re
import subprocess
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from NExpRLib.intensity import to_dtype
from NExpRLib.volumes.sidecar import set_sidecar, sidecar_of

from .dicom_headers import read_header, readable
from .dicom_mended import prepare_files
from .nifti import read_nifti
from .notes import add_note, drop_notes
from .slice_stack import SliceStack, stacks_of

# Uncompressed, with a sidecar, rows in the order of DICOM, neither cropped nor turned, whatever ~/.dcm2nii.ini says.
_OPTIONS = ("-z", "n", "-b", "y", "-y", "n", "-x", "i", "-g", "i", "-f", "v")
# What dcm2niix says of a Siemens mosaic whose private header was removed.
_UNKNOWN_MOSAIC, _GUESSED_MOSAIC = "MOSAIC but number of slices not specified", "Guessing this is a mosaic"
_NOT_VOLUMES = re.compile(r"_ROI\d+$|_Eq|_ADC$")


@dataclass(frozen=True)
class DicomSeries:
    """The files of one series.

    :ivar files: :class:`~.dicom_headers.DicomFile`, each object once.
    :ivar problem: why no volume can be made of them; empty if nothing is wrong.
    """

    name: str
    files: tuple
    problem: str = ""


def dicom_series(paths):
    """The series among files, and what else lies there.

    :param paths: DICOM files.
    :return: list of :class:`DicomSeries`, and one line that names what is left out, empty if nothing is.
    """
    files = [read_header(path) for path in sorted(paths)]
    left_out = {}
    for file in files:
        if file.left_out:
            left_out.setdefault(file.left_out, []).append(file.path)
    groups = {}
    for file in files:
        if not file.left_out:
            groups.setdefault(file.series, []).append(file)
    unknown = [file for file in groups.get("", []) if file.damage]  # They may belong to any series.
    if unknown:
        groups.pop("")
    names = set()
    series = []
    for members in sorted(groups.values(), key=lambda members: (members[0].number, members[0].path)):
        name = _name(members, names)
        names.add(name)
        damaged = [file for file in members if file.damage] or unknown
        problem = ""
        if damaged:  # Without it, the volume would lose a slice without a word.
            problem = f"{damaged[0].path} cannot be read: {damaged[0].damage}. Repair or remove it first"
        series.append(DicomSeries(name, tuple({file.identity: file for file in members}.values()), problem))
    if unknown and not series:
        series = [
            DicomSeries(Path(file.path).stem, (file,), f"{file.path} cannot be read: {file.damage}") for file in unknown
        ]
    said = "; ".join(f"{readable(paths)} ({reason})" for reason, paths in left_out.items())
    return series, said and f"left out: {said}"


def _name(files, taken):
    """A name for the files made of a series: its number and description."""
    number, description = files[0].number, re.sub(r"[^\w.+-]+", "_", files[0].description).strip("_.")[:60]
    name = "_".join(part for part in (f"{number:03d}" if number else "", description) if part) or "series"
    return unused_name(name, taken)


def unused_name(name, taken):
    """The name, followed by a number where it is taken."""
    return next(n for n in (name, *(f"{name}_{k}" for k in range(2, len(taken) + 3))) if n not in taken)


def read_series(series):
    """Convert a series.

    :return: list of ``(suffix, image)``: what distinguishes a volume from the others of the series (``_e2``, ``_ph``,
        or nothing), and a SimpleITK image, 3D, or 4D where the same slices were measured several times.
    :raises ValueError: for slices that make no volume, and without dcm2niix.
    """
    if series.problem:
        raise ValueError(f"{series.problem}.")
    where = Path(series.files[0].path).parent if len(series.files) > 1 else series.files[0].path
    try:
        return _converted(series.files)
    except ValueError as error:
        raise ValueError(f"{where} ({series.name}) cannot be read: {error}.") from None


def _converted(files):
    known = all(file.frames for file in files)
    if not known and not all(file.mosaic for file in files):
        raise ValueError("its files are of several kinds: split the series first")
    stacks = stacks_of(files) if known else []
    if len(stacks) > 1 and sum(len(stack.files) for stack in stacks if stack is not None) == len(files):
        # One by one: dcm2niix would stack the orientations of a CT localizer.
        converted = [part for stack in stacks for part in _converted(tuple(files[index] for index in stack.files))]
        return _with_own_suffixes(converted)
    with tempfile.TemporaryDirectory(prefix="nexpr-") as folder:
        inputs, outputs = Path(folder, "in"), Path(folder, "out")
        inputs.mkdir()
        outputs.mkdir()
        factor, scaling = prepare_files(files, stacks, inputs)
        said = _run_dcm2niix(inputs, outputs, scaling)
        if _UNKNOWN_MOSAIC in said:
            raise ValueError(
                "its slices are tiled in one picture (a Siemens mosaic), and the private header that says how many "
                "there are was removed: take the files as the scanner wrote them"
            )
        found = [path for path in sorted(outputs.glob("*.nii")) if not _NOT_VOLUMES.search(path.stem)]
        parts = [_part(path, files, stacks, factor) for path in found]
    if not parts:
        raise ValueError(f"dcm2niix makes nothing of it{_reason(said)}")
    if stacks:
        parts = _joined(parts, stacks)
    for part in parts:
        _keep_facts(part.image, files, part.stack)
        if _GUESSED_MOSAIC in said:
            add_note(
                part.image,
                "The slices are tiled in one picture (a Siemens mosaic), and the private header that says how many "
                f"there are was removed: {part.image.GetSize()[2]} are assumed, the last of which may be blank.",
            )
    return [(part.suffix, _straight(part.image, part.stack)) for part in parts]


def _with_own_suffixes(converted):
    result, taken = [], set()
    for suffix, image in converted:
        own = unused_name(suffix, taken)
        taken.add(own)
        result.append((own, image))
    return result


@dataclass(frozen=True)
class _Part:
    """A file that dcm2niix has written.

    :ivar stack: that its slices belong to, ``None`` where their place is known to dcm2niix only.
    :ivar first: the place of its first slice in the stack.
    """

    suffix: str
    image: sitk.Image
    stack: SliceStack | None = None
    first: int = 0


def _part(path, files, stacks, factor):
    suffix = path.stem[1:]
    image = read_nifti(path)
    if stacks:  # The headers say where it lies: what the file between says of it is of no concern.
        drop_notes(image)
    if not stacks or stacks == [None]:
        if stacks:
            add_note(image, "The image does not say where it lies or how it is oriented.")
            rows, columns = files[0].frames[0].spacing
            size = image.GetDimension()
            image.SetSpacing((columns, rows, *[files[0].thickness or 1.0] * (size - 2)))
            image.SetOrigin([0.0] * size)
            image.SetDirection(np.eye(size).ravel().tolist())
        return _Part(suffix, image)
    columns, rows, count = (*image.GetSize(), 1)[:3]
    dimension = image.GetDimension()
    axes = np.reshape(image.GetDirection(), (dimension, dimension))[:3, :3]
    for stack in stacks:
        total, *shape = stack.shape
        if shape != [rows, columns] or count > total or dimension < 3:
            continue
        if np.abs(axes[:, :2] - stack.axes[:, :2]).max() > 0.01:
            continue
        backwards = count > 1 and axes[:, 2] @ stack.axes[:, 2] < 0
        offset = (np.array(image.GetOrigin()[:3]) - stack.origin) @ stack.axes / stack.spacing
        first = round(float(offset[2])) - (count - 1 if backwards else 0)
        if np.abs(offset - [0, 0, round(float(offset[2]))]).max() > 0.5 or not 0 <= first <= total - count:
            continue
        voxels = sitk.GetArrayFromImage(image)
        if backwards:
            voxels = voxels[..., ::-1, :, :]
        if factor != 1:
            voxels = voxels * np.float32(factor)
        return _Part(suffix, _placed(voxels, stack, first, image), stack, first)
    raise ValueError("dcm2niix stacks its slices otherwise than their positions say: split the series first")


def _placed(voxels, stack, first, like):
    """Image of voxels (..., slices, rows, columns) at their place in a stack, with the metadata of another."""
    image = sitk.GetImageFromArray(voxels, isVector=False)
    dimension = voxels.ndim
    direction = np.eye(dimension)
    direction[:3, :3] = stack.axes
    image.SetSpacing([*stack.spacing, *like.GetSpacing()[3:]])
    image.SetOrigin([*(stack.origin + first * stack.spacing[2] * stack.axes[:, 2]).tolist(), *like.GetOrigin()[3:]])
    image.SetDirection(direction.ravel().tolist())
    for key in like.GetMetaDataKeys():
        if not key.startswith("slice_"):  # The slices may be others, or the other way round.
            image.SetMetaData(key, like.GetMetaData(key))
    return image


def _joined(parts, stacks):
    """The parts, those of one stack that came in several files (a concatenation) put together.

    :raises ValueError: where parts are no whole stack.
    """
    whole = [part for part in parts if part.stack is None or part.image.GetSize()[2] == part.stack.shape[0]]
    for stack in stacks:
        pieces = sorted((p for p in parts if p.stack is stack and p not in whole), key=lambda part: part.first)
        if not pieces:
            continue
        ends = np.cumsum([piece.image.GetSize()[2] for piece in pieces])
        if [piece.first for piece in pieces] != [0, *ends[:-1]] or ends[-1] != stack.shape[0]:
            raise ValueError(
                f"dcm2niix makes volumes of {pieces[0].image.GetSize()[2]} slices of its {stack.shape[0]} positions: "
                "split the series first"
            )
        voxels = np.concatenate([sitk.GetArrayViewFromImage(piece.image) for piece in pieces], axis=-3)
        whole.append(_Part(pieces[0].suffix, _placed(voxels, stack, 0, pieces[0].image), stack))
    return whole


def _keep_facts(image, files, stack):
    facts = sidecar_of(image)
    facts.setdefault("Modality", files[0].modality)
    if files[0].matrix and stack is not None:  # dcm2niix keeps less of it, and only of makers that it knows.
        facts["AcquisitionMatrix"] = list(files[0].matrix)
        facts["Rows"], facts["Columns"] = files[0].shape
    # dcm2niix leaves out some thicknesses of CT, and writes no JSON where a convolution kernel has two values.
    for name, values in (
        ("SliceThickness", {file.thickness for file in files}),
        ("PixelPaddingValue", {file.padding for file in files}),
    ):
        if len(values) == 1 and None not in values:
            facts[name] = values.pop()
        elif len(values) > 1:
            facts.pop(name, None)
    set_sidecar(image, facts)
    if stack is not None and stack.deviation > 0.01 * stack.spacing[2]:
        add_note(
            image,
            f"The positions of the slices are rounded or jitter: they lie up to {stack.deviation:.2g} mm from an even "
            f"grid of {stack.spacing[2]:.5g} mm, which is used.",
        )


def _straight(image, stack):
    """The image, its slices shifted to a right-angled grid where they are tilted.

    dcm2niix does this as well, but some of its results lie elsewhere (1.0.20260724: 10 mm, at a tilt of -12 degrees).
    """
    if stack is None or not stack.tilted:
        return image
    count, rows, columns = stack.shape
    shift = (stack.step @ stack.axes)[:2] / stack.spacing[:2]  # pixels per slice, along rows and columns
    moved = shift * (count - 1)
    size = np.array([columns, rows]) + np.ceil(np.abs(moved)).astype(int)
    first = np.minimum(0, np.floor(moved)) * (moved < 0)
    volumes = sitk.GetArrayViewFromImage(image).reshape(-1, count, rows, columns)
    straight = []
    for volume in volumes:
        slices = []
        for k, pixels in enumerate(volume):
            flat = sitk.Cast(sitk.GetImageFromArray(pixels), sitk.sitkFloat64)
            translation = sitk.TranslationTransform(2, (first - k * shift).tolist())
            lowest = float(volume.min())
            flat = sitk.Resample(
                flat, size.tolist(), translation, sitk.sitkBSpline, (0.0, 0.0), (1.0, 1.0), defaultPixelValue=lowest
            )
            slices.append(sitk.GetArrayFromImage(flat))
        straight.append(to_dtype(np.clip(slices, volume.min(), volume.max()), volume.dtype))
    voxels = np.reshape(straight, (*sitk.GetArrayViewFromImage(image).shape[:-2], size[1], size[0]))
    upright = replace(stack, origin=stack.origin + stack.axes[:, :2] @ (first * stack.spacing[:2]))
    result = _placed(voxels, upright, 0, image)
    angle = np.degrees(np.arctan2(np.linalg.norm(shift * stack.spacing[:2]), stack.spacing[2]))
    add_note(
        result,
        f"The slices are shifted sideways against each other, as by a gantry tilted by {angle:.1f} degrees: they were "
        "resampled to a grid with right angles.",
    )
    return result


def _run_dcm2niix(inputs, outputs, scaling):
    """:return: what dcm2niix says."""
    try:
        import dcm2niix
    except ModuleNotFoundError:
        raise ValueError(
            "Reading DICOM needs the package dcm2niix, which is not installed: pip install dcm2niix, or convert the "
            "series to NIfTI first."
        ) from None
    command = [dcm2niix.bin, *_OPTIONS, "-p", scaling, "-o", outputs, inputs]
    result = subprocess.run(command, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL)
    return result.stdout + result.stderr


def _reason(said):
    """Why dcm2niix failed, for the end of a sentence."""
    lines = [line for line in said.splitlines() if "rror" in line or "nsupported" in line]
    reason = re.sub(r"^\W*(Error|Warning)\W*", "", lines[-1]) if lines else ""
    reason = re.sub(r"\S*[/\\]\S*", "a file", reason).strip(" .")
    return f" ({reason})" if reason else ""
