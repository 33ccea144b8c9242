"""What is refused before a run: voxels that are no intensities, and results that do not fit into memory."""

from typing import Any

import numpy as np

from ..memory import available_memory, memory_needed, readable_bytes
from .geometry import Geometry
from .labels import are_labels
from .plan import Plan


def check_values(pixels: np.ndarray) -> None:
    """Refuse pixels of a whole volume that are no intensities.

    >>> check_values(np.array([0.5, np.nan]))
    Traceback (most recent call last):
    ValueError: The image contains 1 NaN or infinite voxels: replace them first.

    :param pixels: array of real numbers.
    :raises ValueError: for non-finite values and label maps, with what to do instead.
    """
    check_finite(pixels)
    if are_labels(pixels):
        raise ValueError(
            "The image looks like a label map (few integer values, or equal values in large regions): resample it with "
            "nearest neighbor. If it does hold intensities, divide them by the largest first."
        )
    if (value := _marker(pixels)) is not None:
        raise ValueError(
            f"The value {value:g} lies far beyond all others: it seems to mark voxels without data. Replace it first, "
            "for example by the lowest intensity."
        )


def check_finite(pixels: np.ndarray) -> None:
    """Refuse NaN and infinite pixels, in a whole volume or a part of it.

    >>> check_finite(np.zeros((2, 30, 30)))

    :param pixels: array of real numbers.
    :raises ValueError: with their number.
    """
    if np.issubdtype(pixels.dtype, np.floating):
        bad = int(pixels.size - np.count_nonzero(np.isfinite(pixels)))
        if bad:
            raise ValueError(f"The image contains {bad} NaN or infinite voxels: replace them first.")


def check_range(low: float, high: float) -> None:
    """Refuse intensities that are further apart than float32 can hold.

    >>> check_range(-1000, 3000)

    :raises ValueError: with the intensities.
    """
    if high - low > float(np.finfo(np.float32).max):
        raise ValueError(f"Intensities from {low:g} to {high:g} are too large to compute with: scale them down first.")


def check_memory(plan: Plan, dtype: np.dtype, volumes: int = 1) -> None:
    """Refuse a result, or several alike, that cannot fit into memory.

    >>> from .geometry import Geometry
    >>> from .plan import plan_upsampling
    >>> pixels = Geometry((64, 64, 4), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), np.eye(3))
    >>> check_memory(plan_upsampling(pixels, scale=2), np.dtype("int16"))

    :param dtype: pixel type of the result.
    :raises ValueError: with the memory that it would take.
    """
    needed = memory_needed(plan, dtype, volumes)
    available = available_memory()
    if available is not None and needed > available:
        raise ValueError(
            f"The run to {' x '.join(str(n) for n in plan.geometry.size)} voxels would take "
            f"{readable_bytes(needed)} of memory, of which {readable_bytes(available)} is available: "
            "choose a smaller scale, or crop the image."
        )


def check_fill(value: float, dtype: np.dtype) -> None:
    """Refuse a value outside the input that its pixel type cannot hold.

    >>> check_fill(-1000, np.dtype("int16"))

    :raises ValueError: for fractions, NaN and numbers out of range in an image of integers.
    """
    if np.issubdtype(dtype, np.integer):
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
        if not (float(value).is_integer() and low <= value <= high):
            raise ValueError(
                f"The voxels are {dtype} and cannot hold {value:g} as the value outside the input: choose a whole "
                f"number from {low} to {high}."
            )


def check_no_effect(
    fill: float | None, has_reference: bool, names_slices_model: bool, isotropic: bool | float | None
) -> None:
    """Refuse options that nothing would depend on.

    >>> check_no_effect(None, False, True, True)

    :param fill: value outside the input.
    :param has_reference: whether the target is the grid of a reference.
    :param names_slices_model: whether a model for stacks of slices was named.
    :param isotropic: the target, ``None`` for another one.
    :raises ValueError: with what to do instead.
    """
    if fill is not None and not has_reference:
        raise ValueError(
            "A fill value matters only outside the input, which only a reference reaches: name a reference (like), or "
            "leave it out."
        )
    if names_slices_model and not isotropic:
        raise ValueError(
            "A model for stacks of slices matters only where slices are refined: ask for an isotropic volume, or leave "
            "it out."
        )


def check_thickness(thickness: float, geometry: Geometry, plan: Plan) -> None:
    """Refuse a thickness of slices that no stack of slices has, or that nothing depends on.

    >>> from .plan import plan_upsampling
    >>> thick = Geometry((64, 64, 10), (0.5, 0.5, 3.0), (0.0,) * 3, np.eye(3))
    >>> check_thickness(2.5, thick, plan_upsampling(thick, isotropic=True))

    :param thickness: in mm.
    :param geometry: of the input.
    :raises ValueError: with what to do instead.
    """
    if plan.through is None or plan.slice_axis is None:
        raise ValueError("The thickness of slices matters only where they are refined: ask for an isotropic volume.")
    spacing = geometry.spacing[plan.slice_axis]
    if not 0.25 * spacing <= thickness <= 2.5 * spacing:
        raise ValueError(
            f"Slices of {thickness:g} mm every {spacing:g} mm are not foreseen: name a thickness from "
            f"{0.25 * spacing:g} to {2.5 * spacing:g} mm."
        )


def _marker(pixels: np.ndarray) -> Any:
    """A lowest or highest value so far beyond the values in between that float32 would lose them, or ``None``."""
    marker = max(pixels.min(), pixels.max(), key=lambda value: abs(float(value)))
    if abs(float(marker)) < 1e5:
        return None
    between = pixels[(pixels > pixels.min()) & (pixels < pixels.max())]
    # Single outliers, as in quantitative maps, are no part of the robust range.
    if between.size == 0 or between.size > 0.999 * pixels.size or between.min() == between.max():
        return None
    largest = max(abs(float(between.min())), abs(float(between.max())))
    return marker if abs(float(marker)) > 1000 * largest else None
