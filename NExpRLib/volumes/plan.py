"""The plan of a run: which axes of a volume are refined, where the samples lie, and the geometry of the result.

In the plane, *rows* run along the slower of the two remaining axes and *columns* along the faster: for slices across k,
rows are j and columns are i.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..function.samples import Samples, scaled_size
from .geometry import Geometry, at_right_angles, slice_axis

_SAME_PLACE = 0.1  # of a voxel

# Cubes may be coarser than pixels by this share: the frequencies that alias then are weaker than the noise.
_COARSER = 0.1
FEWEST_SLICES = 4  # that an isotropic volume is made of


@dataclass(frozen=True)
class Plan:
    """Made once, shown before the run.

    :ivar slice_axis: the axis across the plane; ``None`` for a 2D image.
    :ivar samples: of every image axis, in pixel indices of the input.
    :ivar geometry: of the output.
    :ivar of_reference: whether the samples are those of a reference image, which may not cover the slices.
    """

    slice_axis: int | None
    samples: tuple[Samples, ...]
    geometry: Geometry
    of_reference: bool = False

    @property
    def plane_axes(self) -> tuple[int, int]:
        """(row axis, column axis)."""
        return plane_axes(self.geometry, self.slice_axis)

    @property
    def rows(self) -> Samples:
        """Output rows, in pixel indices of an input slice."""
        return self.samples[self.plane_axes[0]]

    @property
    def columns(self) -> Samples:
        """Output columns, in pixel indices of an input slice."""
        return self.samples[self.plane_axes[1]]

    @property
    def through(self) -> Samples | None:
        """Output slices, in input slices; ``None`` where the slices stay as they are."""
        if self.slice_axis is None:
            return None
        along = self.samples[self.slice_axis]
        return None if along == Samples.pixels(along.count) else along

    @property
    def refines_slices(self) -> bool:
        """Whether there are finer pixels within the slices."""
        return any(along != Samples.pixels(along.count) for along in (self.rows, self.columns))

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) of an output slice."""
        return self.rows.count, self.columns.count

    @property
    def scale(self) -> tuple[float, float]:
        """Output pixels per input pixel along rows and columns, from the integer sizes."""
        return 1 / self.rows.step, 1 / self.columns.step


def plane_axes(geometry: Geometry, across: int | None) -> tuple[int, int]:
    """(row axis, column axis) of the slices across an axis.

    >>> plane_axes(Geometry((256, 256, 20), (0.9, 0.9, 4.0), (0.0, 0.0, 0.0), np.eye(3)), 2)
    (1, 0)
    """
    rows, columns = (axis for axis in reversed(range(geometry.dimension)) if axis != across)
    return rows, columns


def pixels_between_slices(geometry: Geometry, across: int, measured: tuple[int, ...]) -> float:
    """Distance of neighboring slices in measured pixels, of the shorter side.

    >>> thick = Geometry((256, 256, 20), (0.9, 0.9, 4.5), (0.0, 0.0, 0.0), np.eye(3))
    >>> pixels_between_slices(thick, 2, (128, 256, 20)), pixels_between_slices(thick, 2, (128, 128, 20))
    (5.0, 2.5)

    :param measured: pixels that were measured along each axis.
    """
    pixel = min(geometry.spacing[i] * geometry.size[i] / measured[i] for i in plane_axes(geometry, across))
    return geometry.spacing[across] / pixel


def plan_upsampling(
    geometry: Geometry,
    *,
    scale: ArrayLike | None = None,
    spacing: ArrayLike | None = None,
    size: ArrayLike | None = None,
    like: Geometry | None = None,
    isotropic: bool | float | None = None,
    plane: str | int = "auto",
    grid: str = "fov",
    measured: tuple[int, ...] | None = None,
) -> Plan:
    """Plan a run from the one way in which the caller names the target.

    >>> thick = Geometry((256, 256, 20), (0.9, 0.9, 4.0), (0.0, 0.0, 0.0), np.eye(3))
    >>> plan_upsampling(thick, spacing=0.5).geometry.size
    (461, 461, 20)

    :param geometry: of the input.
    :param scale: factor, or (rows, columns) factors; sizes are rounded, the field of view is kept.
    :param spacing: mm, or (rows, columns) in mm; sizes are rounded so that the field of view is kept.
    :param size: (rows, columns) of an output slice.
    :param like: geometry of a reference whose in-plane grid is taken over: origin, spacing and size.
    :param isotropic: refine the slice axis, too: ``True`` for cubes of the shorter side of the measured pixels, or
        their side in mm, which may be up to a tenth longer than that (1 mm for pixels of 0.94 mm). The middle of the
        volume stays where it is.
    :param plane: see :func:`~.geometry.slice_axis`.
    :param grid: ``fov`` or ``kspace``, see :mod:`~NExpRLib.function.samples`; not with ``like`` or ``isotropic``.
    :param measured: pixels that were measured along each axis, where the scanner stored more: a target may be coarser
        than what is stored, if it is not coarser than that.
    :raises ValueError: for a target that is missing, named twice, coarser than the input, or not a sensible number.
    """
    targets = dict(scale=scale, spacing=spacing, size=size, like=like, isotropic=isotropic or None)
    named = [name for name, value in targets.items() if value is not None]
    if len(named) != 1:
        given = " and ".join(named) if named else "none was given"
        raise ValueError(f"Name the target by exactly one of scale, spacing, size, like or isotropic ({given}).")
    across = slice_axis(geometry, plane)
    axes = plane_axes(geometry, across)
    measured = measured or geometry.size
    if like is not None:
        if grid != "fov":
            raise ValueError("A reference image names the whole grid: leave out the grid, or like.")
        return _planned(geometry, across, _samples_of_reference(geometry, axes, like, measured), of_reference=True)
    if isotropic:
        if grid != "fov":
            raise ValueError("Cubes fill the field of view: leave out the grid, or isotropic.")
        return _planned(geometry, across, _isotropic_samples(geometry, across, axes, isotropic, measured))
    old = [geometry.size[axis] for axis in axes]
    if scale is not None:
        new = [scaled_size(n, s) for n, s in zip(old, _pair(scale, "scale"))]
    elif spacing is not None:
        wanted = _pair(spacing, "spacing")
        new = [scaled_size(n, geometry.spacing[axis] / s) for n, axis, s in zip(old, axes, wanted)]
    else:
        new = [int(n) for n in _pair(size, "size")]
        if any(n != s for n, s in zip(new, _pair(size, "size"))):
            raise ValueError(f"The size must be two whole numbers, not {size!s}.")
    finest = [measured[axis] for axis in axes]
    if any(n < m for n, m in zip(new, finest)):
        raise ValueError(
            f"The target of {new[0]} x {new[1]} is coarser than the input of {finest[0]} x {finest[1]} "
            "(rows x columns). "
            "NExpR only refines; to make an image coarser, use a resampling tool."
        )
    return _planned(geometry, across, {axis: Samples.over(o, n, grid) for axis, o, n in zip(axes, old, new)})


def _planned(geometry: Geometry, across: int | None, refined: dict[int, Samples], of_reference: bool = False) -> Plan:
    samples = tuple(refined.get(axis, Samples.pixels(n)) for axis, n in enumerate(geometry.size))
    return Plan(across, samples, geometry.sampled(samples), of_reference)


def _isotropic_samples(
    geometry: Geometry, across: int | None, axes: tuple[int, int], isotropic: bool | float, measured: tuple[int, ...]
) -> dict[int, Samples]:
    """Samples of cubes, by axis."""
    if across is None:
        raise ValueError("A 2D image has no slices to refine: name the target by scale, spacing, size or like.")
    if geometry.size[across] < FEWEST_SLICES:
        raise ValueError(
            f"The volume has {geometry.size[across]} slices: making it isotropic takes at least {FEWEST_SLICES}."
        )
    if not at_right_angles(geometry.direction):
        raise ValueError(
            "The axes of the volume are not at right angles to each other, as after gantry tilt, so that no voxels are "
            "cubes: resample it onto a grid whose axes are, or refine it in-plane only."
        )
    in_plane = min(geometry.spacing[axis] * geometry.size[axis] / measured[axis] for axis in axes)
    side = in_plane if isinstance(isotropic, bool | np.bool_) else _side(isotropic)
    if side > in_plane * (1 + _COARSER):
        raise ValueError(
            f"Voxels of {side:g} mm are coarser than the pixels of {in_plane:.3g} mm. NExpR only refines: name "
            f"{in_plane:.3g} mm or less, and make the result coarser with a resampling tool."
        )
    if side > geometry.spacing[across] * (1 + 1e-6):
        raise ValueError(
            f"Slices every {geometry.spacing[across]:g} mm are closer than voxels of {side:g} mm: name another plane, "
            "or smaller voxels."
        )
    axes_mm = list(enumerate(zip(geometry.size, geometry.spacing)))
    refined = {axis: Samples.spaced(n, side / mm) for axis, (n, mm) in axes_mm if abs(mm / side - 1) > 1e-3}
    if not refined:
        raise ValueError(f"The voxels are cubes of {side:g} mm already.")
    if all(along.step > 1 for along in refined.values()):
        raise ValueError(f"No voxel is longer than {side:g} mm, and NExpR only refines: name a smaller one.")
    return refined


def _side(value: Any) -> float:
    if np.size(value) != 1:
        raise ValueError(f"The side of isotropic voxels must be one positive number, not {value}.")
    return _pair(value, "side of isotropic voxels")[0]


def _pair(value: Any, name: str) -> list[float]:
    pair = np.atleast_1d(np.asarray(value, dtype=np.float64))
    if pair.shape not in ((1,), (2,)) or not ((pair > 1e-9) & (pair < 1e9)).all():
        raise ValueError(f"The {name} must be one or two positive numbers below a billion, not {value}.")
    return [float(n) for n in np.broadcast_to(pair, 2)]


def _samples_of_reference(
    geometry: Geometry, axes: tuple[int, int], like: Geometry, measured: tuple[int, ...]
) -> dict[int, Samples]:
    """In-plane samples of a reference, by axis of the input, whichever way round the reference is stored."""
    if like.dimension != geometry.dimension:
        raise ValueError(f"The reference has {like.dimension} dimensions, the input {geometry.dimension}.")
    from_input = np.linalg.solve(geometry.direction, np.subtract(like.origin, geometry.origin))
    cosines = geometry.direction.T @ like.direction
    samples = {}
    for axis in axes:
        other = int(np.abs(cosines[axis]).argmax())
        same_way = cosines[axis, other] > 0
        away = like.direction[:, other] - geometry.direction[:, axis] * (1 if same_way else -1)
        # At the far end of the axis, in voxels.
        if np.linalg.norm(away) * max(1, like.size[other] - 1) > _SAME_PLACE:
            raise ValueError(
                "The in-plane axes of the reference point elsewhere than those of the input: resample it first."
            )
        step, count = like.spacing[other] / geometry.spacing[axis], like.size[other]
        start = float(from_input[axis] / geometry.spacing[axis])
        samples[axis] = Samples(start if same_way else start - (count - 1) * step, step, count)
    if any(along.step > (1 + 1e-3) * geometry.size[axis] / measured[axis] for axis, along in samples.items()):
        raise ValueError("The in-plane grid of the reference is coarser than the input. NExpR only refines.")
    for axis, along in samples.items():
        last = along.first + (along.count - 1) * along.step
        if along.first > geometry.size[axis] - 0.5 or last < -0.5:
            raise ValueError("The in-plane grid of the reference does not overlap the input.")
    return samples
