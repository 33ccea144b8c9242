"""The operators of an explicit image along each axis, made once for a grid.

Those of the last 16 grids are kept: a slider and the slices of a volume ask for the same ones again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .axis_operator import AxisOperator, group_by_cell
from .fourier_basis import cell_of, fourier_operator, start_of_first_cell
from .interpolant import interpolation_operator
from .samples import Samples

if TYPE_CHECKING:
    import torch


class Axis(NamedTuple):
    """One axis of an explicit image.

    :ivar size: pixels along the axis, without padding.
    :ivar padding: pixels that the coefficients cover beyond the image on either side.
    :ivar patches: number of patches.
    :ivar frequencies: (N+1,) radians per pixel; or a float64 tensor on the CPU, to let gradients flow.
    """

    size: int
    padding: int
    patches: int
    patch_size: int
    blend: bool
    skip: str
    frequencies: tuple[float, ...] | torch.Tensor

    @property
    def start_of_first_cell(self) -> float:
        return start_of_first_cell(self.patch_size, self.blend)


def axis_operators(
    along: Samples | NDArray[np.float64], axis: Axis, dtype: np.dtype | torch.dtype, device: torch.device | None
) -> tuple[AxisOperator, ...]:
    """Operators along an axis: of the skip, unless there is none, and of the patches.

    >>> axis = Axis(4, 0, 2, patch_size=2, blend=True, skip="bicubic", frequencies=(0.0, 1.5))
    >>> [operator.needed for operator in axis_operators(Samples.over(4, 8), axis, np.dtype("float32"), None)]
    [slice(0, 10, None), slice(0, 12, None)]

    :param along: samples along the axis; or positions in pixel indices, in any order.
    :param dtype, device: of the coefficients; the device of NumPy arrays is ``None``.
    """
    keep = isinstance(along, Samples) and isinstance(axis.frequencies, tuple)
    make: Callable[..., tuple[AxisOperator, ...]] = _kept_operators if keep else _operators
    return make(along, axis, dtype, device)


def _operators(along: Any, axis: Axis, dtype: Any, device: Any) -> tuple[AxisOperator, ...]:
    without_frequencies = axis._replace(frequencies=())  # Rows and columns often share the rest.
    groups, *skip = (_kept_skip if isinstance(along, Samples) else _skip)(along, without_frequencies, dtype, device)
    frequencies = np.array(axis.frequencies) if isinstance(axis.frequencies, tuple) else axis.frequencies
    fourier = fourier_operator(groups, axis.patches, axis.patch_size, frequencies, axis.blend)
    return *skip, fourier.to(dtype, device)


def _skip(along: Any, axis: Axis, dtype: Any, device: Any) -> tuple[Any, ...]:
    """The groups of the samples, and the operator of the skip unless there is none."""
    positions = (along.positions() if isinstance(along, Samples) else along) + axis.padding
    cells = cell_of(positions, axis.patches, axis.patch_size, axis.blend)
    groups = group_by_cell(positions, cells, axis.start_of_first_cell, axis.patch_size)
    if axis.skip == "none":
        return (groups,)
    size = axis.size + 2 * axis.padding
    operator = interpolation_operator(groups, size, axis.patch_size, axis.start_of_first_cell, axis.skip)
    return groups, operator.to(dtype, device)


_kept_operators = lru_cache(maxsize=32)(_operators)
_kept_skip = lru_cache(maxsize=32)(_skip)
