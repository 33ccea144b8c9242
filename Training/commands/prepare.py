"""``nexpr prepare``: from a folder of volumes to normalized slices with a subject each, the input of training."""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from NExpRLib.intensity import robust_range
from NExpRLib.volumes.geometry import PLANES

from ..data.slices import slices_in_plane
from ..evaluation.markdown import markdown_table
from ..files.file_table import fact_of_volume, read_table
from ..files.volume_files import atomic_output, find_volumes, read_volume

_CONTENT_LEVEL = 0.1


@dataclass(frozen=True)
class PreparedVolume:
    """Slices of one volume in one window as float16 (H, W) in [0, 1], and what the summary says of it."""

    source: str
    subject: str
    slices: list
    total: int
    intensity_range: tuple


def add_arguments(parser):
    parser.add_argument(
        "folder", metavar="FOLDER", help="searched for volumes and DICOM series, with all subfolders but hidden ones"
    )
    parser.add_argument(
        "-o", "--output", required=True, metavar="DATA.npz", help="prepared slices; DATA.png shows them"
    )
    parser.add_argument("--plane", default="auto", help=f"{', '.join(PLANES)}, or an axis 0-2 (default: auto)")
    parser.add_argument(
        "--window",
        type=float,
        nargs=2,
        action="append",
        metavar=("LOW", "HIGH"),
        help="intensities that become 0 and 1, e.g. -140 260 for CT; given several times, every slice is prepared in "
        "each window (default: the 0.1 and 99.9 percentiles of each volume)",
    )
    parser.add_argument(
        "--min-content",
        type=float,
        default=0.1,
        metavar="SHARE",
        help="leave out slices with a smaller share of pixels above a tenth of the range (default: 0.1)",
    )
    parser.add_argument("--subjects", metavar="TABLE", help="table with columns file and subject (default: by name)")
    parser.add_argument(
        "--effective-resolution",
        metavar="TABLE",
        help="table with columns file, x and y: percent of k-space that was measured along the first two axes of "
        "images that the scanner zero-filled; the rest is cropped",
    )
    parser.add_argument(
        "--validation",
        nargs="*",
        metavar="SUBJECT",
        help="subjects kept out of training (default: every seventh, at least one if there are two)",
    )
    parser.epilog = (
        "In either table, a column notes with 'subject=NAME' or 'effective resolution x 67%, y 100%' will do."
    )


def run(arguments):
    output = Path(arguments.output)
    if output.suffix != ".npz":
        raise ValueError(f"The output {output} must end in .npz.")
    if not output.parent.is_dir():
        raise ValueError(f"The output folder {output.parent} does not exist.")
    for low, high in arguments.window or []:
        if not low < high:
            raise ValueError(f"The window {low:g} {high:g} must go from a lower to a higher intensity.")
    sources = _find_all(Path(arguments.folder))
    names = _names(sources, Path(arguments.folder))
    subjects = read_table(arguments.subjects, "subject") if arguments.subjects else {}
    shares = read_table(arguments.effective_resolution, "resolution") if arguments.effective_resolution else {}
    volumes, failures, named, without_shares = [], [], [], []
    for source in tqdm(sources, desc="Preparing", unit="volume", disable=None):
        try:
            subject = fact_of_volume(source, subjects)
            if not subject:
                subject = _subject_by_name(source, Path(arguments.folder))
                named.append(source.name)
            share = fact_of_volume(source, shares)
            if not share:
                without_shares.append(source.name)
            volumes += prepare_volume(source, names[source], subject, arguments, share or (1.0, 1.0))
        except (ValueError, MemoryError) as error:
            failures.append(str(error) if str(source) in str(error) else f"{source}: {error}")
    kept = [volume for volume in volumes if volume.slices]
    if not kept:
        raise ValueError(f"No slice of {arguments.folder} could be used. " + " ".join(failures))
    validation = _validation_subjects(arguments.validation, sorted({volume.subject for volume in kept}))
    write_slices(output, kept, validation, arguments.window or [])
    _print_summary(volumes, validation)
    if not validation and arguments.validation is None:
        print("\nNo subject is set aside for validation: training needs at least two subjects.")
    if subjects and named:
        print(f"\nNo subject in {arguments.subjects}, so named by folder or file: {', '.join(named)}.")
    elif named:
        print("\nSubjects are named by folder or file. If one patient has several names, say so by --subjects.")
    if shares and without_shares:
        print(f"\nNo resolution in {arguments.effective_resolution}, so used whole: {', '.join(without_shares)}.")
    sheet = output.with_suffix(".png")
    with atomic_output(sheet) as temporary:
        contact_sheet(kept).savefig(temporary, dpi=80)
    print(f"\n{sum(len(v.slices) for v in kept)} slices of {len(kept)} volumes: {output}\nContact sheet: {sheet}")
    if failures:
        raise ValueError(f"{len(failures)} of {len(sources)} volumes were skipped: " + " ".join(failures))


def prepare_volume(source, name, subject, options, shares):
    """Read and normalize the slices of a volume.

    :param name: that no other volume has.
    :param options: with ``plane``, ``window`` and ``min_content`` as on the command line.
    :param shares: measured share of k-space along the image axes x and y.
    :return: a :class:`PreparedVolume` per window.
    :raises ValueError: if the volume cannot be read or used.
    """
    image = read_volume(source)
    slices = slices_in_plane(image, options.plane, shares).astype(np.float32)
    prepared = []
    for low, high in options.window or [robust_range(slices)]:
        normalized = np.clip((slices - low) / (high - low), 0, 1)
        kept = [s.astype(np.float16) for s in normalized if (s > _CONTENT_LEVEL).mean() >= options.min_content]
        in_window = name if len(options.window or []) < 2 else f"{name} {low:g}..{high:g}"
        prepared.append(PreparedVolume(in_window, subject, kept, len(slices), (low, high)))
    return prepared


def write_slices(path, volumes, validation, windows):
    """Write ``slice_00000...``, ``subjects`` and ``sources`` per slice, ``validation`` subjects and the ``windows``.

    Whatever the windows of its training, a model sees the robust range of each volume when it is used: to networks that
    are not equivariant, pixels far outside a fixed window would be unlike anything that they were trained on.
    """
    slices = [image for volume in volumes for image in volume.slices]
    with atomic_output(path) as temporary:
        np.savez(
            temporary,
            subjects=np.array([volume.subject for volume in volumes for _ in volume.slices]),
            sources=np.array([volume.source for volume in volumes for _ in volume.slices]),
            validation=np.array(validation, dtype=str),
            windows=np.array(windows).reshape(-1, 2),
            **{f"slice_{i:05d}": image for i, image in enumerate(slices)},
        )


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
        axis.set_title(f"{volume.subject}\n{volume.source[:28]}", fontsize=7)
    return figure


def _find_all(folder):
    if not folder.is_dir():
        raise ValueError(f"There is no folder {folder}.")
    below = sorted(path for path in folder.rglob("*") if path.is_dir())
    # Hidden folders hold other copies of the files, as that of git-annex does.
    folders = [folder, *(p for p in below if not any(part.startswith(".") for part in p.relative_to(folder).parts))]
    sources = [source for path in folders for source in find_volumes(path)]
    if not sources:
        raise ValueError(f"There is no volume in {folder}.")
    return sources


def _names(sources, folder):
    """Name of each volume, or the path of its first file below ``folder`` where several have the same."""
    count = Counter(source.name for source in sources)
    return {
        source: source.name if count[source.name] == 1 else Path(source.files[0]).relative_to(folder).as_posix()
        for source in sources
    }


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


def _print_summary(volumes, validation):
    rows = [
        [
            volume.source,
            volume.subject,
            "validation" if volume.subject in validation else "training",
            f"{len(volume.slices)} of {volume.total}",
            " x ".join(str(n) for n in volume.slices[0].shape) if volume.slices else "-",
            f"{volume.intensity_range[0]:.4g} to {volume.intensity_range[1]:.4g}",
        ]
        for volume in volumes
    ]
    print(markdown_table(["Volume", "Subject", "Part", "Slices", "Size", "Intensities"], rows))
