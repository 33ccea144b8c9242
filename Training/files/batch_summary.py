"""A table of a batch, as CSV: one row per volume, written when the volume is done."""

import contextlib
import csv
import sys
from pathlib import Path

COLUMNS = ("input", "output", "status", "message", "spacing_before", "spacing_after", "measured", "seconds")


@contextlib.contextmanager
def batch_summary(path):
    """A function that writes the row of a volume, given as a dictionary of some of :data:`COLUMNS`.

    Rows that cannot be written do not end the batch: they are said after it.

    :param path: of the table, which is replaced; ``None`` for no table.
    :raises ValueError: if it cannot be written: at once if it cannot be opened, else at the end, where it is printed if
        another error is raised.
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
    table = csv.DictWriter(file, COLUMNS)
    table.writeheader()
    problem = ""

    def attempt(step, *arguments):
        nonlocal problem
        try:
            step(*arguments)
        except OSError as error:
            problem = f"The summary {path} cannot be written: {error.strerror}."

    def write(row):
        attempt(table.writerow, row)
        attempt(file.flush)  # The rows are there if the batch is stopped.

    try:
        yield write
    except BaseException:
        attempt(file.close)
        if problem:
            print(problem, file=sys.stderr)
        raise
    attempt(file.close)
    if problem:
        raise ValueError(problem)
