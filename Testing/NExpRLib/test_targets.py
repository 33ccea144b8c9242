"""Which plane is refined and to which grid, and targets that make no sense."""

import numpy as np
import pytest

from NExpRLib.volumes.geometry import Geometry, slice_axis
from NExpRLib.volumes.plan import plan_upsampling

from .rotation import rotation


def geometry(size=(10, 10, 10), spacing=(1, 1, 1), direction=None):
    return Geometry(size, spacing, (0, 0, 0), np.eye(3) if direction is None else direction)


def test_acquisition_plane_lies_across_the_coarsest_axis():
    assert slice_axis(geometry(spacing=(1, 1, 5))) == 2
    assert slice_axis(geometry(spacing=(5, 1, 1))) == 0
    assert slice_axis(geometry(spacing=(1, 3.3, 0.6))) == 1
    assert slice_axis(geometry(spacing=(1, 1, 1))) == 2
    assert slice_axis(geometry(spacing=(0.78, 0.78, 0.625))) == 2
    assert slice_axis(geometry(spacing=(0.625, 0.7803, 0.78))) == 0
    assert slice_axis(geometry(size=(10, 1, 10), spacing=(1, 1, 5))) == 1
    assert slice_axis(Geometry((10, 10), (1, 1), (0, 0), np.eye(2))) is None


def test_anatomical_planes():
    for turn, axes in (
        (np.eye(3), {"sagittal": 0, "coronal": 1, "axial": 2}),
        (np.eye(3)[:, [2, 0, 1]], {"axial": 0, "sagittal": 1, "coronal": 2}),
        (-np.eye(3)[:, [1, 2, 0]], {"coronal": 0, "axial": 1, "sagittal": 2}),
    ):
        tilted = rotation((1, 0.1, 0.12, -0.1)) @ turn
        for plane, axis in axes.items():
            assert slice_axis(geometry(direction=tilted), plane) == axis


def test_three_planes_of_an_oblique_volume_are_three_axes():
    oblique = geometry(direction=rotation((0.9, 0.35, 0.35, 0.2)))
    assert sorted(slice_axis(oblique, plane) for plane in ("axial", "sagittal", "coronal")) == [0, 1, 2]


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ({}, "none was given"),
        ({"scale": 2, "size": (20, 20)}, "scale and size"),
        ({"scale": 0}, "positive"),
        ({"scale": -2}, "positive"),
        ({"scale": np.nan}, "positive"),
        ({"scale": np.inf}, "below a billion"),
        ({"scale": (2, 2, 2)}, "one or two"),
        ({"scale": (2, 0)}, "positive"),
        ({"scale": 0.5}, "only refines"),
        ({"spacing": 0}, "positive"),
        ({"spacing": 2}, "only refines"),
        ({"size": (20.5, 20)}, "whole numbers"),
        ({"size": (20, 5)}, "only refines"),
        ({"scale": 2, "plane": "sideways"}, "sideways"),
        ({"scale": 2, "plane": 3}, "Unknown plane"),
        ({"scale": 2, "grid": "other"}, "other"),
        ({"like": Geometry((10, 10), (1, 1), (0, 0), np.eye(2))}, "2 dimensions"),
        ({"like": geometry(direction=rotation((1, 0.1, 0, 0)))}, "resample it first"),
        ({"like": geometry(spacing=(2, 2, 2))}, "coarser"),
        ({"like": geometry(), "grid": "kspace"}, "leave out the grid"),
        ({"isotropic": True, "grid": "kspace"}, "leave out the grid"),
        ({"like": Geometry((10, 10, 10), (1, 1, 1), (99, 0, 0), np.eye(3))}, "does not overlap"),
    ],
    ids=str,
)
def test_bad_targets(target, said):
    with pytest.raises(ValueError, match=said):
        plan_upsampling(geometry(), **target)


@pytest.mark.parametrize("target", [{"scale": (2, 3)}, {"spacing": (0.5, 0.25)}, {"size": (20, 24)}], ids=str)
def test_pairs_are_rows_then_columns(target):
    """For the through-plane axis k, rows are j and columns are i."""
    result = plan_upsampling(Geometry((8, 10, 4), (0.75, 1.0, 4.0), (0, 0, 0), np.eye(3)), **target)
    assert result.geometry.size == (24, 20, 4)
    assert result.geometry.spacing == pytest.approx((0.25, 0.5, 4.0))


def test_acquisition_plane_does_not_follow_rounding_of_the_spacing():
    assert slice_axis(geometry(spacing=(1.0004, 1, 1))) == 2
    assert slice_axis(geometry(spacing=(1, 1.002, 1))) == 1


def test_acquisition_plane_of_a_line_of_voxels():
    assert slice_axis(geometry(size=(9, 1, 1), spacing=(1, 1, 5))) == 2


@pytest.mark.parametrize(
    ("like", "said"),
    [
        (geometry(direction=rotation((1, 0.02, 0, 0))), "resample it first"),
        (geometry(spacing=(2, 0.5, 1)), "coarser"),
        (geometry(spacing=(0.5, 2, 1)), "coarser"),
        (Geometry((10, 10, 10), (1, 1, 1), (-99, 0, 0), np.eye(3)), "does not overlap"),
    ],
)
def test_references_that_do_not_fit(like, said):
    with pytest.raises(ValueError, match=said):
        plan_upsampling(geometry(), like=like, plane=2)
