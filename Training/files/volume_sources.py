"""Finding volumes on disk: files, DICOM series, and folders of them."""

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

import SimpleITK as sitk

from .dicom import DicomSeries, dicom_series, read_series, unused_name
from .dicom_headers import is_dicom

NIFTI = (".nii", ".nii.gz", ".hdr", ".img", ".hdr.gz", ".img.gz", ".mgh", ".mgz")
EXTENSIONS = (*NIFTI, ".nrrd", ".nhdr", ".mha", ".mhd")
_SECOND_OF_PAIR = (".img", ".img.gz")
_NOT_MEASURED = ("derivatives", "sourcedata", "code", "stimuli")  # folders of a BIDS data set


@dataclass(frozen=True)
class VolumeSource:
    """A volume on disk: one file, or one volume of a DICOM series.

    :ivar name: without extension, for naming what is made from it.
    :ivar files: what it is read from.
    :ivar series: the DICOM series, ``None`` for other files.
    :ivar part: which of the volumes of the series.
    :ivar image: the image, where it had to be read to find it.
    :ivar folder: its folder, below the one that was searched.
    """

    name: str
    files: tuple
    series: DicomSeries | None = None
    part: int = 0
    image: sitk.Image | None = field(default=None, compare=False, repr=False)
    folder: str = ""

    @property
    def place(self):
        """Where it lies below the folder that was searched: its file, or its name in a series."""
        return (Path(self.folder) / (self.name if self.series else Path(self.files[0]).name)).as_posix()

    def failure(self, error):
        """What went wrong with it, in a text that names it."""
        return str(error) if str(self) in str(error) else f"{self}: {error}"

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
    return find_at(path)[0]


def volumes_at(path):
    """At least one of :func:`find_volumes`; prints what was passed over.

    :raises ValueError: if there is none.
    """
    sources, left_out = find_at(path)
    subfolders = [folder.name for folder in _subfolders(Path(path))] if Path(path).is_dir() else []
    if not sources:
        hint = "; subfolders are not searched: name one of them" if subfolders else ""
        raise ValueError(f"There is no volume in {path}{hint}{left_out and f' ({left_out})'}.")
    if left_out:
        print(f"Note: {left_out}.")
    if subfolders:
        print(f"Note: subfolders are not searched: {', '.join(subfolders)}.")
    return sources


def volumes_below(path, without=None):
    """The volumes at ``path`` and, if it is a folder, in the folders below it; prints what was passed over.

    Of a BIDS data set, only the measured images are taken: not its derivatives.

    :param without: folder that is not searched, such as that of the results.
    :raises ValueError: if there is none.
    """
    path = Path(path)
    if not path.is_dir():
        return volumes_at(path)
    passed_over = []

    def enters(folder):
        if without is not None and folder.resolve() == Path(without).resolve():
            return False
        if folder.name in _NOT_MEASURED and (folder.parent / "dataset_description.json").is_file():
            passed_over.append(folder.relative_to(path).as_posix())
            return False
        return True

    sources = []
    for folder in folders_below(path, enters):
        found, left_out = find_at(folder)
        below = folder.relative_to(path).as_posix()
        # Images of DICOM series are read again when it is their turn.
        sources += [replace(source, image=None, folder="" if below == "." else below) for source in found]
        if left_out:
            print(f"Note: {left_out}.")
    if not sources:
        raise ValueError(f"There is no volume in {path} and its subfolders.")
    if passed_over:
        print(f"Note: not searched, as in BIDS they hold no measured images: {', '.join(passed_over)}.")
    return sources


def folders_below(folder, enters=lambda folder: True):
    """A folder and those below it, but hidden ones, which hold other copies of the files, as that of git-annex does.

    Links to folders are followed at the end, to each folder once, but not to those that hold the first one.

    :param enters: whether to search a folder.
    """
    first, searched, links = Path(os.path.realpath(folder)), set(), []

    def below(folder):
        identity = os.path.realpath(folder)
        if identity in searched:
            return
        searched.add(identity)
        yield folder
        for each in _subfolders(folder):
            if each.is_symlink():
                links.append(each)
            elif enters(each):
                yield from below(each)

    yield from below(folder)
    for link in links:  # Those that are found meanwhile, too.
        if enters(link) and not first.is_relative_to(os.path.realpath(link)):
            yield from below(link)


def _subfolders(folder):
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def find_at(path):
    """Volumes at ``path``, and what is left out."""
    if not str(path):
        raise ValueError("The name of the input is empty.")
    path = Path(path)
    check_name(path)
    if path.is_file():
        check_readable(path)
        if not is_dicom(path):
            return [VolumeSource(stem_of(path), (str(path),))], ""
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
    sources = [VolumeSource(stem_of(p), (str(p),)) for p in files]
    odd = [p for p in odd if not extension_of(p)]
    if odd and dicom:  # It may belong to any series, so nothing of them is used.
        return [*sources, VolumeSource(path.resolve().name, (str(odd[0]),))], ""
    found, left_out = _dicom_sources(path, dicom)
    return [*sources, *found], left_out


def _first_of_pair(path):
    return path.with_name(stem_of(path) + extension_of(path).replace(".img", ".hdr"))


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
        name = (path.resolve().name if path.is_dir() else stem_of(path)) if len(found) == 1 else series.name
        paths = tuple(file.path for file in series.files)
        for part, (suffix, image) in enumerate(images or [("", None)]):
            more = suffix if len(images) > 1 else ""
            own = unused_name(name + more, {source.name for source in sources})
            # Of several series only one is in memory at a time.
            sources.append(VolumeSource(own, paths, series, part, image if len(found) == 1 else None))
    return sources, left_out


def check_readable(path):
    if not os.path.isfile(path):
        raise ValueError(f"{path} cannot be read: it is a link that leads nowhere, or no regular file.")
    if not os.access(path, os.R_OK):
        raise ValueError(f"{path} cannot be read: you have no permission to read it.")


def check_name(path):
    """Refuse a path that ITK cannot open.

    :raises ValueError: if it is no UTF-8.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise ValueError(f"The name {ascii(str(path))} is not valid UTF-8: rename the file or folder first.") from None


def stem_of(path):
    return path.name[: len(path.name) - len(extension_of(path))] or path.name
