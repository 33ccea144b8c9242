"""``nexpr inspect``: what the scanner measured along each axis of a volume."""

import json
import sys
from collections import Counter

from NExpRLib.volumes.acquisition import inspect_volume
from NExpRLib.volumes.meaning import Meaning
from NExpRLib.volumes.series import volumes_of
from NExpRLib.volumes.sidecar import sidecar_of

from ..files.notes import notes_of
from ..files.volume_files import atomic_output, read_volume
from ..files.volume_sources import volumes_at
from ..markdown import markdown_table, three_digits


def add_arguments(parser):
    parser.add_argument(
        "input", metavar="IN", help="NIfTI, NRRD, MetaImage or MGH file, DICOM folder, or folder of volumes"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument(
        "-o", "--output", metavar="PNG", help="figure: spectra, and the slice as stored and as measured"
    )


def run(arguments):
    sources = volumes_at(arguments.input)
    if arguments.output and len(sources) > 1:
        raise ValueError(f"{arguments.input} holds {len(sources)} volumes: a figure shows one.")
    if arguments.output and not arguments.output.endswith(".png"):
        raise ValueError(f"The figure {arguments.output} must end in .png.")
    found, notes, failures = {}, [], 0
    names = Counter(source.name for source in sources)
    for source in sources:
        try:
            image = read_volume(source)
            volume = volumes_of(image)[0]
            facts = sidecar_of(image)
            meaning = Meaning(volume, facts)  # refuses what is no intensities
            name = source.name if names[source.name] == 1 else str(source)
            found[name] = inspect_volume(volume, facts)
            notes += [f"{source}: {note}" for note in notes_of(image)]
            if arguments.output:
                shown = volume if meaning.padding is None else meaning.parts(found[name].slice_axis)[0]
                _write_figure(arguments.output, shown, found[name], source.name)
        except (ValueError, MemoryError) as error:
            if len(sources) == 1:
                raise
            failures += 1
            print(f"Failed: {source.failure(error)}", file=sys.stderr)
    if arguments.json:
        facts = {name: _facts(acquisition) for name, acquisition in found.items()}
        print(json.dumps(facts if len(sources) > 1 else next(iter(facts.values())), indent=2))
    elif len(sources) > 1:
        print(
            markdown_table(["Volume", "Stored (mm)", "Measured (mm)", "SNR"], [_row(*item) for item in found.items()])
        )
    else:
        _print(next(iter(found.values())))
    for note in () if arguments.json else notes:
        print(f"Note: {note}")
    if arguments.output and not arguments.json:
        print(f"Figure: {arguments.output}")
    if failures:
        raise ValueError(f"{failures} of {len(sources)} volumes failed.")


def _write_figure(path, volume, acquisition, title):
    from ..evaluation.acquisition_figure import acquisition_figure

    with atomic_output(path) as temporary:
        acquisition_figure(volume, acquisition, title).savefig(temporary, dpi=100)


def _print(acquisition):
    rows = [
        ["ijk"[i], f"{axis.size}", f"{axis.stored:.4g}", f"{axis.measured_size}", f"{axis.measured:.4g}", text]
        for i, (axis, text) in enumerate(zip(acquisition.axes, _evidence(acquisition)))
    ]
    print(markdown_table(["Axis", "Pixels", "Stored (mm)", "Measured", "Measured (mm)", "Evidence"], rows))
    print(f"\n{acquisition}.", *acquisition.notes, sep="\n")
    if acquisition.snr is not None:
        print(f"Noise: {three_digits(acquisition.noise)} (standard deviation), SNR {acquisition.snr:.0f}.")
    if acquisition.thickness is not None:
        print(
            f"Slices: {acquisition.thickness:.4g} mm thick, {acquisition.stored[acquisition.slice_axis]:.4g} mm apart."
        )


def _evidence(acquisition):
    by_axis = dict(text.split(": ", 1) for text in acquisition.evidence)
    return [
        by_axis.get(
            "ijk"[i],
            "slices, not looked at"
            if i == acquisition.slice_axis
            else "not looked for: CT, signed values, no detail or few pixels",
        )
        for i in range(len(acquisition.axes))
    ]


def _row(name, acquisition):
    sizes = (" x ".join(f"{mm:.4g}" for mm in of_axes) for of_axes in (acquisition.stored, acquisition.measured))
    return [name, *sizes, "-" if acquisition.snr is None else f"{acquisition.snr:.0f}"]


def _facts(acquisition):
    return {
        "stored": acquisition.stored,
        "measured": acquisition.measured,
        "measured_size": acquisition.measured_size,
        "step_dB": [axis.edge.step for axis in acquisition.axes],
        "log_likelihood_ratio": [axis.edge.evidence for axis in acquisition.axes],
        "filtered": [axis.edge.filtered for axis in acquisition.axes],
        "header": [axis.header for axis in acquisition.axes],
        "slice_axis": acquisition.slice_axis,
        "thickness": acquisition.thickness,
        "noise": acquisition.noise,
        "cropped": acquisition.cropped,
        "snr": acquisition.snr,
        "periodic": acquisition.periodic,
        "evidence": acquisition.evidence,
    }
