"""A table of a batch, as CSV: one row per volume, written when the volume is done."""

import contextlib
import csv
from pathlib import Path

COLUMNS = ("input", "output", "status", "message", "spacing_before", "spacing_after", "measured", "seconds")


@contextlib.contextmanager
def batch_summary(path):
    """A function that writes the row of a volume, given as a dictionary of some of :data:`COLUMNS`.

    :param path: of the table, which is replaced; ``None`` for no table.
    :raises ValueError: if it cannot be written.
    """
    if path is None:
        yield lambda row: None
        return
    if Path(path).suffix != ".csv":
        raise ValueError(f"The summary {path} must end in .csv.")
    try:
        file = open(path, "w", newline="", encoding="utf-8")
    except OSError as error:
        raise ValueError(f"The summary {path} cannot be written: {error.strerror}.") from error
    with file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()

        def write(row):
            table.writerow(row)
            file.flush()  # The rows are there if the batch is stopped.

        yield write
