"""The piecewise Fourier basis of NExpR (paper Eq. 1) as an operator along one axis.

Inside a patch, with t and z the offsets from its center, Eq. 1 reads

    g = sum_{p,q} alpha_pq sin(w_p t + n_q z) + beta_pq cos(w_p t + n_q z).

Expanding the sums of angles gives ``X^T M Y`` with ``X = [cos(w_0 t) ... cos(w_N t), sin(w_1 t) ... sin(w_N t)]``, Y
likewise along columns, and one matrix M of (2N+1) x (2N+1) numbers per patch: frequency 0 is fixed, its sine vanishes.
"""

import numpy as np

from .axis_operator import AxisOperator

BASES = ("paper", "full")


def coefficient_count(basis, frequencies):
    """Numbers that the decoder predicts per patch for N = ``frequencies``."""
    return 2 * (frequencies + 1) ** 2 if basis == "paper" else (2 * frequencies + 1) ** 2


def arrange_patches(matrices):
    """Coefficient matrices as :func:`patch_operator` reads them: columns first, the outermost patches repeated.

    :param matrices: (..., P, Q, K, K), NumPy array or torch tensor.
    :return: (..., (Q + 2) K, (P + 2) K).
    """
    *leading, patch_rows, patch_columns, k, _ = matrices.shape
    rows, columns = (np.clip(np.arange(-1, n + 1), 0, n - 1) for n in (patch_rows, patch_columns))
    n = len(leading)
    axes = (*range(n), n + 1, n + 3, n, n + 2)
    if isinstance(matrices, np.ndarray):
        arranged = matrices[..., rows, :, :, :][..., columns, :, :].transpose(axes)
    else:
        rows, columns = (matrices.new_tensor(index, dtype=int) for index in (rows, columns))
        arranged = matrices.index_select(-4, rows).index_select(-3, columns).permute(axes)
    return arranged.reshape(*leading, len(columns) * k, len(rows) * k)


def start_of_first_cell(patch_size, blend):
    """Position where cell 0 begins: at the border of patch 0, or with ``blend`` at its center."""
    return (patch_size - 1) / 2 if blend else -0.5


def cell_of(positions, patches, patch_size, blend):
    """Cell of each position: its patch, or with ``blend`` that whose center precedes it, -1 before the first.

    Outside the image the nearest patch continues.
    """
    cells = np.floor((positions - start_of_first_cell(patch_size, blend)) / patch_size)
    return np.clip(cells, -1 if blend else 0, patches - 1).astype(np.int64)


def patch_operator(groups, patches, patch_size, frequencies, blend):
    """Operator from the coefficients of P patches, the outermost of them repeated, to samples along one axis.

    The numbers along the axis are those of patches 0, 0, 1, ... P-1, P-1, with 2N+1 numbers each. With ``blend``, two
    neighboring patches are mixed linearly between their centers, so that the function has no seams.

    :param groups: samples grouped by :func:`cell_of`.
    :param frequencies: (N+1,) radians per input pixel, index 0 being 0: float64 NumPy array, or float64 torch tensor
        on the CPU to let gradients flow. The weights are of the same kind.
    """

    def weights_of(cells, offsets):
        if not blend:
            return _waves(offsets - patch_size / 2, frequencies)
        toward_next = offsets / patch_size
        toward_next[cells == -1] = 1
        toward_next[cells == patches - 1] = 0
        share = np.abs(toward_next[..., None] - (1, 0))
        waves = _waves(offsets[..., None] - (0, patch_size), frequencies)
        weights = waves * (share if isinstance(waves, np.ndarray) else waves.new_tensor(share))[..., None]
        return weights.reshape(*offsets.shape, -1)

    return AxisOperator(groups, groups.weights(weights_of), step=2 * len(frequencies) - 1)


def _waves(offsets, frequencies):
    """Cosines of all frequencies, then sines of all but the first: (...) -> (..., 2N+1)."""
    if isinstance(frequencies, np.ndarray):
        phases = offsets[..., None] * frequencies
        return np.concatenate([np.cos(phases), np.sin(phases[..., 1:])], axis=-1)
    import torch  # Loaded already, since the frequencies are a tensor.

    phases = frequencies.new_tensor(offsets)[..., None] * frequencies
    return torch.cat([phases.cos(), phases[..., 1:].sin()], dim=-1)
