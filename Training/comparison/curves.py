"""Figures of a comparison that show numbers: quality and time over the scale, frequencies."""

import itertools

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..evaluation.restorers import CLASSICAL
from ..files.volume_files import atomic_output
from .comparison import Case
from .store import file_name
from .tables import mean_of

COLORS = ["#0072b2", "#009e73", "#e69f00", "#cc79a7", "#56b4e9", "#8c564b", "#7f3fbf", "#a0a000"]
MARKERS = "osD^"  # of fixed-scale networks
CONSISTENCY_LIMIT = 90  # dB; above it, only rounding differs
UNITS = {"PSNR": "PSNR (dB)", "SSIM": "SSIM", "Consistency": "Consistency (dB)"}


def styles(methods):
    """Line style of every method: gray for classical ones, red for NExpR, colors for the others."""
    found, colors, dashes = {}, itertools.cycle(COLORS), iter([":", "--", "-."])
    for name in methods:
        if name in CLASSICAL:
            found[name] = {"color": "0.35", "linestyle": next(dashes)}
        elif name == "NExpR":
            found[name] = {"color": "#d62728", "linewidth": 2.4, "zorder": 5}
        else:
            found[name] = {"color": next(colors)}
    return found


def arbitrary_scale_rows(comparison, test_set):
    """Measurements ``{method: {scale: rows}}`` at all scales of the protocol, from one input."""
    setting = comparison.protocol.arbitrary_scales
    scales = np.linspace(setting.lowest, setting.highest, setting.count).round(3).tolist()
    return {
        name: {
            scale: comparison.rows(name, Case(test_set, scale, setting.input_scale))
            for scale in scales
            if comparison.restores(name, scale)
        }
        for name in comparison.methods
    }


def arbitrary_scale_figure(comparison, test_set, by_method):
    """Figs. 5-7: every metric over the scale. Fixed-scale networks are points."""
    setting = comparison.protocol.arbitrary_scales
    figure = Figure(figsize=(4.2 * len(comparison.metrics) + 1.8, 3.8), layout="constrained")
    axes = figure.subplots(1, len(comparison.metrics), squeeze=False)[0]
    style = styles(comparison.methods)
    for axis, metric in zip(axes, comparison.metrics):
        markers = itertools.cycle(MARKERS)
        for name, by_scale in by_method.items():
            if by_scale:
                values = [mean_of(rows, metric) for rows in by_scale.values()]
                few = len(by_scale) <= 3 < setting.count
                points = {"marker": next(markers), "linestyle": "none"} if few else {}
                axis.plot(list(by_scale), values, label=name, **style[name], **points)
        axis.set(xlabel="Scale", ylabel=UNITS.get(metric, metric))
        if metric == "Consistency" and axis.get_ylim()[1] > CONSISTENCY_LIMIT:
            axis.set_ylim(top=CONSISTENCY_LIMIT)
            axis.set_title(f"lines above {CONSISTENCY_LIMIT} dB are not shown", fontsize=9)
        axis.grid(alpha=0.3)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right center", frameon=False)
    figure.suptitle(f"{test_set}: restored from the slice reduced {setting.input_scale:g} times")
    return save(comparison, f"arbitrary-scales-{test_set}", figure)


def rescale_time_figure(comparison, found):
    """Fig. 8: time to rescale what is encoded, over the scale."""
    size = found["setting"]["size"]
    figure = Figure(figsize=(7.6, 4.4), layout="constrained")
    axis = figure.subplots()
    style = styles(found["methods"])
    markers = itertools.cycle(MARKERS)
    for name, values in found["methods"].items():
        scales, seconds = zip(*values["rescale"])
        points = {"marker": next(markers), "linestyle": "none"} if values["fixed"] else {"marker": "."}
        axis.plot(scales, np.multiply(seconds, 1e3), label=name, **style[name], **points)
    axis.set(yscale="log", xlabel="Scale", ylabel="Time per slice (ms)", xticks=found["setting"]["scales"])
    axis.set_title(f"Rescaling {size} x {size} pixels; points: networks that run as a whole", fontsize=10)
    axis.grid(alpha=0.3, which="both")
    figure.legend(*axis.get_legend_handles_labels(), loc="outside right center", frameon=False)
    return save(comparison, "rescale-time", figure)


def frequency_figure(comparison, networks):
    """Fig. 9: learned frequencies of NExpR, in order, beside those that training began with.

    :param networks: ``{(method, training set): NExpR network}``.
    """
    methods, training_sets = (list(dict.fromkeys(key[i] for key in networks)) for i in range(2))
    shape = len(methods), len(training_sets)
    figure = Figure(figsize=(4.2 * shape[1] + 1.8, 3.2 * shape[0]), layout="constrained")
    axes = figure.subplots(*shape, squeeze=False)
    for (name, training_set), network in networks.items():
        axis = axes[methods.index(name), training_sets.index(training_set)]
        config = network.config
        indices = np.arange(1, config.frequencies + 1)
        axis.plot(indices, indices * config.frequency_step, "_", color="0.4", markersize=16, label="at the start")
        for values, marker, label in zip(network.frequencies(), "o^", ("along rows (w)", "along columns (n)")):
            axis.plot(indices, values.detach().numpy()[1:], marker, markersize=5, alpha=0.8, label=label)
        axis.axhline(np.pi, color="0.7", linestyle=":", label="Nyquist of the input")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.set(xlabel="Index of the frequency", ylabel="Radians per input pixel", ylim=(0, None))
        axis.set_title(f"{name}, trained on {training_set}", fontsize=10)
        axis.grid(alpha=0.3)
    figure.legend(*axis.get_legend_handles_labels(), loc="outside right center", frameon=False)
    return save(comparison, "learned-frequencies", figure)


def study_figure(comparison, study, learned, fixed):
    """Fig. 10: PSNR over the number of frequencies, learned and fixed."""
    figure = Figure(figsize=(5.2, 3.6), layout="constrained")
    axis = figure.subplots()
    axis.plot(study.values, learned, "o-", color="#d62728", label="learned")
    axis.plot(study.values, fixed, "s--", color="0.35", label="fixed")
    axis.set(xlabel="Number of frequencies N per axis", ylabel="PSNR (dB)", xticks=study.values)
    axis.ticklabel_format(axis="y", useOffset=False)
    axis.set_title(f"{study.test_set}, {study.scale:g}x", fontsize=10)
    axis.grid(alpha=0.3)
    axis.legend(title="Frequencies", frameon=True)
    return save(comparison, "number-of-frequencies", figure)


def save(comparison, name, figure):
    """Write a figure; the path for the page."""
    path = comparison.results / f"{file_name(name)}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_output(path) as temporary:
        figure.savefig(temporary, dpi=130)
    return path.relative_to(comparison.output).as_posix()
