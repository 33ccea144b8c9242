"""Means per patient, and tests that are paired by patient: slices of one patient are no independent samples."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import wilcoxon

LEVEL = 0.05


def patient_means(rows, metric):
    """Mean of the slices of each patient: ``{patient: value}``."""
    values = {}
    for row in rows:
        values.setdefault(row["patient"], []).append(row[metric])
    return {patient: float(np.mean(of_slices)) for patient, of_slices in values.items()}


@dataclass(frozen=True)
class PairedTest:
    """Two-sided Wilcoxon signed-rank test of the differences of ``n`` patients.

    :ivar difference: mean over patients.
    :ivar p: NaN if all differences are 0.
    :ivar smallest_p: the least that n patients can give, when all differences have one sign.
    """

    n: int
    difference: float
    p: float
    smallest_p: float

    @property
    def verdict(self):
        """What the test says at the level of 5 %."""
        if self.smallest_p >= LEVEL:
            return "n too small"
        return "differs" if self.p < LEVEL else "no difference shown"


def paired_test(rows, other_rows, metric):
    """Test of the difference of a metric, ``rows`` minus ``other_rows``, over the patients that both have."""
    means, other_means = patient_means(rows, metric), patient_means(other_rows, metric)
    differences = np.array([means[patient] - other_means[patient] for patient in means if patient in other_means])
    n = len(differences)
    p = float(wilcoxon(differences).pvalue) if np.any(differences) else float("nan")
    return PairedTest(n, float(differences.mean()), p, min(1.0, 2.0 ** (1 - n)))
