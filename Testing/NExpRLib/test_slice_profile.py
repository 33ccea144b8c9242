"""Slice profiles against closed forms; slices of samples; consistency."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from NExpRLib.function.samples import Samples
from NExpRLib.volumes.slice_profile import PROFILES, make_consistent, slice_operator, slice_profile

KINDS = pytest.mark.parametrize("kind", PROFILES)


@KINDS
def test_full_width_at_half_maximum_is_the_thickness(kind):
    z = np.linspace(-6, 6, 24001)
    inside = z[slice_profile(z, 3.0, kind) >= 0.5]
    assert inside[-1] - inside[0] == pytest.approx(3.0, abs=2e-3)


@KINDS
def test_profile_is_even_and_scales_with_the_thickness(kind):
    z = np.linspace(-5, 5, 101)
    assert slice_profile(z, 2.5, kind, 0.1) == pytest.approx(slice_profile(-z, 2.5, kind, 0.1))
    assert slice_profile(2 * z, 5.0, kind, 0.2) == pytest.approx(slice_profile(z, 2.5, kind, 0.1))


def test_box_weighs_samples_by_their_share_in_the_slice():
    # Cells of length 1 about -2 ... 2, in a slice from -1.25 to 1.25.
    assert slice_profile([-2, -1, 0, 1, 2], 2.5, "box", 1.0) == pytest.approx([0, 0.75, 1, 0.75, 0])


@pytest.mark.parametrize("time_bandwidth", [8, 12, 16])
def test_excitation_is_flat_and_narrows_with_the_time_bandwidth(time_bandwidth):
    inside, outside = np.linspace(-0.3, 0.3, 61), np.linspace(0.7, 1.4, 71)
    profile = slice_profile(inside, 1.0, "slr", time_bandwidth=time_bandwidth)
    assert profile == pytest.approx(np.ones(61), abs=0.01)
    assert np.abs(slice_profile(outside, 1.0, "slr", time_bandwidth=time_bandwidth)).max() < 0.03


@KINDS
@settings(deadline=None)
@given(thickness=st.floats(2.0, 8.0), spacing=st.floats(2.0, 8.0))
def test_slices_of_a_constant_and_of_a_ramp(kind, thickness, spacing):
    samples = np.arange(80.0)
    centers = np.arange(20.0, 60.0, spacing)
    operator = slice_operator(samples, centers, thickness, kind)
    assert operator @ np.full(80, 7.0) == pytest.approx(np.full(len(centers), 7.0))
    # Profiles are even, and the samples dense: a ramp has its value at the center.
    assert operator @ samples == pytest.approx(centers, abs=0.13)


@KINDS
@settings(deadline=None)
@given(thickness=st.floats(0.01, 2.5), center=st.floats(2.0, 7.0))
def test_slices_as_thin_as_the_samples_stay_where_they_are(kind, thickness, center):
    samples = np.arange(10.0)
    operator = slice_operator(samples, [center], thickness, kind)
    assert operator.sum() == pytest.approx(1)
    assert np.abs(operator).max() < 1.1
    assert operator @ samples == pytest.approx([center])


@KINDS
def test_thinner_slices_than_the_samples_can_tell_are_alike(kind):
    centers = [3.0, 4.1, 5.4]
    thin, resolved = (slice_operator(np.arange(10.0), centers, thickness, kind) for thickness in (0.01, 1.125))
    assert thin == pytest.approx(resolved, abs=1e-6)


@KINDS
def test_consistent_samples_average_to_the_slices(kind):
    rng = np.random.default_rng(0)
    operator = slice_operator(np.arange(40), 1.5 + 4.0 * np.arange(10), 4.0, kind)
    fine, slices = rng.random((40, 3, 2)), rng.random((10, 3, 2))
    result = make_consistent(fine, slices, operator)
    assert np.tensordot(operator, result, 1) == pytest.approx(slices)
    # The smallest change: what slices do not see stays.
    unseen = np.eye(40) - np.linalg.pinv(operator) @ operator
    assert np.tensordot(unseen, result - fine, 1) == pytest.approx(np.zeros((40, 3, 2)), abs=1e-9)


def test_half_the_strength_goes_half_the_way():
    rng = np.random.default_rng(1)
    operator = slice_operator(np.arange(20), 1.5 + 4.0 * np.arange(5), 3.0)
    fine, slices = rng.random(20), rng.random(5)
    whole, half = make_consistent(fine, slices, operator), make_consistent(fine, slices, operator, 0.5)
    assert half == pytest.approx((fine + whole) / 2)


def test_slices_outside_the_samples_are_refused():
    with pytest.raises(ValueError, match="outside the samples"):
        slice_operator(np.arange(10), [50.0], 2.0)


@pytest.mark.parametrize("bad", [{"kind": "triangle"}, {"thickness": 0.0}, {"thickness": np.inf}])
def test_bad_profiles_are_refused(bad):
    with pytest.raises(ValueError, match="profile|thickness"):
        slice_profile([0.0], **{"thickness": 2.0, **bad})


@pytest.mark.parametrize("thickness", [1.0, 1.5, 1.75, 2.0, 2.5])
@pytest.mark.parametrize("count", [6, 30])
def test_slices_that_overlap_do_not_amplify_noise(count, thickness):
    """At twice the distance, the profile is blind to what changes from slice to slice."""
    positions = Samples.spaced(count, 0.25).positions()
    operator = slice_operator(positions, np.arange(count), thickness, "super-gaussian")
    noise = np.random.default_rng(0).normal(size=(count, 2000))
    assert make_consistent(np.zeros((len(positions), 2000)), noise, operator).std() < 1.8
