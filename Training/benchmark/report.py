"""The result of ``nexpr benchmark`` as Markdown, CSV and a figure."""

import csv
from dataclasses import dataclass

from ..markdown import markdown_table, three_digits
from .timing import Measured

_COLUMNS = (
    "section,device,case,method,output_pixels,unit,median,lower_quartile,upper_quartile,repetitions,relative".split(",")
)


@dataclass(frozen=True)
class Row:
    """One measurement.

    :ivar section: ``rescale``, ``encode``, ``volume`` or ``memory``.
    :ivar measured: in seconds, of memory in bytes.
    :ivar reference: the median that this one is put in relation to, or ``None``.
    :ivar output_pixels: pixels of a rescaled slice, else ``None``.
    """

    section: str
    device: str
    case: str
    method: str
    measured: Measured
    reference: float | None = None
    output_pixels: int | None = None

    @property
    def relative(self):
        return None if self.reference is None else self.measured.median / self.reference


def report(machine, rows, notes):
    """Markdown: ratios, then times with their quartiles.

    :param machine: ``(property, value)`` lines.
    :param notes: ``{section: sentence below its tables}``.
    """
    parts = ["# NExpR benchmark", "\n".join(f"- {name}: {value}" for name, value in machine)]
    titles = {
        "rescale": "Rescaling",
        "encode": "Encoding a slice",
        "volume": "Volumes",
        "memory": "Peak memory beyond input and result",
    }
    for section, title in titles.items():
        of_section = [row for row in rows if row.section == section]
        for device in _unique(row.device for row in of_section):
            of_device = [row for row in of_section if row.device == device]
            parts.append(f"## {title}: {device}")
            if section in ("rescale", "encode"):
                parts.append("Times relative to the first line")
                parts.append(_pivot(of_device, lambda row: three_digits(row.relative)))
            if section == "memory":
                parts.append(_pivot(of_device, lambda row: f"{max(0, row.measured.median) / 1e9:.2f} GB"))
            else:
                parts.append("Milliseconds: median (quartiles)")
                parts.append(_pivot(of_device, lambda row: _milliseconds(row.measured)))
        if of_section:
            parts.append(notes[section])
    return "\n\n".join(parts) + "\n"


def write_csv(path, rows):
    """One line per measurement; seconds and bytes."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        for row in rows:
            writer.writerow(
                [
                    *(row.section, row.device, row.case, row.method, row.output_pixels),
                    "bytes" if row.section == "memory" else "s",
                    *(f"{value:.6g}" for value in (row.measured.median, *row.measured.quartiles)),
                    len(row.measured.values),
                    "" if row.relative is None else f"{row.relative:.6g}",
                ]
            )


def rescale_figure(rows, machine):
    """Rescale time against output pixels, one panel per device; lines join the slices of the first size."""
    from matplotlib.figure import Figure

    rows = [row for row in rows if row.section == "rescale"]
    devices = _unique(row.device for row in rows)
    figure = Figure(figsize=(10 * len(devices), 6), layout="constrained")
    panels = figure.subplots(1, len(devices), squeeze=False, sharey=True)[0]
    first_size = rows[0].case.split()[0]
    colors = {
        method: f"C{number}" if number < 10 else "black"
        for number, method in enumerate(_unique(row.method for row in rows))
    }
    for panel, device in zip(panels, devices):
        joined, others = {}, {}
        for row in rows:
            if row.device == device:
                kind = joined if row.case.split()[0] == first_size else others
                kind.setdefault(row.method, []).append(row)
        for method in sorted(joined, key=lambda name: joined[name][-1].measured.median, reverse=True):
            own = method.startswith("NExpR")
            style = {"color": colors[method], "linewidth": 2.5 if own else 1.2, "zorder": 3 if own else 2}
            panel.errorbar(*_points(joined[method]), marker="o", markersize=4, label=method, **style)
            panel.errorbar(
                *_points(others.get(method, [])), marker="s", markersize=6, fillstyle="none", linestyle="none", **style
            )
        panel.set(xscale="log", yscale="log", title=device, xlabel="Output (pixels)")
        panel.grid(which="major", alpha=0.4)
        panel.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=9)
    panels[0].set_ylabel("Time to rescale (ms), median and quartiles")
    date = dict(machine)["Date"][:10]
    figure.suptitle(f"Rescaling an encoded slice of {first_size} pixels (dots) or of another size (squares), {date}")
    return figure


def _points(rows):
    """Arguments of errorbar: x, y and quartiles in milliseconds."""
    medians = [row.measured.median for row in rows]
    below = [1e3 * (median - row.measured.quartiles[0]) for median, row in zip(medians, rows)]
    above = [1e3 * (row.measured.quartiles[1] - median) for median, row in zip(medians, rows)]
    return [row.output_pixels for row in rows], [1e3 * median for median in medians], [below, above]


def _pivot(rows, cell):
    """A line per method, a column per case; a dash for what was not measured."""
    cases = _unique(row.case for row in rows)
    found = {(row.method, row.case): cell(row) for row in rows}
    lines = [
        [method, *(found.get((method, case), "-") for case in cases)] for method in _unique(r.method for r in rows)
    ]
    return markdown_table(["", *cases], lines)


def _unique(values):
    return list(dict.fromkeys(values))


def _milliseconds(measured):
    lower, upper = (three_digits(1e3 * quartile) for quartile in measured.quartiles)
    return f"{three_digits(1e3 * measured.median)} ({lower}-{upper})"
