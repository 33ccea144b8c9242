"""The whole comparison: runs its experiments and writes one page that shows every table and figure."""

from datetime import date
from pathlib import Path

from ..files.volume_files import atomic_output
from ..methods import Kind
from .comparison import Case, Comparison
from .complexity import complexity_table, measure_times
from .curves import arbitrary_scale_figure, arbitrary_scale_rows, frequency_figure, rescale_time_figure, study_figure
from .differences import TEXT
from .panels import panel_figure
from .protocol import read_protocol
from .tables import average_table, fixed_scale_table, paired_test_table, patient_file, study_table

PAGE = "RESULTS.md"


def compare(config, output, data_folder, device, command):
    """Run the comparison that a configuration names, and write :data:`PAGE` into ``output``.

    :param command: that leads here, for the page.
    :return: path of the page.
    :raises ValueError: if the configuration or the data cannot be used.
    """
    comparison = Comparison(read_protocol(config), output, data_folder, device)
    sections = [_introduction(comparison, config, command)]
    for experiment in (fixed_scales, arbitrary_scales, cross_data_set, complexity, frequencies, patches, panels):
        sections += experiment(comparison)
    sections.append(TEXT)
    path = Path(output) / PAGE
    with atomic_output(path) as temporary:
        temporary.write_text("\n\n".join(sections) + "\n", encoding="utf-8")
    return path


def _introduction(comparison, config, command):
    protocol = comparison.protocol
    networks = [name for name, method in protocol.methods.items() if method.config]
    ready = [name for name, method in protocol.methods.items() if method.models]
    lines = [
        f"# Comparison {Path(config).stem}",
        f"Written by `{command}` on {date.today().isoformat()}.",
    ]
    if protocol.note:
        lines.append(protocol.note)
    if networks:
        own = "with its own published loss, learning rate and schedule"
        if "model.learning_rate" in protocol.options:
            own = "with the same learning rate and schedule"
        lines.append(
            f"Trained for this comparison: {', '.join(networks)}. Every network saw {protocol.images:,} training crops "
            f"{own}; fixed-scale networks as many for each scale."
        )
    if ready:
        lines.append(f"Models that were trained before, on other terms: {', '.join(ready)}.")
    counts = []
    for name in protocol.test_sets:
        slices, degradation = comparison.slices(name), comparison.degradation(name)
        patients = len({one.patient for one in slices})
        counts.append(f"{name} (patients: {patients}, slices: {len(slices)}, degradation: {degradation})")
    lines.append(f"Test sets: {'; '.join(counts)}.")
    lines.append(
        "Tables give means over patients of the means of their slices. PSNR and SSIM (11 x 11 Gaussian window, where "
        "it fits) are of results clipped to [0, 1]; consistency (Eq. 5 of the paper) is the PSNR of the degraded "
        "result against the input. Tables are also in `results/` as CSV, means of every patient in "
        "`results/patients.csv`."
    )
    if comparison.lpips is None:
        lines.append("LPIPS: not available, because the configuration gives no weights (`lpips`).")
    if "SRGAN" in networks and not _option(comparison, "SRGAN", "model.vgg_weights"):
        lines.append(
            "SRGAN was trained with pixel and adversarial loss: no VGG weights for a perceptual one were given."
        )
    return "\n\n".join(lines)


def _option(comparison, name, option):
    return {**comparison.protocol.options, **comparison.protocol.methods[name].options}.get(option)


def fixed_scales(comparison):
    """Table 2 and the paired tests."""
    sections = []
    for test_set in comparison.protocol.test_sets:
        sections.append(f"## Fixed scales: {test_set} (Table 2)\n\n{fixed_scale_table(comparison, test_set)}")
        tests = paired_test_table(comparison, test_set)
        if tests:
            sections.append(
                "Two-sided Wilcoxon signed-rank tests of PSNR, paired by patient. With n patients, p is at least "
                "2^(1-n): with fewer than six, no difference can be shown at 5 %. They are not corrected for their "
                f"number: of twenty without any difference, one is expected to differ.\n\n{tests}"
            )
    patient_file(comparison)
    return sections


def arbitrary_scales(comparison):
    """Figs. 5-7 and Table 3."""
    setting = comparison.protocol.arbitrary_scales
    if not setting:
        return []
    curves = {test_set: arbitrary_scale_rows(comparison, test_set) for test_set in comparison.protocol.test_sets}
    sections = [f"## Arbitrary scales ({setting.count} in [{setting.lowest:g}, {setting.highest:g}], Figs. 5-7)"]
    for test_set, by_method in curves.items():
        sections.append(f"![{test_set}]({arbitrary_scale_figure(comparison, test_set, by_method)})")
    sections.append(f"Averages over these scales (Table 3):\n\n{average_table(comparison, curves)}")
    return sections


def cross_data_set(comparison):
    """Table 4."""
    sections = []
    if comparison.protocol.cross_data_set:
        for test_set, setting in comparison.protocol.test_sets.items():
            for other in comparison.protocol.training_sets:
                if other != setting.trained_on:
                    table = fixed_scale_table(comparison, test_set, other)
                    sections.append(f"## Across data sets: {test_set}, trained on {other} (Table 4)\n\n{table}")
    return sections


def complexity(comparison):
    """Table 5 and Fig. 8."""
    if not comparison.protocol.timing:
        return []
    found = measure_times(comparison)
    text = (
        f"## Complexity and time (Table 5, Fig. 8)\n\nOn {found['setting']['machine']}; medians of at "
        f"least {found['setting']['repeats']} runs in one process. Encoding runs once per slice; rescaling is measured "
        "from what was encoded to the result in memory, at a scale that was used before, so that NExpR finds its basis "
        "prepared (`nexpr benchmark` measures the first time as well), while bicubic and B-spline interpolation "
        "compute their weights in every call. Fixed-scale networks run as a whole every time."
    )
    figure = f"![Time to rescale]({rescale_time_figure(comparison, found)})"
    return [text, complexity_table(comparison, found), figure]


def frequencies(comparison):
    """Figs. 9 and 10."""
    sections, networks = [], {}
    for name, method in comparison.protocol.methods.items():
        for test_set, setting in comparison.protocol.test_sets.items():
            if method.trained.kind is Kind.NEXPR and (name, setting.trained_on) not in networks:
                networks[name, setting.trained_on] = comparison.restorer(name, Case(test_set, 4))[1]().network
    if networks:
        figure = frequency_figure(comparison, networks)
        sections.append(f"## Learned frequencies (Fig. 9)\n\n![Learned frequencies]({figure})")
    study = comparison.protocol.frequency_study
    if study:
        variants = [
            (
                [str(n), "learned" if learned else "fixed"],
                f"N {n} {'learned' if learned else 'fixed'}",
                {"model.network.frequencies": n, "model.learn_frequencies": learned},
            )
            for learned in (True, False)
            for n in study.values
        ]
        name = "number-of-frequencies"
        table, psnr = study_table(comparison, study, name, ["N", "Frequencies"], variants)
        figure = study_figure(comparison, study, psnr[: len(study.values)], psnr[len(study.values) :])
        sections.append(f"## Number and learnability of frequencies (Fig. 10)\n\n![PSNR over N]({figure})\n\n{table}")
    return sections


def patches(comparison):
    """Table 6."""
    study = comparison.protocol.patch_study
    if not study:
        return []
    variants = [([str(a)], f"patch {a}", {"model.network.patch_size": a}) for a in study.values]
    table, _ = study_table(comparison, study, "patch-size", ["Patch side a (pixels)"], variants)
    return [f"## Patch size (Table 6)\n\n{study.test_set}, {study.scale:g}x.\n\n{table}"]


def panels(comparison):
    """Fig. 4."""
    if not comparison.protocol.panels_scale:
        return []
    figures = [f"![{name}]({panel_figure(comparison, name)})" for name in comparison.protocol.test_sets]
    return ["## Slices and their errors (Fig. 4)", *figures]
