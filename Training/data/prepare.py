"""From a folder of volumes to normalized slices with a subject each, the input of training."""

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from NExpRLib.intensity import robust_range

from ..files.file_table import fact_of_volume, read_table
from ..files.notes import notes_of
from ..files.provenance import is_result
from ..files.volume_files import atomic_output, read_volume, sidecar_path
from ..files.volume_sources import volumes_below
from ..progress import counted
from .prepared import PreparedVolume, write_slices
from .slices import slices_in_plane

_CONTENT_LEVEL = 0.1


@dataclass(frozen=True)
class Preparation:
    """How volumes become slices.

    :ivar plane: ``auto``, ``axial``, ``sagittal``, ``coronal``, or the axis 0-2 across the slices.
    :ivar all_planes: take the slices across all three axes from volumes whose voxels are about cubes.
    :ivar windows: intensities that become 0 and 1; every slice is prepared in each of them. If there are none, those
        are the 0.1 and 99.9 percentiles of each volume.
    :ivar min_content: slices with a smaller share of pixels above a tenth of the range are left out.
    :ivar subjects: table with columns file and subject.
    :ivar effective_resolution: table with columns file, x and y: percent of k-space that was measured;
        recognized from the voxels, if left out.
    :ivar validation: subjects kept out of training; every seventh, if left out.
    """

    plane: str = "auto"
    all_planes: bool = False
    windows: list[tuple[float, float]] = field(default_factory=list)
    min_content: float = 0.1
    subjects: str | None = None
    effective_resolution: str | None = None
    validation: list[str] | None = None


@dataclass(frozen=True)
class Prepared:
    """What :func:`prepare` wrote, and what is to be said of it.

    :ivar volumes: all :class:`~.prepared.PreparedVolume`, with or without slices.
    :ivar validation: subjects that are kept out of training.
    :ivar subjects_by_name: volumes whose subject is taken from the name of their folder or file.
    :ivar without_resolution: volumes that the table of effective resolutions lacks.
    :ivar sheet: picture of the slices.
    :ivar count: number of volumes that were found.
    :ivar notes: what is to be known of how others were read.
    :ivar failures: why some of them could not be used.
    """

    volumes: list
    validation: list
    subjects_by_name: list
    without_resolution: list
    sheet: Path
    count: int
    notes: list
    failures: list

    @property
    def kept(self):
        return [volume for volume in self.volumes if volume.slices]

    def check_complete(self):
        """
        :raises ValueError: if volumes were skipped.
        """
        if self.failures:
            skipped = f"{len(self.failures)} of {self.count} volumes were skipped"
            raise ValueError(f"{skipped}: {' '.join(self.failures)}")


def prepare(folder, output, options=Preparation()):  # noqa: B008
    """Write the slices of all volumes in a folder and below as ``.npz``, and a picture of them beside it.

    :raises ValueError: if the output cannot be written, or no volume can be used.
    """
    folder, output = Path(folder), Path(output)
    if output.suffix != ".npz":
        raise ValueError(f"The output {output} must end in .npz.")
    if not output.parent.is_dir():
        raise ValueError(f"The output folder {output.parent} does not exist.")
    for low, high in options.windows:
        if not low < high:
            raise ValueError(f"The window {low:g} {high:g} must go from a lower to a higher intensity.")
    if not folder.is_dir():
        raise ValueError(f"There is no folder {folder}.")
    sources = volumes_below(folder)
    names = _names(sources)
    subjects = read_table(options.subjects, "subject") if options.subjects else {}
    shares = read_table(options.effective_resolution, "resolution") if options.effective_resolution else {}
    volumes, notes, failures, by_name, without_shares = [], [], [], [], []
    for source in counted(sources, "Preparing", "volume"):
        try:
            subject = fact_of_volume(source, subjects)
            if not subject:
                subject = _subject_by_name(source, folder)
                by_name.append(names[source])
            share = fact_of_volume(source, shares)
            if shares and not share:
                without_shares.append(names[source])
            image = read_volume(source)
            if is_result(image, sidecar_path(source.files[0])):
                raise ValueError("it was made by NExpR, and what was inferred is no truth to learn from: leave it out.")
            known = share or ((1.0, 1.0) if shares else None)
            volumes += prepare_volume(image, names[source], subject, options, known)
            notes += [f"{source}: {note}" for note in notes_of(image)]
        except (ValueError, MemoryError) as error:
            failures.append(source.failure(error))
    kept = [volume for volume in volumes if volume.slices]
    if not kept:
        raise ValueError(f"No slice of {folder} could be used. " + " ".join(failures))
    validation = _validation_subjects(options.validation, sorted({volume.subject for volume in kept}))
    write_slices(output, kept, validation, options.windows)
    sheet = output.with_suffix(".png")
    with atomic_output(sheet) as temporary:
        contact_sheet(kept).savefig(temporary, dpi=80)
    return Prepared(volumes, validation, by_name, without_shares, sheet, len(sources), notes, failures)


def prepare_volume(image, name, subject, options, shares):
    """Normalize the slices of a volume.

    :param image: SimpleITK image.
    :param name: that no other volume has.
    :param options: :class:`Preparation`.
    :param shares: measured share of k-space along the image axes x and y; recognized, if ``None``.
    :return: a :class:`~.prepared.PreparedVolume` per plane and window.
    :raises ValueError: if the volume cannot be used.
    """
    planes = {options.plane: name}
    if options.all_planes and image.GetDimension() == 3 and max(image.GetSpacing()) < 1.2 * min(image.GetSpacing()):
        planes = {str(axis): f"{name} across {letter}" for axis, letter in enumerate("xyz")}
    prepared = []
    for plane, in_plane in planes.items():
        slices = slices_in_plane(image, plane, shares).astype(np.float32)
        for low, high in options.windows or [robust_range(slices)]:
            normalized = np.clip((slices - low) / (high - low), 0, 1)
            kept = [s.astype(np.float16) for s in normalized if (s > _CONTENT_LEVEL).mean() >= options.min_content]
            in_window = in_plane if len(options.windows) < 2 else f"{in_plane} {low:g}..{high:g}"
            prepared.append(PreparedVolume(in_window, subject, kept, len(slices), (low, high)))
    return prepared


def contact_sheet(volumes):
    """Figure with the middle slice of every volume."""
    from matplotlib.figure import Figure

    columns = min(8, len(volumes))
    rows = -(-len(volumes) // columns)
    figure = Figure(figsize=(2.2 * columns, 2.4 * rows), layout="constrained")
    axes = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    for axis in axes:
        axis.axis("off")
    for axis, volume in zip(axes, volumes):
        axis.imshow(volume.slices[len(volume.slices) // 2].astype(np.float32), cmap="gray", vmin=0, vmax=1)
        axis.set_title(f"{volume.subject}\n{_shortened(volume.source)}", fontsize=7)
    return figure


def _shortened(name):
    """Names of one study often differ at their ends only."""
    return name if len(name) <= 28 else f"{name[:13]}...{name[-12:]}"


def _names(sources):
    """Name of each volume, or its place below the folder where several have the same."""
    count = Counter(source.name for source in sources)
    return {source: source.name if count[source.name] == 1 else source.place for source in sources}


def _subject_by_name(source, folder):
    """``sub-NAME`` as in BIDS, else the first folder below ``folder``, or the name of a volume in it directly."""
    path = Path(source.files[0]).relative_to(folder)
    if found := re.search(r"(?:^|/)(sub-[a-zA-Z0-9]+)", path.as_posix()):
        return found.group(1)
    return path.parts[0] if len(path.parts) > 1 else source.name


def _validation_subjects(named, subjects):
    if named is None:
        return subjects[6::7] or subjects[1:][-1:]
    unknown = set(named) - set(subjects)
    if unknown:
        raise ValueError(f"There is no subject {', '.join(sorted(unknown))}: choose from {', '.join(subjects)}.")
    return named
