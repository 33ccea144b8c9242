"""What a model card says of quality, and how a card is shown and written.

``card["metrics"]`` holds the ``command`` that measures it, and ``results``: a list of
``{"volume": ..., "method": ..., "scale": ..., "PSNR": ..., ...}``, means over the slices of a volume, and over all.
"""

import json
import re
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from ..files.volume_files import atomic_output
from ..markdown import markdown_table, of_metric

ALL_SLICES = "all slices"  # instead of the name of a volume
_KEYS = ("volume", "method", "scale")


def quality_tables(results):
    """``{metric: Markdown table}`` of volumes and methods over the scales."""
    metrics = [key for key in results[0] if key not in _KEYS]
    lines = [(key, list(group)) for key, group in groupby(results, itemgetter("volume", "method"))]
    header = ["Volume", "Method", *(f"{row['scale']:g}x" for row in lines[0][1])]
    tables = {}
    for metric in metrics:
        cells = [[*key, *(of_metric(metric, row[metric]) for row in rows)] for key, rows in lines]
        tables[metric] = markdown_table(header, cells)
    return tables


def rounded(results):
    """The same results with the digits that tables show."""
    return [
        {key: value if key in _KEYS else float(of_metric(key, value)) for key, value in row.items()} for row in results
    ]


def card_as_text(card):
    """A model card for reading: text as it is, metrics as tables.

    :raises ValueError: if the metrics are not understood.
    """
    lines = []
    for key, value in card.items():
        if key == "metrics":
            try:
                tables = quality_tables(value["results"])
                lines.append(f"\nmetrics, by: {value['command']}")
            except (KeyError, IndexError, TypeError, ValueError) as error:
                raise ValueError(f"The metrics of the model {card['name']} are not understood ({error!r}).") from error
            lines += [f"\n{metric}\n{table}" for metric, table in tables.items()]
        elif isinstance(value, list) and value and isinstance(value[0], str):
            lines += [f"{key}:", *(f"  - {line}" for line in value)]
        elif isinstance(value, dict):
            lines += [f"{key}:", *(f"  - {name}: {entry}" for name, entry in value.items())]
        elif value is not None:
            lines.append(f"{key}: {value}")
    return "\n".join(lines)


def write_card(card, folder):
    """Write ``card.json`` into a model's folder."""
    text = json.dumps(card, indent=2, ensure_ascii=False) + "\n"
    # A line for each result.
    text = re.sub(r"\{\s+(\"volume\": [^{}]*)\n\s+\}", lambda row: "{" + re.sub(r"\n\s+", " ", row[1]) + "}", text)
    with atomic_output(Path(folder) / "card.json") as temporary:
        temporary.write_text(text, encoding="utf-8")
