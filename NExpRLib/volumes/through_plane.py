"""Super-resolution through the slices: a stack of thick slices drawn anywhere along the slice axis.

The planes that contain the slice axis, along the rows and along the columns of the slices, are explicit images each.
Both families of planes are drawn at the same positions along the slice axis, and their mean is made consistent with
the slices. Positions count slices: slice k lies at k.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..function.explicit_image import ExplicitImage
from ..function.interpolant import interpolate, prefilter
from ..function.samples import Samples, positions_of
from ..memory import PLANES_AT_ONCE
from .explicit_plane import ExplicitPlane
from .explicit_volume import ExplicitVolume, joined_planes
from .slice_profile import AddedProfiles, make_consistent, missing_slices, slice_operator, slice_profile, slopes

if TYPE_CHECKING:
    from ..model import Model

# Slice spacings, in pixels, that the networks are trained for.
RATIOS = (1.3, 8.0)


def stack_conditions(spacing: float, thickness: float) -> tuple[float, float]:
    """What a network for stacks of slices is told of them.

    :param spacing: from one slice to the next, in pixels of the slices (the smaller side).
    :param thickness: of a slice (full width at half maximum), in the same pixels.

    >>> stack_conditions(4.0, 4.0)
    (0.5, 0.0)
    """
    return math.log2(min(max(spacing, RATIOS[0]), RATIOS[1])) - 1.5, thickness / spacing - 1


def through_plane(
    slices: np.ndarray,
    positions: ArrayLike,
    model: "Model",
    *,
    pixel: float,
    thickness: float = 1.0,
    profile: str = "super-gaussian",
    consistency: float = 1.0,
    progress: Callable[[float], None] = lambda share: None,
) -> NDArray[np.float32]:
    """Draw a stack of slices at positions along the slice axis, in bounded memory: a few planes are encoded at a time.

    >>> from NExpRLib import load_model
    >>> stack, model = np.ones((5, 8, 8)), load_model("mri-fast", "cpu")
    >>> through_plane(stack, Samples.over(5, 20).positions(), model, pixel=0.25).shape
    (20, 8, 8)

    :param slices: real array (n, h, w), finite: n evenly spaced slices, two at least.
    :param positions: (m,) where to draw, in slices: slice k lies at k. Evenly spaced over the stack if ``consistency``
        is not 0.
    :param model: trained on stacks of slices, see ``degradation`` in its card.
    :param pixel: side of a pixel, the shorter one, as a share of the distance between slices.
    :param thickness: of a slice (full width at half maximum), as a share of the distance between slices.
    :param profile: of a slice, see :func:`~.slice_profile.slice_profile`.
    :param consistency: how far the result is corrected so that averaging it over the profile gives the slices, from 0
        to 1: less where thickness or profile are a guess.
    :param progress: called with the share that is done; what it raises ends the run.
    :return: float32 array (m, h, w). It does not depend on how many planes are encoded at a time.
    :raises ValueError: for what is no stack of slices, for options that make no sense, as :meth:`.Model.represent`,
        and if a slice holds no position.
    """
    slices = _checked(slices, pixel, thickness, profile, consistency)
    positions = positions_of(positions)
    if consistency and not np.allclose(np.diff(positions, 2), 0, atol=1e-6):
        raise ValueError("Only evenly spaced positions can be made consistent with slices: set the consistency to 0.")
    result = np.zeros((len(positions), *slices.shape[1:]), dtype=np.float32)
    for axis, part, planes in _encoded(slices, model, pixel, thickness, progress):
        columns = Samples.pixels(slices.shape[3 - axis])
        index = tuple(part if a == axis else slice(None) for a in range(3))
        result[index] += 0.5 * np.moveaxis(planes.rasterize(rows=positions, columns=columns), 0, axis)
    if consistency:
        operator = slice_operator(positions, np.arange(len(slices)), thickness, profile)
        result = make_consistent(result, slices, operator, consistency)
    return result


def represent_stack(
    slices: np.ndarray,
    model: "Model",
    *,
    pixel: float,
    thickness: float = 1.0,
    profile: str = "super-gaussian",
    consistency: float = 1.0,
    progress: Callable[[float], None] = lambda share: None,
) -> ExplicitVolume:
    """Encode a stack once; the result is rasterized anywhere without the network.

    >>> from NExpRLib import load_model
    >>> function = represent_stack(np.ones((5, 8, 8)), load_model("mri-fast", "cpu"), pixel=0.25)
    >>> function.rasterize(slices=[1.5], rows=[2.0, 2.5], columns=[4.0]).round(3).tolist()
    [[[1.0], [1.0]]]

    It takes some 170 bytes of memory for each voxel; :func:`through_plane` draws without keeping the function. Averages
    over the profile are taken of samples a pixel apart, here and wherever it is drawn.

    :param slices, model, pixel, thickness, profile, consistency, progress: see :func:`through_plane`.
    """
    slices = _checked(slices, pixel, thickness, profile, consistency)
    count, h, w = slices.shape
    families: dict[int, list[ExplicitImage]] = {1: [], 2: []}
    for axis, _, planes in _encoded(slices, model, pixel, thickness, progress):
        families[axis].append(planes)
    without = ExplicitVolume((count, h, w), joined_planes(families[1]), joined_planes(families[2]))
    if not consistency:
        return without
    fine = Samples.over(count, math.ceil(count / pixel))
    drawn = without.rasterize(slices=fine, rows=Samples.pixels(h), columns=Samples.pixels(w))
    return replace(without, added=_added(drawn, slices, fine, thickness, profile, consistency))


def represent_plane(
    plane: np.ndarray,
    model: "Model",
    *,
    pixel: float,
    thickness: float = 1.0,
    profile: str = "super-gaussian",
    consistency: float = 1.0,
    intensity_range: tuple[float, float] | None = None,
) -> ExplicitPlane:
    """Encode one plane through the slice axis; the result is rasterized anywhere without the network.

    >>> from NExpRLib import load_model
    >>> plane = represent_plane(np.ones((5, 8)), load_model("mri-fast", "cpu"), pixel=0.25)
    >>> plane.rasterize(rows=[1.5], columns=[2.0, 2.5]).round(3).tolist()
    [[1.0, 1.0]]

    :param plane: real array (n, w): pixels of n evenly spaced slices.
    :param model, pixel, thickness, profile, consistency: see :func:`through_plane`.
    :param intensity_range: see :meth:`.Model.represent`.
    """
    plane = _checked(np.asarray(plane)[:, None], pixel, thickness, profile, consistency)[:, 0]
    # The CPU draws: it is fast, and consistency is computed there.
    image = model.represent(plane, intensity_range, conditions=_told(model, pixel, thickness)).cpu()
    if not consistency:
        return ExplicitPlane(image)
    fine = Samples.over(len(plane), math.ceil(len(plane) / pixel))
    drawn = image.rasterize(rows=fine, columns=Samples.pixels(plane.shape[1]))
    return ExplicitPlane(image, _added(drawn, plane, fine, thickness, profile, consistency))


def spline_through_plane(slices: NDArray[np.float32], positions: ArrayLike) -> NDArray[np.float32]:
    """The same by the cubic B-spline through the slices: what slices of no thickness would say.

    >>> stack = np.arange(6, dtype=np.float32)[:, None, None] * np.ones((1, 2, 2), np.float32)
    >>> spline_through_plane(stack, [2, 3]).round(3)[:, 0, 0].tolist()
    [2.0, 3.0]

    :param slices: float32 array (n, h, w).
    :param positions: (m,) in slices.
    :return: float32 array (m, h, w).
    """
    positions, columns = np.asarray(positions, dtype=np.float64), np.arange(slices.shape[2], dtype=np.float64)
    planes = (
        interpolate(prefilter(plane, "bspline"), positions, columns, "bspline") for plane in slices.swapaxes(0, 1)
    )
    return np.stack(list(planes), axis=1)


def _added(
    drawn: NDArray[np.float32],
    slices: NDArray[np.float32],
    fine: Samples,
    thickness: float,
    profile: str,
    consistency: float,
) -> AddedProfiles:
    """
    :param drawn: (m, ...) at fine samples.
    :param slices: (n, ...).
    """
    positions = fine.positions()
    operator = slice_operator(positions, np.arange(len(slices)), thickness, profile)
    offsets = positions - np.arange(len(slices))[:, None]
    weights = slice_profile(offsets, thickness, profile, fine.step)
    slope = slopes(weights, offsets)
    # Rows of the operator have the sum 1, also at the ends of the stack, where samples lack on one side.
    totals = (weights * (1 - offsets * slope[:, None])).sum(axis=1)
    missing = missing_slices(drawn, slices, operator, consistency)
    missing = missing / totals.reshape(-1, *[1] * (slices.ndim - 1)).astype(np.float32)
    return AddedProfiles(missing, slope, thickness, profile, fine.step)


def _checked(
    slices: np.ndarray, pixel: float, thickness: float, profile: str, consistency: float
) -> NDArray[np.float32]:
    if not 0 < pixel < math.inf:
        raise ValueError(f"A pixel must be a positive share of the distance between slices, not {pixel}.")
    slice_profile(0.0, thickness, profile)  # It refuses what is none, before anything is encoded.
    if not 0 <= consistency <= 1:
        raise ValueError(f"The consistency must be a number from 0 to 1, not {consistency}.")
    if np.iscomplexobj(slices):
        raise ValueError("A stack must hold real numbers: take the magnitude first.")
    slices = np.asarray(slices, dtype=np.float32)
    if slices.ndim != 3 or len(slices) < 2:
        raise ValueError(
            f"A stack must have shape (slices, rows, columns) and two slices at least, not {slices.shape}."
        )
    return slices


def _told(model: "Model", pixel: float, thickness: float) -> tuple[float, float] | None:
    return stack_conditions(1 / pixel, thickness / pixel) if model.network.config.conditions else None


def _encoded(
    slices: NDArray[np.float32], model: "Model", pixel: float, thickness: float, progress: Callable[[float], None]
) -> Iterator[tuple[int, slice, ExplicitImage]]:
    """Planes across rows (axis 1), then across columns (2), a few at a time: the axis, which, and their images."""
    low, high = float(slices.min()), float(slices.max())
    # Equivariant networks give the same for every range.
    extent = (low, high) if low < high else (low, low + max(1.0, 1e-6 * abs(low)))
    told = _told(model, pixel, thickness)
    _, h, w = slices.shape
    for axis, size, before in ((1, h, 0), (2, w, h)):
        for start in range(0, size, PLANES_AT_ONCE):
            part = slice(start, min(start + PLANES_AT_ONCE, size))
            planes = np.moveaxis(slices, axis, 0)[part]
            yield axis, part, model.represent(planes[:, None], intensity_range=extent, conditions=told)[:, 0]
            progress((before + part.stop) / (h + w))
