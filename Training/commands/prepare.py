"""``nexpr prepare``: turn a folder of volumes into slices for training."""

from dataclasses import fields

from NExpRLib.volumes.geometry import PLANES

from ..data.prepare import Preparation, prepare
from ..markdown import markdown_table


def add_arguments(parser):
    parser.add_argument(
        "folder",
        metavar="FOLDER",
        help="searched for volumes and DICOM series, with all subfolders but hidden ones and BIDS derivatives",
    )
    parser.add_argument(
        "-o", "--output", required=True, metavar="DATA.npz", help="prepared slices; DATA.png shows them"
    )
    parser.add_argument("--plane", default="auto", help=f"{', '.join(PLANES)}, or an axis 0-2 (default: auto)")
    parser.add_argument(
        "--all-planes",
        action="store_true",
        help="take the slices across all three axes from volumes whose voxels are about cubes",
    )
    parser.add_argument(
        "--window",
        dest="windows",
        type=float,
        nargs=2,
        action="append",
        default=[],
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
        "images that the scanner zero-filled; the rest is cropped (default: recognized from the voxels)",
    )
    parser.add_argument(
        "--validation",
        nargs="*",
        metavar="SUBJECT",
        help="subjects kept out of training (default: every seventh, at least one if there are two)",
    )
    parser.epilog = "Both tables may be one; commas or tabs separate the columns."


def run(arguments):
    options = Preparation(**{field.name: getattr(arguments, field.name) for field in fields(Preparation)})
    prepared = prepare(arguments.folder, arguments.output, options)
    rows = [
        [
            volume.source,
            volume.subject,
            "validation" if volume.subject in prepared.validation else "training",
            f"{len(volume.slices)} of {volume.total}",
            " x ".join(str(n) for n in volume.slices[0].shape) if volume.slices else "-",
            f"{volume.intensity_range[0]:.4g} to {volume.intensity_range[1]:.4g}",
        ]
        for volume in prepared.volumes
    ]
    print(markdown_table(["Volume", "Subject", "Part", "Slices", "Size", "Intensities"], rows))
    if not prepared.validation and arguments.validation is None:
        print("\nNo subject is set aside for validation: training needs at least two subjects.")
    if arguments.subjects and prepared.subjects_by_name:
        names = ", ".join(prepared.subjects_by_name)
        print(f"\nNo subject in {arguments.subjects}, so named by folder or file: {names}.")
    elif prepared.subjects_by_name:
        print("\nSubjects are named by folder or file. If one patient has several names, say so by --subjects.")
    for note in prepared.notes:
        print(f"\nNote: {note}")
    if prepared.without_resolution:
        names = ", ".join(prepared.without_resolution)
        print(f"\nNo resolution in {arguments.effective_resolution}, so used whole: {names}.")
    count = sum(len(volume.slices) for volume in prepared.kept)
    print(f"\n{count} slices of {len(prepared.kept)} volumes: {arguments.output}\nContact sheet: {prepared.sheet}")
    prepared.check_complete()
