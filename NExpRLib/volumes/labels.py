"""Whether voxels are labels rather than intensities: interpolated labels are none."""

import numpy as np

_FEW, _MANY = 32, 4096
_THOUSAND = 1000
_CHUNK = 1 << 20
_SAMPLES = 100_000


def are_labels(pixels: np.ndarray) -> bool:
    """Whether voxels look like labels, whatever their type.

    They do where all are integers and, in a thousand voxels or more, have from 2 to 32 different values; or up to 4096
    values, most of which lie beside equal ones, while unequal neighbors differ by more than a step or two.

    >>> organs = np.zeros((4, 30, 30), np.float32)
    >>> organs[:, 5:20, 8:25] = 9
    >>> are_labels(organs)
    True
    >>> are_labels(np.random.default_rng(0).normal(100, 20, (4, 30, 30)).astype(np.int16))
    False

    :param pixels: array of real numbers; NaN is passed over.
    """
    flat = pixels.ravel()
    sample = _finite(flat[:: 1 + flat.size // _SAMPLES])
    values = np.unique(sample)
    if flat.size < 64 or len(values) > _MANY or not _integral(sample):
        return False
    if flat.size >= _THOUSAND and len(values) <= _FEW:
        few = _few_values(flat)
        if few is not None:
            return few >= 2
    return _in_regions(pixels)


def _few_values(flat: np.ndarray) -> int | None:
    """How many different values there are, all integers; ``None`` where they are more than a few."""
    found: set = set()
    for start in range(0, flat.size, _CHUNK):
        chunk = _finite(flat[start : start + _CHUNK])
        if not _integral(chunk):
            return None
        found.update(np.unique(chunk).tolist())
        if len(found) > _FEW:
            return None
    return len(found)


def _in_regions(pixels: np.ndarray) -> bool:
    """Whether equal values lie side by side outside the most frequent one, and unequal ones differ by much."""
    rows = pixels.reshape(-1, pixels.shape[-1])
    width = max(1, _SAMPLES // pixels.shape[-1])
    rows = rows[:: 1 + len(rows) // width]
    values, ranks, counts = np.unique(rows, return_inverse=True, return_counts=True)
    ranks = ranks.reshape(rows.shape)
    if not (2 <= len(values) <= _MANY and _integral(values)):
        return False
    foreground = ranks != counts.argmax()
    pairs = foreground[:, 1:] | foreground[:, :-1]
    steps = np.abs(np.diff(ranks, axis=1))[pairs]
    if not len(steps) or np.count_nonzero(steps == 0) <= 0.5 * len(steps):
        return len(values) == 2
    return len(values) <= _FEW or float(np.median(steps[steps > 0], keepdims=False) if steps.any() else 3) > 2


def _finite(values: np.ndarray) -> np.ndarray:
    return values[np.isfinite(values)] if np.issubdtype(values.dtype, np.floating) else values


def _integral(values: np.ndarray) -> bool:
    return np.issubdtype(values.dtype, np.integer) or bool((values == np.rint(values)).all())
