"""Tables in Markdown, and numbers in them."""

import math


def markdown_table(header, rows):
    """Rows of strings as a Markdown table with aligned columns."""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |" for line in lines)


def three_digits(value):
    """Three significant digits, all digits of larger whole numbers: 0.0123, 4.56, 12,345."""
    if value == 0:
        return "0"
    return f"{value:,.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"


def of_metric(metric, value):
    """The value of a metric: decibels with two decimals, others with four."""
    return f"{value:.2f}" if metric.startswith(("PSNR", "Consistency")) else f"{value:.4f}"
