"""Volumes on disk: finding and reading them, and writing results so that a file appears only when it is complete."""

import contextlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from NExpRLib.memory import is_out_of_memory

from .integrity import damage, is_dicom, is_dicom_image
from .nifti_orientation import loses_position

EXTENSIONS = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd")
WRITTEN_EXTENSIONS = (".nii", ".nii.gz", ".nrrd", ".mha")
_PAIRS = (".hdr", ".img", ".hdr.gz", ".img.gz")
_POSITION_LOST = (
    "it is a 2D NIfTI image with a position in 3D, which would be lost: convert it to a volume of one slice first"
)


@dataclass(frozen=True)
class VolumeSource:
    """A volume on disk: one file, or the sorted files of a DICOM series.

    :ivar name: without extension, for naming what is made from it.
    :ivar damaged: DICOM images in the same folder that cannot be parsed, and may belong to the series.
    """

    name: str
    files: tuple
    damaged: tuple = ()

    def __str__(self):
        return str(self.files[0]) if len(self.files) == 1 else f"{Path(self.files[0]).parent} ({self.name})"


def extension_of(path):
    """The image extension of a path in lower case, ``""`` if it has none of :data:`EXTENSIONS`."""
    name = str(path).lower()
    return max((e for e in EXTENSIONS if name.endswith(e)), key=len, default="")


def find_volumes(path):
    """Volumes at ``path``: a file, a folder of a DICOM series, or a folder with any number of both.

    :raises ValueError: if nothing is there.
    """
    if not str(path):
        raise ValueError("The name of the input is empty.")
    path = Path(path)
    _check_name(path)
    if path.is_file():
        return [VolumeSource(_stem(path), (str(path),))]
    if not path.is_dir():
        raise ValueError(f"There is no file or folder {path}.")
    files = sorted(p for p in path.iterdir() if not p.is_dir() and extension_of(p) and not p.name.startswith("."))
    return [VolumeSource(_stem(p), (str(p),)) for p in files] + _dicom_series(path)


def volumes_at(path):
    """At least one of :func:`find_volumes`; prints which subfolders were passed over.

    :raises ValueError: if there is none.
    """
    sources = find_volumes(path)
    folders = Path(path).iterdir() if Path(path).is_dir() else ()
    subfolders = sorted(p.name for p in folders if p.is_dir() and not p.name.startswith("."))
    if not sources:
        hint = "; subfolders are not searched: name one of them" if subfolders else ""
        raise ValueError(f"There is no volume in {path}{hint}.")
    if subfolders:
        print(f"Note: subfolders are not searched: {', '.join(subfolders)}.")
    return sources


def _check_name(path):
    """Refuse a path that ITK cannot open.

    :raises ValueError: if it is no UTF-8.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise ValueError(f"The name {ascii(str(path))} is not valid UTF-8: rename the file or folder first.") from None


def _dicom_series(folder):
    entries = sorted(folder.iterdir())
    files = [path for path in entries if path.is_file() and not extension_of(path)]
    odd = [path for path in entries if not (path.is_file() or path.is_dir())]
    if odd and any(is_dicom(path) for path in files):
        # ITK would list the files before it only. This cannot be read, so nothing of the series is used.
        return [VolumeSource(folder.resolve().name, (str(odd[0]),))]
    with _quiet_itk():
        reader = sitk.ImageSeriesReader
        names = {uid: reader.GetGDCMSeriesFileNames(str(folder), uid) for uid in reader.GetGDCMSeriesIDs(str(folder))}
    listed = {Path(file).name for files in names.values() for file in files}
    damaged = tuple(str(path) for path in files if path.name not in listed and is_dicom_image(path))
    if not names:
        return [VolumeSource(_stem(Path(file)), (file,), damaged) for file in damaged]
    if len(names) == 1:
        names = {folder.resolve().name: files for files in names.values()}
    return [VolumeSource(name, tuple(files), damaged) for name, files in names.items()]


def read_volume(source):
    """Read a :class:`VolumeSource`, or the single volume at a path, as a SimpleITK image.

    :raises ValueError: if it is unreadable, or a DICOM series whose slices are no rectangular grid.
    """
    if not isinstance(source, VolumeSource):
        sources = find_volumes(source)
        if len(sources) != 1:
            raise ValueError(f"{source} holds {len(sources)} volumes where one is needed.")
        (source,) = sources
    if source.damaged:
        # It is in no series: the volume would lose its first or last slice without a word.
        raise ValueError(f"{source.damaged[0]} cannot be read: it is damaged or incomplete. Repair the series first.")
    for file in source.files:
        _check_name(file)
        if not os.path.isfile(file):
            raise ValueError(f"{file} cannot be read: it is a link that leads nowhere, or no regular file.")
        if not os.access(file, os.R_OK):
            raise ValueError(f"{file} cannot be read: you have no permission to read it.")
    if source.files[0].lower().endswith(_PAIRS):
        raise ValueError(f"{source} is one of a pair of files (.hdr and .img): convert them to a .nii file first.")
    try:
        with _quiet_itk():
            image = sitk.ReadImage(source.files[0]) if len(source.files) == 1 else _read_series(source)
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise MemoryError(f"{source} does not fit into memory.") from error
        raise ValueError(f"{source} cannot be read: {_reason(str(error))}.") from error
    if len(source.files) == 1 and not extension_of(source.files[0]) and _is_dicom_of_frames(image):
        # ITK stacks them whatever their position, time or scaling.
        raise ValueError(
            f"{source} holds several DICOM frames, whose positions and intensities cannot be checked here: "
            "convert it to NIfTI first, for example with dcm2niix."
        )
    for file in source.files:
        if problem := damage(file):
            raise ValueError(f"{file} cannot be read: {problem}.")
    if loses_position(image):
        raise ValueError(f"{source} cannot be read: {_POSITION_LOST}.")
    return image


def _is_dicom_of_frames(image):
    rows = "0028|0010"  # a tag of every DICOM image
    return image.HasMetaDataKey(rows) and image.GetDimension() == 3 and image.GetDepth() > 1


def _reason(error):
    """Why a file cannot be read, from the words of ITK."""
    if "No orthonormal definition" in error:
        return "its axes are not at right angles to each other: resample it onto a grid whose axes are"
    if "Bad direction" in error:
        return _POSITION_LOST
    return "it is damaged, incomplete, or no NIfTI, NRRD, MetaImage or DICOM"


def _read_series(source):
    """The slices of a DICOM series as a volume; ITK stacks them whatever their positions and orientations are."""
    reader = sitk.ImageFileReader()
    slices = []
    for file in source.files:
        reader.SetFileName(file)
        reader.ReadImageInformation()
        grid = reader.GetSize(), reader.GetSpacing()[:2], reader.GetDirection(), reader.GetOrigin()
        slices.append((reader.GetPixelID(), *grid))
    pixel_types, sizes, spacings, directions, positions = zip(*slices)
    if len(set(sizes)) > 1 or np.ptp(spacings, axis=0).max() > 1e-3 or np.ptp(directions, axis=0).max() > 1e-3:
        raise ValueError(
            f"The slices of {source} differ in size, pixel spacing or orientation, as those of a localizer do. "
            "Split the series first."
        )
    _check_positions(source, np.array(positions), np.reshape(directions[0], (3, 3))[:, 2])
    # ITK would round all slices to the type of the first; each may have a rescale slope of its own.
    return sitk.ReadImage(source.files, sitk.sitkFloat64 if len(set(pixel_types)) > 1 else sitk.sitkUnknown)


def _check_positions(source, positions, normal):
    gaps = np.linalg.norm(np.diff(positions, axis=0), axis=1)
    if gaps.max() - gaps.min() > 0.01 * gaps.max() + 0.01 or gaps.min() == 0:
        raise ValueError(
            f"The slices of {source} lie {gaps.min():.3g} to {gaps.max():.3g} mm apart: "
            "slices are missing or doubled. Split or repair the series first."
        )
    from_first = positions - positions[0]
    sideways = np.linalg.norm(from_first - np.outer(from_first @ normal, normal), axis=1).max()
    if sideways > 0.1 + 1e-3 * np.linalg.norm(from_first[-1]):
        raise ValueError(
            f"The slices of {source} are shifted sideways by up to {sideways:.3g} mm (gantry tilt). "
            "Resample the series to a rectangular grid first."
        )


def write_volume(image, path):
    """Write an image; the file appears under its name only when it is complete.

    :raises ValueError: if the folder cannot be written to, the disk is full, or the format cannot hold the image.
    """
    path = Path(path)
    with atomic_output(path) as temporary:
        try:
            with _quiet_itk():
                sitk.WriteImage(image, str(temporary), useCompression=True)
                written = sitk.ImageFileReader()
                written.SetFileName(str(temporary))
                written.ReadImageInformation()
            complete = not damage(temporary)  # ITK overlooks some write errors.
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise MemoryError(f"There is not enough memory to write {path}.") from error
            complete = False
        if not complete:
            raise ValueError(f"{path} cannot be written: the disk is full or the folder not writable.")
        if not _same_place(image, written):
            raise ValueError(f"{path} would lie elsewhere: its format cannot hold the position of this volume.")


def _same_place(image, other):
    """Whether the corners of both images lie at the same points, to a hundredth of a voxel."""
    if image.GetSize() != other.GetSize():
        return False
    dimension, size = image.GetDimension(), np.array(image.GetSize())
    corners = np.array(list(np.ndindex(*[2] * dimension))) * (size - 1)
    places = []
    for each in (image, other):
        steps = np.reshape(each.GetDirection(), (dimension, dimension)) * each.GetSpacing()
        places.append(corners @ steps.T + each.GetOrigin())
    return np.abs(places[0] - places[1]).max() < 0.01 * min(image.GetSpacing())


@contextlib.contextmanager
def atomic_output(path):
    """A temporary path beside ``path`` that is renamed to it on success and removed otherwise."""
    path = Path(path)
    extension = extension_of(path) or path.suffix
    temporary = path.with_name(f".{path.name.removesuffix(extension)}.{os.getpid()}.part{extension}")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise ValueError(f"{path} cannot be written: {error.strerror}.") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def check_output(path):
    """Refuse, before any work, an output path that cannot be written.

    :raises ValueError: for an unknown extension, a folder of that name, or a folder that is missing or not writable.
    """
    path = Path(path)
    _check_name(path)
    if path.is_dir():
        raise ValueError(f"The output {path} is a folder: choose another name.")
    if path.exists() and not os.access(path, os.W_OK):
        raise ValueError(f"The output {path} is write-protected: choose another name.")
    if not str(path).lower().endswith(WRITTEN_EXTENSIONS):
        raise ValueError(f"The output {path} needs one of the extensions {', '.join(WRITTEN_EXTENSIONS)}.")
    if not path.parent.is_dir():
        raise ValueError(f"The output folder {path.parent} does not exist.")
    if not os.access(path.parent, os.W_OK):
        raise ValueError(f"The output folder {path.parent} cannot be written to.")


def _stem(path):
    return path.name[: len(path.name) - len(extension_of(path))] or path.name


@contextlib.contextmanager
def _quiet_itk():
    """ITK and the libraries inside it print warnings by themselves, the latter past Python; errors are exceptions."""
    shown = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    sys.stderr.flush()
    stderr = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        sitk.ProcessObject.SetGlobalWarningDisplay(shown)
