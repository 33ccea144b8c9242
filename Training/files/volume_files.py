"""Volumes on disk: finding and reading them, and writing results so that a file appears only when it is complete."""

import contextlib
import os
import re
import signal
import sys
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

import SimpleITK as sitk

from NExpRLib.memory import is_out_of_memory
from NExpRLib.volumes.sidecar import set_sidecar, sidecar_of

from . import metaimage, nrrd
from .dicom import DicomSeries, dicom_series, read_series, unused_name
from .dicom_headers import is_dicom
from .nifti import read_nifti, what_nifti_lacks, write_nifti
from .notes import add_note, read_sidecar

_NIFTI = (".nii", ".nii.gz", ".hdr", ".img", ".hdr.gz", ".img.gz", ".mgh", ".mgz")
EXTENSIONS = (*_NIFTI, ".nrrd", ".nhdr", ".mha", ".mhd")
WRITTEN_EXTENSIONS = (".nii", ".nii.gz", ".nrrd", ".mha")
_SECOND_OF_PAIR = (".img", ".img.gz")
_LONGEST_NAME = 255  # bytes


@dataclass(frozen=True)
class VolumeSource:
    """A volume on disk: one file, or one volume of a DICOM series.

    :ivar name: without extension, for naming what is made from it.
    :ivar files: what it is read from.
    :ivar series: the DICOM series, ``None`` for other files.
    :ivar part: which of the volumes of the series.
    :ivar image: the image, where it had to be read to find it.
    """

    name: str
    files: tuple
    series: DicomSeries | None = None
    part: int = 0
    image: sitk.Image | None = field(default=None, compare=False, repr=False)

    def __str__(self):
        return str(self.files[0]) if len(self.files) == 1 else f"{Path(self.files[0]).parent} ({self.name})"


def extension_of(path):
    """The image extension of a path in lower case, ``""`` if it has none of :data:`EXTENSIONS`."""
    name = str(path).lower()
    return max((e for e in EXTENSIONS if name.endswith(e)), key=len, default="")


def find_volumes(path):
    """Volumes at ``path``: a file, or a folder with any number of files and DICOM series.

    :raises ValueError: if nothing is there.
    """
    return _find(path)[0]


def volumes_at(path):
    """At least one of :func:`find_volumes`; prints what was passed over.

    :raises ValueError: if there is none.
    """
    sources, left_out = _find(path)
    folders = Path(path).iterdir() if Path(path).is_dir() else ()
    subfolders = sorted(p.name for p in folders if p.is_dir() and not p.name.startswith("."))
    if not sources:
        hint = "; subfolders are not searched: name one of them" if subfolders else ""
        raise ValueError(f"There is no volume in {path}{hint}{left_out and f' ({left_out})'}.")
    if left_out:
        print(f"Note: {left_out}.")
    if subfolders:
        print(f"Note: subfolders are not searched: {', '.join(subfolders)}.")
    return sources


def _find(path):
    """Volumes at ``path``, and what is left out."""
    if not str(path):
        raise ValueError("The name of the input is empty.")
    path = Path(path)
    _check_name(path)
    if path.is_file():
        _check_readable(path)
        if not is_dicom(path):
            return [VolumeSource(_stem(path), (str(path),))], ""
        found, left_out = _dicom_sources(path, [path])
        if not found:
            reason = left_out.partition(" (")[2].removesuffix(")")
            raise ValueError(f"There is no volume in {path}: {reason}.")
        return found, left_out
    if not path.is_dir():
        raise ValueError(f"There is no file or folder {path}.")
    entries = sorted(p for p in path.iterdir() if not p.is_dir() and not p.name.startswith("."))
    odd = [p for p in entries if not (p.is_file() and os.access(p, os.R_OK))]
    dicom = [p for p in entries if p not in odd and is_dicom(p)]
    files = [p for p in entries if p not in dicom and extension_of(p)]
    files = [p for p in files if extension_of(p) not in _SECOND_OF_PAIR or not _first_of_pair(p).is_file()]
    sources = [VolumeSource(_stem(p), (str(p),)) for p in files]
    odd = [p for p in odd if not extension_of(p)]
    if odd and dicom:  # It may belong to any series, so nothing of them is used.
        return [*sources, VolumeSource(path.resolve().name, (str(odd[0]),))], ""
    found, left_out = _dicom_sources(path, dicom)
    return [*sources, *found], left_out


def _first_of_pair(path):
    return path.with_name(_stem(path) + extension_of(path).replace(".img", ".hdr"))


def _dicom_sources(path, files):
    """Volumes of DICOM files, and what is left out."""
    found, left_out = dicom_series(files)
    sources = []
    for series in found:
        images = []
        if not series.problem:
            try:
                images = read_series(series)
            except ValueError as error:
                series = replace(series, problem=str(error).removesuffix("."))
        name = (path.resolve().name if path.is_dir() else _stem(path)) if len(found) == 1 else series.name
        paths = tuple(file.path for file in series.files)
        for part, (suffix, image) in enumerate(images or [("", None)]):
            more = suffix if len(images) > 1 else ""
            own = unused_name(name + more, {source.name for source in sources})
            # Of several series only one is in memory at a time.
            sources.append(VolumeSource(own, paths, series, part, image if len(found) == 1 else None))
    return sources, left_out


def _check_readable(path):
    if not os.path.isfile(path):
        raise ValueError(f"{path} cannot be read: it is a link that leads nowhere, or no regular file.")
    if not os.access(path, os.R_OK):
        raise ValueError(f"{path} cannot be read: you have no permission to read it.")


def _check_name(path):
    """Refuse a path that ITK cannot open.

    :raises ValueError: if it is no UTF-8.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise ValueError(f"The name {ascii(str(path))} is not valid UTF-8: rename the file or folder first.") from None


def read_volume(source):
    """Read a :class:`VolumeSource`, or the single volume at a path, as a SimpleITK image.

    :return: image of 2, 3 or 4 dimensions. What is known of it beyond voxels and grid is in its metadata, see
        :mod:`NExpRLib.volumes.sidecar` and :mod:`.notes`.
    :raises ValueError: if it is unreadable, or a DICOM series whose slices are no rectangular grid.
    """
    if not isinstance(source, VolumeSource):
        sources, left_out = _find(source)
        if left_out and not sources:
            raise ValueError(f"There is no volume in {source} ({left_out}).")
        if len(sources) != 1:
            raise ValueError(f"{source} holds {len(sources)} volumes where one is needed.")
        (source,) = sources
    for file in source.files:
        _check_name(file)
        _check_readable(file)
    if source.image is not None:
        return source.image
    if source.series is not None:
        return read_series(source.series)[source.part][1]
    (file,) = source.files
    extension = extension_of(file)
    if not extension:
        raise ValueError(
            f"{file} cannot be read: it is no NIfTI, NRRD, MetaImage, MGH or DICOM file. Convert it to NIfTI first."
        )
    try:
        return read_nifti(file) if extension in _NIFTI else _read_with_itk(file, extension)
    except ValueError as error:
        raise ValueError(f"{file} cannot be read: {str(error).removesuffix('.')}.") from error
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise MemoryError(f"{file} does not fit into memory.") from error
        what = "MetaImage" if extension.startswith(".mh") else "NRRD"
        raise ValueError(f"{file} cannot be read: it is damaged, incomplete, or no {what}.") from error


def _read_with_itk(file, extension):
    checked = metaimage.checked if extension.startswith(".mh") else nrrd.checked
    with checked(file) as (readable, notes), _quiet_itk(), _deadly_signals():
        image = sitk.ReadImage(readable)
    for note in notes:
        add_note(image, note)
    if facts := read_sidecar(file[: len(file) - len(extension)] + ".json"):
        set_sidecar(image, {**sidecar_of(image), **facts})
    return image


def write_volume(image, path, like=None):
    """Write an image; the file appears under its name only when it is complete.

    :param like: image as it was read; what its metadata keeps of a NIfTI header goes into a NIfTI file.
    :raises ValueError: if the folder cannot be written to, the disk is full, or the format cannot hold the image.
    """
    path = Path(path)
    geometry = image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection()
    check_format(path, *geometry)
    with atomic_output(path) as temporary:
        try:
            if extension_of(path).startswith(".nii"):
                write_nifti(image, temporary, image if like is None else like)
                return
            with _quiet_itk():
                sitk.WriteImage(image, str(temporary), useCompression=True)
            with (metaimage if extension_of(path) == ".mha" else nrrd).checked(str(temporary)):
                return  # ITK overlooks some write errors.
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise MemoryError(f"There is not enough memory to write {path}.") from error
        except (ValueError, TypeError):
            pass
        raise ValueError(f"{path} cannot be written: the disk is full or the folder not writable.")


def check_format(path, size, spacing, origin, direction):
    """Refuse a result that the format of its file cannot hold.

    :raises ValueError: with what is missing.
    """
    if extension_of(path).startswith(".nii") and (problem := what_nifti_lacks(size, spacing, origin, direction)):
        raise ValueError(f"{path} cannot be written: {problem}: write .nrrd or .mha instead.")


@contextlib.contextmanager
def atomic_output(path):
    """A temporary path beside ``path`` that is renamed to it on success and removed otherwise."""
    path = Path(path)
    extension = extension_of(path) or path.suffix
    start = f".{path.name.removesuffix(extension)[:50]}."
    _remove_left_overs(path.parent, start, f".part{extension}")
    temporary = path.with_name(f"{start}{os.getpid()}.part{extension}")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise ValueError(f"{path} cannot be written: {error.strerror}.") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _remove_left_overs(folder, start, end):
    """Remove what runs that were killed have left of an output."""
    with contextlib.suppress(OSError):
        for entry in os.listdir(folder):
            process = re.fullmatch(re.escape(start) + r"(\d+)" + re.escape(end), entry)
            if process and not _runs(int(process.group(1))):
                os.unlink(os.path.join(folder, entry))


def _runs(process):
    if sys.platform == "win32":  # where asking could end it
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        pass
    return True


def check_output(path):
    """Refuse, before any work, an output path that cannot be written.

    :raises ValueError: for an unknown extension, a folder of that name, or a folder that is missing or not writable.
    """
    path = Path(path)
    _check_name(path)
    if len(os.fsencode(path.name)) > _LONGEST_NAME:
        raise ValueError(
            f"The name of the output is too long ({len(os.fsencode(path.name))} bytes): {path.name[:60]}..."
        )
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
def _deadly_signals():
    """While ITK reads, Python does not get to its signal handlers: the system's end the program at once."""
    numbers = [number for name in ("SIGTERM", "SIGHUP") if (number := getattr(signal, name, None)) is not None]
    if threading.current_thread() is not threading.main_thread():
        numbers = []
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        for number, handler in before.items():
            if callable(handler):
                signal.signal(number, signal.SIG_DFL)
        yield
    finally:
        for number, handler in before.items():
            if callable(handler):
                signal.signal(number, handler)


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
