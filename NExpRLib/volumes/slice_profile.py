"""Slices of finite thickness: their profiles, the operator from fine samples to slices, and consistency with slices.

A slice is ``g_k = sum_j h(z_j - z_k) f(z_j) / sum_j h(z_j - z_k)`` with the profile h, the sensitivity across it. All
positions and thicknesses along the slice axis share one unit: mm, or pixels of one grid.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

PROFILES = ("gaussian", "slr", "super-gaussian", "box")

FloatArray = NDArray[np.float64]

# Pauly et al. (1991), Eq. 21: from the logarithms of both ripples to the transition band times the filter's length.
_RIPPLES = np.array([[5.309e-3, 7.114e-2, -4.761e-1], [-2.66e-3, -5.941e-1, -4.278e-1]])
_RIPPLE = 0.01
# Thicknesses from the center beyond which no profile has weight.
_REACH = 2.25
# In a cell over which a profile is averaged.
_POINTS = 8
# Singular value of an operator, as a share of the largest, below which the slices hardly measured anything.
_SMALLEST = 0.3


def slice_profile(
    offsets: ArrayLike, thickness: float, kind: str = "gaussian", step: float = 0.0, time_bandwidth: float = 12.0
) -> FloatArray:
    """Sensitivity of a slice at distances from its center, 1 at the center or close to it.

    - ``gaussian``: full width at half maximum ``thickness``.
    - ``slr``: transverse magnetization after a 90 degree excitation by a linear-phase Shinnar-Le Roux pulse (Pauly et
      al., IEEE Trans. Med. Imaging 10, 1991), as 2D spin echoes use; it is slightly negative beside the slice.
    - ``super-gaussian``: ``2^-|2 z / thickness|^6``, nearly rectangular, where the pulse is unknown.
    - ``box``.

    :param offsets: distances from the center of the slice, any shape.
    :param thickness: full width at half maximum, above 0.
    :param step: length of the cell about each offset over which the profile is averaged. Without it, the few samples
        across a slice with sharp edges would weigh all or nothing, and its center would jump with their position.
        Slices thinner than 9/8 cells are taken to be that thick.
    :param time_bandwidth: of the pulse; for ``slr`` only.
    :return: float64 array of the shape of ``offsets``.
    :raises ValueError: for another kind, or a thickness that is not positive.

    >>> slice_profile([0.0, 1.5, 3.0], 3.0).round(4).tolist()
    [1.0, 0.5, 0.0625]
    """
    if kind not in PROFILES:
        raise ValueError(f'Unknown slice profile "{kind}": choose one of {", ".join(PROFILES)}.')
    if not 0 < thickness < math.inf:
        raise ValueError(f"The slice thickness must be a positive number, not {thickness}.")
    offsets = np.asarray(offsets, dtype=np.float64)
    if step:
        within = ((np.arange(_POINTS) + 0.5) / _POINTS - 0.5) * step
        thickness = _resolved(thickness, step)
        return slice_profile(offsets[..., None] + within, thickness, kind, 0.0, time_bandwidth).mean(axis=-1)
    distance = np.abs(offsets) * (2 / thickness)
    if kind == "gaussian":
        return np.exp2(-(distance**2))
    if kind == "super-gaussian":
        return np.exp2(-(np.minimum(distance, 4) ** 6))
    if kind == "box":
        return np.where(distance <= 1, 1.0, 0.0)
    positions, values = _slr_profile(float(time_bandwidth))
    return np.interp(distance, positions, values, right=0.0)


def _resolved(thickness: float, step: float) -> float:
    """The thickness, if it is not below 9/8 cells: a thinner slice may lie within one, which cannot say where."""
    return max(thickness, (1 + 1 / _POINTS) * step)


@lru_cache(maxsize=64)
def _slr_profile(time_bandwidth: float) -> tuple[FloatArray, FloatArray]:
    """Distances from the center in half widths at half maximum, and the transverse magnetization there.

    The pulse's polynomial B is a linear-phase filter of least squares, of a length that makes the pulse smooth. With B
    real, the magnetization is ``2 B sqrt(1 - B^2)``.
    """
    log1, log2 = math.log10(_RIPPLE / 2) / 2, math.log10(_RIPPLE / math.sqrt(2))  # what B may have for 90 degrees
    a, b = _RIPPLES @ np.array([log1 * log1, log1, 1.0])
    transition = (a * log2 + b) / time_bandwidth
    taps = np.arange(65)
    distance = np.linspace(0, len(taps) / time_bandwidth * 2, 2048)  # in half bandwidths, up to the Nyquist frequency
    waves = np.cos(np.pi * time_bandwidth / (2 * len(taps)) * np.outer(distance, taps))
    fitted = np.abs(distance - 1) >= transition
    weights = np.linalg.lstsq(waves[fitted], (distance[fitted] < 1).astype(np.float64), rcond=None)[0]
    amplitude = np.clip(math.sqrt(0.5) * (waves @ weights), -1, 1)
    magnetization = 2 * amplitude * np.sqrt(1 - amplitude**2)
    beyond = int(np.argmax(magnetization < 0.5))
    half = np.interp(-0.5, -magnetization[beyond - 1 : beyond + 1], distance[beyond - 1 : beyond + 1])
    near = distance <= 3 * half
    return distance[near] / half, magnetization[near]


def slice_operator(
    samples: ArrayLike, centers: ArrayLike, thickness: float, kind: str = "gaussian", time_bandwidth: float = 12.0
) -> FloatArray:
    """Matrix from fine samples along the slice axis to slices: each row holds the weights of one slice, sum 1.

    Each sample counts by the mean of the profile in its cell.

    :param samples: (n,) positions of the fine samples, evenly spaced.
    :param centers: (m,) positions of the centers of the slices.
    :param thickness, kind, time_bandwidth: see :func:`slice_profile`.
    :return: float64 array (m, n).
    :raises ValueError: if a slice lies outside the samples, or as :func:`slice_profile`.

    >>> slice_operator([0, 1, 2, 3], [0.5, 2.5], 2.0, "box").tolist()
    [[0.5, 0.5, 0.0, 0.0], [0.0, 0.0, 0.5, 0.5]]
    """
    samples, centers = (np.asarray(p, dtype=np.float64) for p in (samples, centers))
    step = abs(samples[1] - samples[0]) if len(samples) > 1 else thickness
    offsets = samples - centers[:, None]
    near = np.abs(offsets) < _REACH * _resolved(thickness, step) + step
    weights = np.zeros(offsets.shape)
    weights[near] = slice_profile(offsets[near], thickness, kind, step, time_bandwidth)
    total = weights.sum(axis=1, keepdims=True)
    if not (total > 0.01).all():
        raise ValueError("Slices lie outside the samples that they are to be made of.")
    weights *= 1 - offsets * slopes(weights, offsets)[:, None]
    return weights / weights.sum(axis=1, keepdims=True)


def slopes(weights: FloatArray, offsets: FloatArray) -> FloatArray:
    """Slopes s with which weights ``w (1 - s offset)`` have their mean position at the center of the slice.

    >>> slopes(np.array([[1.0, 1.0, 1.0]]), np.array([[-1.0, 0.0, 2.0]])).tolist()
    [0.2]

    Where samples lie unevenly about a center, or end, those of the profile alone have not: slices of an image that
    rises evenly would then not be what it is at their centers.

    :param weights, offsets: (m, n), of the samples of each slice.
    :return: (m,).
    """
    first, second = ((weights * offsets**power).sum(axis=1) for power in (1, 2))
    return np.divide(first, second, out=np.zeros_like(first), where=second > 0)


@dataclass(frozen=True, eq=False)
class AddedProfiles:
    """What is added to a function so that averaging it over their profiles gives the slices at 0, 1, 2 and so on.

    :ivar missing: float32 (n, ...), how much of the profile of each slice.
    :ivar slope: float64 (n,), by which the profile of each slice is centered, see :func:`slopes`.
    :ivar thickness, profile, step: of the profile, see :func:`slice_profile`, in slices.
    """

    missing: NDArray[np.float32]
    slope: FloatArray
    thickness: float
    profile: str
    step: float

    def weights(self, positions: ArrayLike) -> NDArray[np.float32]:
        """The centered profiles, float32 (m, n), at positions (m,) along the slice axis.

        >>> AddedProfiles(np.zeros(2, np.float32), np.zeros(2), 1.0, "gaussian", 0.0).weights([0.0, 0.5]).round(4)
        array([[1.    , 0.0625],
               [0.5   , 0.5   ]], dtype=float32)
        """
        offsets = np.asarray(positions, dtype=np.float64)[:, None] - np.arange(len(self.slope))
        profiles = slice_profile(offsets, self.thickness, self.profile, self.step)
        return (profiles * (1 - offsets * self.slope)).astype(np.float32)


def missing_slices(fine: np.ndarray, slices: np.ndarray, operator: FloatArray, strength: float = 1.0) -> np.ndarray:
    """How much of each slice's profile to add to fine samples so that averaging them gives the slices.

    >>> operator = slice_operator([0, 1, 2, 3], [0.5, 2.5], 2.0, "box")
    >>> missing_slices(np.zeros(4), np.array([1.0, 2.0]), operator).round(6).tolist()
    [2.0, 4.0]

    ``c = (A A^T)^+ (slices - A fine)``: the samples ``fine + A^T c`` are as close to ``fine`` as possible. What slices
    that overlap by a third or more hardly measured stays as it is in ``fine``: correcting it would amplify noise.

    :param fine: float array (n, ...).
    :param slices: float array (m, ...), as measured.
    :param operator: A, (m, n), from :func:`slice_operator`.
    :param strength: factor of the result, below 1 where the profile is a guess.
    :return: array (m, ...) of the dtype of ``fine``.
    """
    inverse = strength * np.linalg.pinv(operator @ operator.T, rcond=_SMALLEST**2, hermitian=True)
    averaged = operator.astype(fine.dtype) @ fine.reshape(len(fine), -1)
    return (inverse.astype(fine.dtype) @ (slices.reshape(len(slices), -1) - averaged)).reshape(slices.shape)


def make_consistent(fine: np.ndarray, slices: np.ndarray, operator: FloatArray, strength: float = 1.0) -> np.ndarray:
    """Fine samples changed as little as possible so that averaging them over the profile gives the slices.

    Where slices overlap by a third or more, not quite, see :func:`missing_slices`.

    :param fine, slices, operator, strength: see :func:`missing_slices`.
    :return: array (n, ...) of the dtype of ``fine``.

    >>> a = slice_operator(np.arange(6), [0.5, 2.5, 4.5], 2.0, "box")
    >>> (a @ make_consistent(np.zeros(6), np.array([1.0, 2.0, 3.0]), a)).round(6).tolist()
    [1.0, 2.0, 3.0]
    """
    missing = missing_slices(fine, slices, operator, strength)
    return fine + (operator.T.astype(fine.dtype) @ missing.reshape(len(missing), -1)).reshape(fine.shape)
