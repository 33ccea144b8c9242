"""The piecewise Fourier basis of NExpR (paper Eq. 1) as an operator along one axis.

Inside a patch, with t and z the offsets from its center, Eq. 1 reads

    g = sum_{p,q} alpha_pq sin(w_p t + n_q z) + beta_pq cos(w_p t + n_q z).

Expanding the sums of angles gives ``X^T M Y`` with ``X = [cos(w_0 t) ... cos(w_N t), sin(w_1 t) ... sin(w_N t)]``, Y
likewise along columns, and one matrix M of (2N+1) x (2N+1) numbers per patch: frequency 0 is fixed, its sine vanishes.
"""

import numpy as np

from .axis_operator import AxisOperator, group_by_cell

BASES = ("paper", "full")


def coefficient_count(basis, frequencies):
    """Numbers that the decoder predicts per patch for N = ``frequencies``."""
    return 2 * (frequencies + 1) ** 2 if basis == "paper" else (2 * frequencies + 1) ** 2


def patch_operator(positions, patches, patch_size, frequencies, blend=False):
    """Operator from the coefficients of P patches to samples along one axis.

    Patch i covers ``[a*i - 1/2, a*(i+1) - 1/2)``; outside the image the nearest patch continues. With ``blend``, two
    neighboring patches are mixed linearly between their centers, so that the function has no seams.

    :param positions: float64 array (samples,), input pixel indices.
    :param patches: number of patches P along the axis.
    :param patch_size: pixels a per patch.
    :param frequencies: (N+1,) radians per input pixel, index 0 being 0: float64 NumPy array, or float64 torch tensor
        on the CPU to let gradients flow. The weights are of the same kind.
    """
    center_of_first = (patch_size - 1) / 2
    if blend:
        cells = np.clip(np.floor((positions - center_of_first) / patch_size), -1, patches - 1).astype(np.int64)
        taps = np.array([0, 1])
    else:
        cells = np.clip(np.floor((positions + 0.5) / patch_size), 0, patches - 1).astype(np.int64)
        taps = np.array([0])
    groups = group_by_cell(positions, cells)
    blocks = np.clip(groups.cells[:, None] + taps, 0, patches - 1)
    offsets = groups.positions[:, :, None] - (patch_size * blocks + center_of_first)[:, None, :]
    if blend:
        toward_next = (groups.positions - center_of_first) / patch_size - groups.cells[:, None]
        toward_next = np.clip(toward_next, 0, 1)
        share = np.stack([1 - toward_next, toward_next], axis=-1)
    else:
        share = np.ones_like(offsets)
    waves = _waves(offsets, frequencies)
    weights = waves * (share[..., None] if isinstance(waves, np.ndarray) else waves.new_tensor(share[..., None]))
    return AxisOperator(blocks, weights.reshape(*weights.shape[:2], -1), groups.order)


def _waves(offsets, frequencies):
    """Cosines of all frequencies, then sines of all but the first: (...) -> (..., 2N+1)."""
    n = len(frequencies)
    index = np.concatenate([np.arange(n), np.arange(1, n)])
    quarter_turn = np.repeat([0.0, np.pi / 2], [n, n - 1])
    if isinstance(frequencies, np.ndarray):
        return np.cos(offsets[..., None] * frequencies[index] - quarter_turn)
    offsets, quarter_turn = (frequencies.new_tensor(x) for x in (offsets, quarter_turn))
    return (offsets[..., None] * frequencies[index] - quarter_turn).cos()
