"""Tables of facts about files that the files do not hold: the subject, the effective resolution."""

import csv
from pathlib import Path

from .volume_sources import extension_of

_LEAST_SHARE = 0.1  # Less is no percentage, but a share such as 0.75.


def read_table(path, what):
    """Facts per file from a table with tabs or commas: ``{path: fact}``, see :func:`fact_of`.

    :param what: ``subject`` (text) or ``resolution`` (measured shares of k-space along x and y).
    :raises ValueError: if the table is not readable, lacks the columns, or holds no percentages.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            first = file.readline()
            file.seek(0)
            rows = list(csv.DictReader(file, delimiter="\t" if "\t" in first else ","))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"The table {path} cannot be read ({error}).") from error
    columns = set(rows[0]) if rows else set()
    needed = ["subject"] if what == "subject" else ["x", "y"]
    if not {"file", *needed} <= columns:
        raise ValueError(f"The table {path} needs the columns file and {' and '.join(needed)}.")
    facts = {}
    for row in rows:
        name, values = Path(row["file"] or ""), [row[column] for column in needed]
        facts[name] = (values[0] or "").strip() or None if what == "subject" else _shares(values, f"{name} in {path}")
    return facts


def fact_of_volume(source, facts):
    """What a table says of a :class:`~.volume_sources.VolumeSource`: of its file, or the folder of a DICOM series."""
    file = Path(source.files[0])
    fact = fact_of(file, facts)
    return fact if fact or extension_of(file) else fact_of(file.parent, facts)


def _shares(percentages, where):
    try:
        shares = tuple(float(value or 100) / 100 for value in percentages)
    except ValueError:
        shares = (0,)
    if not all(_LEAST_SHARE <= share <= 1 for share in shares):
        raise ValueError(f"The effective resolution of {where} must be two percentages from 10 to 100.")
    return shares


def fact_of(path, facts):
    """The fact of a file: that of the table's path which shares most of its end with ``path``, the name at least.

    Paths that lead to another file, as ``ann/t2.nii`` does beside ``bob/t2.nii``, do not count.

    :raises ValueError: if several fit equally well and say different things.
    """
    path = Path(path).parent.resolve() / Path(path).name  # Files may be links to what a data manager named anew.
    fitting = {}
    for name, fact in facts.items():
        shared = [a == b for a, b in zip(path.parts[::-1], name.parts[::-1])]
        if shared and shared[0]:
            fitting.setdefault([*shared, False].index(False), {})[name] = fact
    for count in sorted(fitting, reverse=True):
        best = {fact for name, fact in fitting[count].items() if not _is_another(name, path, count)}
        if len(best) > 1:
            raise ValueError(f"{path}: several rows of the table fit. Name the folder in the table as well.")
        if best:
            return best.pop()
    return None


def _is_another(name, path, shared):
    """Whether a longer end of ``name`` than that shared with ``path`` leads to a file from a folder above it."""
    ends = (Path(*name.parts[-count:]) for count in range(shared + 1, len(name.parts) + 1))
    others = (folder / end for end in ends for folder in path.parents)
    return any(other.exists() and other.resolve() != path.resolve() for other in others)
