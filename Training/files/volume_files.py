"""Reading volumes, and writing results so that a file appears only when it is complete."""

import contextlib
import os
import re
import secrets
import signal
import sys
import threading
import time
from pathlib import Path

import SimpleITK as sitk

from NExpRLib.memory import is_out_of_memory
from NExpRLib.volumes.sidecar import set_sidecar, sidecar_of

from . import metaimage, nrrd
from .dicom import read_series
from .nifti import drop_header, read_nifti, what_nifti_lacks, write_nifti
from .notes import add_note, drop_notes, read_sidecar
from .provenance import bids_sidecar, is_of_another, is_result
from .volume_sources import NIFTI, VolumeSource, check_name, check_readable, extension_of, find_at, stem_of

WRITTEN_EXTENSIONS = (".nii", ".nii.gz", ".nrrd", ".mha")
_LONGEST_NAME = 255  # bytes


def read_volume(source):
    """Read a :class:`VolumeSource`, or the single volume at a path, as a SimpleITK image.

    :return: image of 2, 3 or 4 dimensions. What is known of it beyond voxels and grid is in its metadata, see
        :mod:`NExpRLib.volumes.sidecar` and :mod:`.notes`.
    :raises ValueError: if it is unreadable, or a DICOM series whose slices are no rectangular grid.
    """
    if not isinstance(source, VolumeSource):
        sources, left_out = find_at(source)
        if left_out and not sources:
            raise ValueError(f"There is no volume in {source} ({left_out}).")
        if len(sources) != 1:
            raise ValueError(f"{source} holds {len(sources)} volumes where one is needed.")
        (source,) = sources
    for file in source.files:
        check_name(file)
        check_readable(file)
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
        image = read_nifti(file) if extension in NIFTI else _read_with_itk(file, extension)
    except ValueError as error:
        raise ValueError(f"{file} cannot be read: {str(error).removesuffix('.')}.") from error
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise MemoryError(f"{file} does not fit into memory.") from error
        what = "MetaImage" if extension.startswith(".mh") else "NRRD"
        raise ValueError(f"{file} cannot be read: it is damaged, incomplete, or no {what}.") from error
    if is_result(image, sidecar_path(file)):
        add_note(image, "It was made by NExpR: what was inferred then is now taken for measured.")
    return image


def _read_with_itk(file, extension):
    checked = metaimage.checked if extension.startswith(".mh") else nrrd.checked
    with checked(file) as (readable, notes), _quiet_itk(), _deadly_signals():
        image = sitk.ReadImage(readable)
    drop_notes(image)
    drop_header(image)
    image = nrrd.list_as_series(image)
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
    with contextlib.ExitStack() as outputs:
        if (sidecar := sidecar_path(path)) and (text := bids_sidecar(image)):
            outputs.enter_context(atomic_output(sidecar)).write_text(text, encoding="utf-8")
        _write(image, path, outputs.enter_context(atomic_output(path)), image if like is None else like)


def _write(image, path, temporary, like):
    try:
        if extension_of(path).startswith(".nii"):
            write_nifti(image, temporary, like)
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


def sidecar_path(path):
    """Path of the sidecar of a NIfTI file, ``None`` for those of other formats."""
    path = Path(path)
    return path.with_name(f"{stem_of(path)}.json") if extension_of(path).startswith(".nii") else None


def check_format(path, size, spacing, origin, direction):
    """Refuse a result that the format of its file cannot hold.

    :raises ValueError: with what is missing.
    """
    if extension_of(path).startswith(".nii") and (problem := what_nifti_lacks(size, spacing, origin, direction)):
        raise ValueError(f"{path} cannot be written: {problem}: write .nrrd or .mha instead.")


def make_folder(folder, name):
    """Make a folder, and those that it lies in.

    :param name: what it is called in the sentence on why it cannot be made.
    :raises ValueError: with that sentence.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"{name} cannot be made: {error.strerror}.") from error


@contextlib.contextmanager
def atomic_output(path):
    """A temporary path beside ``path`` that is renamed to it on success and removed otherwise."""
    path = Path(path)
    extension = extension_of(path) or path.suffix
    start, end = f".{path.name.removesuffix(extension)[:50]}.", f".part{extension}"
    _remove_left_overs(path.parent, start, end)
    temporary = path.with_name(f"{start}{secrets.token_hex(8)}{end}")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise ValueError(f"{path} cannot be written: {error.strerror}.") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _remove_left_overs(folder, start, end):
    """Remove what runs that were killed have left of an output: what nobody has written to for an hour.

    Runs in other containers and on other machines cannot be asked for.
    """
    with contextlib.suppress(OSError):
        for entry in os.scandir(folder):
            left = re.fullmatch(re.escape(start) + "[0-9a-f]{16}" + re.escape(end), entry.name)
            if left and time.time() - entry.stat().st_mtime > 3600:
                os.unlink(entry)


def check_output(path):
    """Refuse, before any work, an output path that cannot be written.

    :raises ValueError: for an unknown extension, a folder of that name, or a folder that is missing or not writable.
    """
    path = Path(path)
    check_name(path)
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
    if (sidecar := sidecar_path(path)) and is_of_another(sidecar):
        raise ValueError(
            f"The output {path} comes with a sidecar {sidecar.name}, but there is one of another origin: choose "
            "another name."
        )
    if not os.access(path.parent, os.W_OK):
        raise ValueError(f"The output folder {path.parent} cannot be written to.")


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
