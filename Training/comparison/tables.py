"""Tables of a comparison, each as CSV and as Markdown."""

import csv
from dataclasses import replace

import numpy as np

from ..files.volume_files import atomic_output
from ..markdown import markdown_table, of_metric
from .comparison import Case
from .statistics import paired_test, patient_means
from .store import file_name

REFERENCE = "NExpR"


def write_table(folder, name, header, rows):
    """Write a table of strings as ``name.csv``, and return it as Markdown."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{file_name(name)}.csv"
    with atomic_output(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
    return markdown_table(header, rows)


def mean_of(rows, metric):
    """Mean over patients of the means of their slices."""
    return float(np.mean(list(patient_means(rows, metric).values())))


def fixed_scale_table(comparison, test_set, trained_on=None):
    """Table 2, and Table 4 where ``trained_on`` names another training set: every method, scale and metric."""
    scales = comparison.protocol.fixed_scales
    methods = comparison.methods if trained_on is None else list(comparison.protocol.methods)
    rows = []
    for method in methods:
        cells = []
        for scale in scales:
            if comparison.restores(method, scale):
                measured = comparison.rows(method, Case(test_set, scale, trained_on=trained_on))
                cells += [of_metric(metric, mean_of(measured, metric)) for metric in comparison.metrics]
            else:
                cells += ["-"] * len(comparison.metrics)
        rows.append([method, *cells])
    header = ["Method", *(f"{scale}x {metric}" for scale in scales for metric in comparison.metrics)]
    name = f"cross-{test_set}-trained-on-{trained_on}" if trained_on else f"fixed-scales-{test_set}"
    return write_table(comparison.results, name, header, rows)


def paired_test_table(comparison, test_set, metric="PSNR"):
    """NExpR against every other method, paired by patient, at every fixed scale; ``None`` if there is no NExpR."""
    if REFERENCE not in comparison.methods:
        return None
    rows = []
    for method in comparison.methods:
        for scale in comparison.protocol.fixed_scales:
            if method == REFERENCE or not comparison.restores(method, scale):
                continue
            case = Case(test_set, scale)
            test = paired_test(comparison.rows(REFERENCE, case), comparison.rows(method, case), metric)
            rows.append([method, f"{scale}x", f"{test.difference:+.2f}", str(test.n), f"{test.p:.3g}", test.verdict])
    header = ["NExpR minus", "Scale", f"{metric} (dB)", "Patients n", "p", "At 5 %"]
    return write_table(comparison.results, f"paired-tests-{test_set}", header, rows)


def average_table(comparison, curves):
    """Table 3: averages over the arbitrary scales, for each test set and over them.

    :param curves: ``{test set: {method: {scale: rows}}}``; methods without all scales are left out.
    """
    test_sets = list(curves)
    count = max(len(by_scale) for by_method in curves.values() for by_scale in by_method.values())
    rows = []
    for method in comparison.methods:
        per_set = [curves[test_set].get(method, {}) for test_set in test_sets]
        if any(len(by_scale) < count for by_scale in per_set):
            continue
        means = [[np.mean([mean_of(r, m) for r in by.values()]) for m in comparison.metrics] for by in per_set]
        groups = [*means, np.mean(means, axis=0)] if len(means) > 1 else means
        rows.append([method, *(of_metric(m, value) for group in groups for m, value in zip(comparison.metrics, group))])
    names = [*test_sets, "all"] if len(test_sets) > 1 else test_sets
    header = ["Method", *(f"{name} {metric}" for name in names for metric in comparison.metrics)]
    return write_table(comparison.results, "averages", header, rows)


def patient_file(comparison):
    """Means of every patient at the fixed scales, of every method, as CSV only."""
    rows = []
    for test_set in comparison.protocol.test_sets:
        for method in comparison.methods:
            for scale in comparison.protocol.fixed_scales:
                if not comparison.restores(method, scale):
                    continue
                measured = comparison.rows(method, Case(test_set, scale))
                means = {metric: patient_means(measured, metric) for metric in comparison.metrics}
                for patient in next(iter(means.values())):
                    values = [f"{means[metric][patient]:.6g}" for metric in comparison.metrics]
                    rows.append([test_set, patient, method, str(scale), *values])
    write_table(comparison.results, "patients", ["Test set", "Patient", "Method", "Scale", *comparison.metrics], rows)


def study_table(comparison, study, name, header, variants):
    """A study over one number (Table 6, Fig. 10): ``variants`` are ``(cells, variant name, options)``."""
    case, method = Case(study.test_set, study.scale), comparison.protocol.methods[study.method]
    rows, values = [], []
    for cells, variant, options in variants:
        setting = replace(method, options={**method.options, **study.options, **options})
        measured = comparison.rows(f"{study.method} {variant}", case, setting)
        means = [mean_of(measured, metric) for metric in comparison.metrics]
        rows.append([*cells, *(of_metric(metric, mean) for metric, mean in zip(comparison.metrics, means))])
        values.append(means[0])
    return write_table(comparison.results, name, [*header, *comparison.metrics], rows), values
