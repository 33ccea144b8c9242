"""Figures that compare restored slices."""

import numpy as np
from matplotlib.figure import Figure

ERROR_LIMIT = 0.15


def comparison_figure(low, restored, truth, title):
    """Rows: whole slice, enlarged part, error (and what NExpR inferred). Columns: input, each method, truth.

    :param low: (h, w) input, shown as its pixels are.
    :param restored: ``{method: (H, W)}`` with ``Zero-filling``, the band-limited input, and ``NExpR`` among them.
    :param truth: (H, W) in [0, 1].
    :return: matplotlib figure.
    """
    height, width = truth.shape
    row, column, side = most_detailed_window(truth)
    columns = {"Input": low, **restored, "Truth": truth}
    figure = Figure(figsize=(2.6 * len(columns), 2.6 * (height / width + 2) + 0.5), layout="constrained")
    figure.suptitle(f"{title}: {low.shape[0]} x {low.shape[1]} to {height} x {width} pixels", fontsize=13)
    axes = figure.subplots(3, len(columns), height_ratios=[height / width, 1, height / width])
    extent = (0, width, height, 0)
    for (name, image), (whole, part, below) in zip(columns.items(), axes.T):
        for axis in (whole, part):
            axis.imshow(image, cmap="gray", vmin=0, vmax=1, extent=extent, interpolation="nearest")
        part.set(xlim=(column, column + side), ylim=(row + side, row))
        whole.set_title(name, fontsize=12)
        whole.plot(*frame(row, column, side), "y", lw=0.8)
        if name in restored:
            error = image - truth
            below.set_title(f"error, RMS {np.sqrt(np.mean(error**2)):.4f}", fontsize=10)
            shown = below.imshow(error, cmap="RdBu_r", vmin=-ERROR_LIMIT, vmax=ERROR_LIMIT)
    axes[2, 0].set_title("inferred by NExpR", fontsize=10)
    inferred = restored["NExpR"] - restored["Zero-filling"]
    axes[2, 0].imshow(inferred, cmap="RdBu_r", vmin=-ERROR_LIMIT, vmax=ERROR_LIMIT)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
        axis.set_frame_on(False)
    legend = axes[2, -1].inset_axes((0.08, 0.1, 0.08, 0.8))
    figure.colorbar(shown, cax=legend, label="share of the intensity range")
    return figure


def frame(row, column, side):
    """Coordinates x and y of the border of a square window."""
    return column + side * np.array([0, 1, 1, 0, 0]), row + side * np.array([0, 0, 1, 1, 0])


def most_detailed_window(image):
    """(row, column, side) of the square window, a quarter of the width, with the largest mean gradient."""
    side = image.shape[1] // 4
    detail = np.hypot(*np.gradient(image)).cumsum(0).cumsum(1)
    sums = detail[side:, side:] - detail[:-side, side:] - detail[side:, :-side] + detail[:-side, :-side]
    row, column = np.unravel_index(sums.argmax(), sums.shape)
    return int(row), int(column), side
