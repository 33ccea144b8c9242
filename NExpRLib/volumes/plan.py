"""Which plane of a volume is refined, to which grid, and where the result lies in physical space.

Axes are numbered as in SimpleITK: 0, 1, 2 for i, j, k. In the plane, *rows* run along the slower of the two remaining
axes and *columns* along the faster: for the through-plane axis k, rows are j and columns are i.
"""

import itertools
from dataclasses import dataclass

import numpy as np

from ..function.samples import first_position, scaled_size

PLANES = ("auto", "axial", "sagittal", "coronal")
_WORLD_AXIS = {"sagittal": 0, "coronal": 1, "axial": 2}


@dataclass(frozen=True)
class Geometry:
    """Size, spacing (mm), origin (mm) and direction (columns are axes) of a 2D or 3D image."""

    size: tuple
    spacing: tuple
    origin: tuple
    direction: np.ndarray

    @property
    def dimension(self):
        return len(self.size)


@dataclass(frozen=True)
class Target:
    """Where the output samples lie.

    :ivar slice_axis: the through-plane axis, left as it is; ``None`` for a 2D image.
    :ivar plane_axes: (row axis, column axis).
    :ivar first, step: position of the first sample and distance of samples along rows and columns, in input pixels.
    :ivar geometry: of the output image.
    :ivar periodic: whether the slices continue periodically, as on the ``kspace`` grid.
    :ivar of_reference: whether the grid is that of a reference image, which may reach beyond the input.
    """

    slice_axis: int | None
    plane_axes: tuple
    first: tuple
    step: tuple
    geometry: Geometry
    periodic: bool = False
    of_reference: bool = False

    @property
    def shape(self):
        """(rows, columns) of an output slice."""
        return tuple(self.geometry.size[axis] for axis in self.plane_axes)

    @property
    def positions(self):
        """Positions of the output rows and columns in input pixel indices."""
        return tuple(u + np.arange(n) * du for u, du, n in zip(self.first, self.step, self.shape))


def slice_axis(geometry, plane="auto"):
    """The axis across the plane to refine.

    :param plane: ``auto`` (the acquisition plane: across the coarsest axis, or the only one of size 1; where two axes
        are equally coarse, they are the plane: square pixels of slices thinner than that), ``axial``, ``sagittal``,
        ``coronal`` (the axis closest to that direction), or an axis index.
    :return: axis index; ``None`` for a 2D image.
    :raises ValueError: for an unknown plane.
    """
    if str(plane) not in (*PLANES, "0", "1", "2"):
        raise ValueError(f'Unknown plane "{plane}": choose one of {", ".join(PLANES)}, or an axis index 0, 1, 2.')
    if geometry.dimension == 2:
        return None
    if str(plane) in "012":
        return int(plane)
    if plane == "auto":
        single = [axis for axis, n in enumerate(geometry.size) if n == 1]
        if len(single) == 1:
            return single[0]
        is_coarsest = [s >= 0.999 * max(geometry.spacing) for s in geometry.spacing]
        if sum(is_coarsest) == 2:
            return is_coarsest.index(False)
        return 2 if all(is_coarsest) else is_coarsest.index(True)
    # Each image axis goes to one world axis, so that no two planes of an oblique volume are the same.
    closeness = np.abs(geometry.direction)
    best = max(itertools.permutations(range(3)), key=lambda order: sum(closeness[w, a] for w, a in enumerate(order)))
    return best[_WORLD_AXIS[plane]]


def plan_target(geometry, *, scale=None, spacing=None, size=None, like=None, plane="auto", grid="fov"):
    """Resolve the one way in which the caller names the target.

    :param geometry: of the input.
    :param scale: factor, or (rows, columns) factors; sizes are rounded, the physical extent is kept.
    :param spacing: mm, or (rows, columns) in mm; sizes are rounded so that the physical extent is kept.
    :param size: (rows, columns) of an output slice.
    :param like: geometry of a reference whose in-plane grid is taken over: origin, spacing and size.
    :param plane: see :func:`slice_axis`.
    :param grid: ``fov`` or ``kspace``, see :mod:`grid`; not with ``like``.
    :raises ValueError: for a target that is missing, named twice, coarser than the input, or not a sensible number.
    """
    named = [
        name for name, value in dict(scale=scale, spacing=spacing, size=size, like=like).items() if value is not None
    ]
    if len(named) != 1:
        given = " and ".join(named) if named else "none was given"
        raise ValueError(f"Name the target by exactly one of scale, spacing, size or like ({given}).")
    across = slice_axis(geometry, plane)
    plane_axes = tuple(axis for axis in reversed(range(geometry.dimension)) if axis != across)
    if like is not None:
        if grid != "fov":
            raise ValueError("A reference image names the whole grid: leave out the grid, or like.")
        return _target_like(geometry, across, plane_axes, like)
    old = [geometry.size[axis] for axis in plane_axes]
    if scale is not None:
        new = [scaled_size(n, s) for n, s in zip(old, _pair(scale, "scale"))]
    elif spacing is not None:
        wanted = _pair(spacing, "spacing")
        new = [scaled_size(n, geometry.spacing[axis] / s) for n, axis, s in zip(old, plane_axes, wanted)]
    else:
        new = [int(n) for n in _pair(size, "size")]
        if any(n != s for n, s in zip(new, _pair(size, "size"))):
            raise ValueError(f"The size must be two whole numbers, not {size}.")
    if any(n < o for n, o in zip(new, old)):
        raise ValueError(
            f"The target of {new[0]} x {new[1]} is coarser than the input of {old[0]} x {old[1]} (rows x columns). "
            "NExpR only refines; to make an image coarser, use a resampling tool."
        )
    first = tuple(first_position(o, n, grid) for o, n in zip(old, new))
    step = tuple(o / n for o, n in zip(old, new))
    output = _output_geometry(geometry, plane_axes, first, step, new)
    return Target(across, plane_axes, first, step, output, periodic=grid == "kspace")


def _pair(value, name):
    pair = np.atleast_1d(np.asarray(value, dtype=np.float64))
    if pair.shape not in ((1,), (2,)) or not ((pair > 1e-9) & (pair < 1e9)).all():
        raise ValueError(f"The {name} must be one or two positive numbers below a billion, not {value}.")
    return [float(n) for n in np.broadcast_to(pair, 2)]


def _output_geometry(geometry, plane_axes, first, step, shape):
    size, spacing = list(geometry.size), list(geometry.spacing)
    origin = np.array(geometry.origin, dtype=np.float64)
    for axis, u, du, n in zip(plane_axes, first, step, shape):
        origin += geometry.direction[:, axis] * geometry.spacing[axis] * u
        size[axis] = n
        spacing[axis] = geometry.spacing[axis] * du
    return Geometry(tuple(size), tuple(spacing), tuple(origin.tolist()), geometry.direction)


def _target_like(geometry, across, plane_axes, like):
    if like.dimension != geometry.dimension:
        raise ValueError(f"The reference has {like.dimension} dimensions, the input {geometry.dimension}.")
    axes = list(plane_axes)
    if not np.allclose(like.direction[:, axes], geometry.direction[:, axes], atol=1e-4):
        raise ValueError(
            "The in-plane axes of the reference point elsewhere than those of the input: resample it first."
        )
    from_input = np.linalg.solve(geometry.direction, np.subtract(like.origin, geometry.origin))
    first = tuple(float(from_input[axis] / geometry.spacing[axis]) for axis in axes)
    step = tuple(like.spacing[axis] / geometry.spacing[axis] for axis in axes)
    shape = [like.size[axis] for axis in axes]
    if max(step) > 1 + 1e-6:
        raise ValueError("The in-plane grid of the reference is coarser than the input. NExpR only refines.")
    old = [geometry.size[axis] for axis in axes]
    if any(u > n - 0.5 or u + (m - 1) * du < -0.5 for u, du, m, n in zip(first, step, shape, old)):
        raise ValueError("The in-plane grid of the reference does not overlap the input.")
    output = _output_geometry(geometry, plane_axes, first, step, shape)
    return Target(across, plane_axes, first, step, output, of_reference=True)
