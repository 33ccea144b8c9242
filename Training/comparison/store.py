"""Measurements per slice on disk: a part that is finished is not computed again."""

import csv
import hashlib
import json
import re

from ..files.volume_files import atomic_output

SLICE = ("patient", "volume", "slice")


def stored_rows(folder, parts, origin, compute):
    """Measurements of one part of the comparison, computed by ``compute()`` if they are not there yet.

    There is one CSV file per part, which appears only when it is complete.

    :param folder: where the files lie.
    :param parts: what names the part, e.g. method, test set and scale: folders and the file's name.
    :param origin: all that the measurements depend on, as JSON can hold it. If it has changed, they are computed
        again.
    :return: list of dictionaries: ``patient``, ``volume``, ``slice``, and a float per metric.
    """
    path = folder.joinpath(*(file_name(part) for part in parts[:-1]), f"{file_name(parts[-1])}.csv")
    key = hashlib.sha256(json.dumps(origin, sort_keys=True).encode()).hexdigest()[:16]
    if not path.is_file() or path.read_text(encoding="utf-8").splitlines()[:1] != [f"# {key}"]:
        rows = compute()
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_output(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
            file.write(f"# {key}\n")
            writer = csv.DictWriter(file, rows[0], lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    with open(path, newline="", encoding="utf-8") as file:
        file.readline()
        return [
            {name: value if name in SLICE else float(value) for name, value in row.items()}
            for row in csv.DictReader(file)
        ]


def file_name(text):
    """A name for files and folders: letters, digits, dots and dashes."""
    return re.sub(r"[^a-z0-9.]+", "-", str(text).lower()).strip("-")
