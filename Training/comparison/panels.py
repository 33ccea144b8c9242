"""Qualitative panels of a comparison (Fig. 4): an enlarged part of one slice by every method, with its error.

The range of colors leaves out the largest hundredth of the errors of the first method.
"""

import numpy as np
from matplotlib.figure import Figure

from ..evaluation.figure import frame, most_detailed_window
from .comparison import Case, reduced
from .curves import save

COLUMNS = 7


def panel_figure(comparison, test_set):
    """Middle slice of the first patient: truth and input, then every method above its error."""
    scale = comparison.protocol.panels_scale
    case = Case(test_set, scale)
    slices = comparison.slices(test_set)
    of_first = [one for one in slices if (one.patient, one.volume) == (slices[0].patient, slices[0].volume)]
    one = of_first[len(of_first) // 2]
    low, truth = reduced(one.truth, case, comparison.degradation(test_set))
    row, column, side = most_detailed_window(truth)
    window = np.s_[row : row + side, column : column + side]
    names = [name for name in comparison.methods if comparison.restores(name, scale)]
    restored = {name: comparison.restorer(name, case)[1]()(low, truth.shape) for name in names}

    limit = np.percentile(np.abs(restored[names[0]] - truth)[window], 99)

    cells = ["Truth", "Input", *names]
    bands = -(-len(cells) // COLUMNS)
    figure = Figure(figsize=(2.1 * COLUMNS + 0.9, 4.5 * bands + 0.5), layout="constrained")
    figure.suptitle(f"{test_set}, {scale}x, patient {one.patient}: part of {side} x {side} of the truth's pixels")
    axes = figure.subplots(2 * bands, COLUMNS, squeeze=False)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
        axis.set_frame_on(False)
    for i, name in enumerate(cells):
        above, below = axes[2 * (i // COLUMNS) : 2 * (i // COLUMNS) + 2, i % COLUMNS]
        above.set_title(name, fontsize=11)
        if name == "Truth":
            _show(above, truth[window])
            _show(below, truth)
            below.plot(*frame(row, column, side), "y", linewidth=1)
            below.set_title("whole slice", fontsize=9)
        elif name == "Input":
            _show(above, low, extent=(0, truth.shape[1], truth.shape[0], 0))
            above.set(xlim=(column, column + side), ylim=(row + side, row))
            legend = below.inset_axes((0.35, 0.05, 0.1, 0.8))
        else:
            error = restored[name] - truth
            _show(above, restored[name][window])
            shown = below.imshow(error[window], cmap="RdBu_r", vmin=-limit, vmax=limit)
            below.set_title(f"error, RMS {np.sqrt(np.mean(error**2)):.4f}", fontsize=9)
    figure.colorbar(shown, cax=legend, label="error, share of the range")
    return save(comparison, f"panels-{test_set}", figure)


def _show(axis, image, **options):
    axis.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest", **options)
