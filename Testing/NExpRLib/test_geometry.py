"""Geometry of upsampled volumes: what lies where in physical space."""

from dataclasses import dataclass

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from NExpRLib import upsample

from .rotation import rotation

# The cubic B-spline's mirrored borders disturb an affine image by less than 1e-4 of its range this far inside.
MARGIN = 5
TOLERANCE = 2e-4  # of the intensity range; the contract asks for 1e-3

# Failing examples are not simplified: that takes minutes and explains little here.
examples = settings(max_examples=40, deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate])


@dataclass
class AffineVolume:
    """A volume whose intensity is an affine function of physical position."""

    size: tuple
    spacing: tuple
    origin: tuple
    direction: np.ndarray
    gradient: np.ndarray  # of the intensity, per mm
    offset: float = 100.0

    def image(self):
        image = sitk.Image(self.size, sitk.sitkFloat64)
        image.SetSpacing(self.spacing)
        image.SetOrigin(self.origin)
        image.SetDirection(self.direction.ravel().tolist())
        filled = sitk.GetImageFromArray(self.expected(image))
        filled.CopyInformation(image)
        return filled

    def expected(self, image):
        return positions_of(image) @ self.gradient + self.offset


def positions_of(image):
    """Physical positions of the voxels, (k, j, i, 3), by ITK's definition."""
    n = image.GetDimension()
    index = np.stack(np.meshgrid(*(np.arange(s) for s in image.GetSize()), indexing="ij"), axis=-1)
    direction = np.array(image.GetDirection()).reshape(n, n)
    points = image.GetOrigin() + (index * image.GetSpacing()) @ direction.T
    return points.transpose(*reversed(range(n)), n)


def assert_affine(output, volume, tolerance=TOLERANCE):
    """The intensity of the output is the same function of physical position as that of the volume."""
    index = ((positions_of(output) - volume.origin) @ volume.direction) / volume.spacing
    interior = ((index > MARGIN) & (index < np.array(volume.size) - 1 - MARGIN)).all(axis=-1)
    assert interior.sum() > 20
    error = np.abs(sitk.GetArrayFromImage(output) - volume.expected(output))[interior].max()
    assert error < tolerance * np.ptp(volume.expected(volume.image()))


numbers = st.floats(-1, 1).filter(lambda x: abs(x) > 0.01)
scales = st.floats(1, 3)


@st.composite
def affine_volumes(draw):
    direction = rotation(draw(st.tuples(numbers, numbers, numbers, numbers)))
    if draw(st.booleans()):
        direction[:, draw(st.integers(0, 2))] *= -1
    return AffineVolume(
        size=draw(st.tuples(*[st.integers(14, 18)] * 3)),
        spacing=draw(st.tuples(*[st.floats(0.3, 5)] * 3)),
        origin=draw(st.tuples(*[st.floats(-300, 300)] * 3)),
        direction=direction,
        gradient=np.array(draw(st.tuples(numbers, numbers, numbers))),
    )


@st.composite
def targets(draw, volume):
    finest = min(volume.spacing)
    return draw(
        st.sampled_from(
            [
                {"scale": draw(scales)},
                {"scale": (draw(scales), draw(scales))},
                {"spacing": finest / draw(scales)},
                {"spacing": (finest / draw(scales), finest / draw(scales))},
                {"size": draw(st.tuples(st.integers(18, 40), st.integers(18, 40)))},
            ]
        )
    )


@given(data=st.data())
@examples
def test_affine_intensity_is_kept(skip_only_model, data):
    volume = data.draw(affine_volumes())
    grid = data.draw(st.sampled_from(["fov", "kspace"]))
    plane = data.draw(st.sampled_from(["auto", "axial", "sagittal", "coronal", 0, 1, 2]))
    image = volume.image()
    output = upsample(image, **data.draw(targets(volume)), plane=plane, grid=grid, model=skip_only_model)
    assert_affine(output, volume)
    assert output.GetDirection() == image.GetDirection()
    for axis in range(3):
        extent = output.GetSize()[axis] * output.GetSpacing()[axis]
        assert extent == pytest.approx(volume.size[axis] * volume.spacing[axis], abs=1e-6)
    corner = [-0.5] * 3 if grid == "fov" else [0] * 3
    np.testing.assert_allclose(corner_of(output, corner), corner_of(image, corner), atol=1e-6)


def corner_of(image, index):
    return image.TransformContinuousIndexToPhysicalPoint(index)


@given(data=st.data())
@examples
def test_affine_intensity_is_kept_on_the_grid_of_a_reference(skip_only_model, data):
    volume = data.draw(affine_volumes())
    axis = data.draw(st.integers(0, 2))
    image = volume.image()
    reference = sitk.Image(data.draw(st.tuples(*[st.integers(20, 30)] * 3)), sitk.sitkUInt8)
    reference.SetDirection(image.GetDirection())
    reference.SetSpacing([s / data.draw(scales) for s in volume.spacing])
    reference.SetOrigin(corner_of(image, data.draw(st.tuples(*[st.floats(-1, 4)] * 3))))
    output = upsample(image, like=reference, plane=axis, model=skip_only_model)
    assert_affine(output, volume)
    in_plane = [a for a in range(3) if a != axis]
    index = np.array(reference.TransformPhysicalPointToContinuousIndex(output.GetOrigin()))
    np.testing.assert_allclose(index[in_plane], 0, atol=1e-6)
    for of_output, of_reference, of_input in (
        (output.GetSize(), reference.GetSize(), image.GetSize()),
        (output.GetSpacing(), reference.GetSpacing(), image.GetSpacing()),
    ):
        expected = [of_input[a] if a == axis else of_reference[a] for a in range(3)]
        np.testing.assert_allclose(of_output, expected, rtol=1e-12)


def test_sheared_volume_on_the_grid_of_a_reference(skip_only_model):
    """A gantry tilt of 20 degrees, as NRRD can hold it; the reference begins two slices lower."""
    image = sitk.GetImageFromArray(np.random.default_rng(0).random((6, 20, 22)))
    image.SetSpacing((0.9, 0.8, 5.0))
    image.SetDirection((1, 0, 0, 0, 1, np.sin(np.radians(20)), 0, 0, np.cos(np.radians(20))))
    reference = sitk.Image((30, 31, 9), sitk.sitkUInt8)
    reference.SetDirection(image.GetDirection())
    reference.SetSpacing((0.45, 0.4, 5.0))
    reference.SetOrigin(corner_of(image, (-0.25, -0.25, -2)))
    output = upsample(image, like=reference, plane=2, model=skip_only_model)
    np.testing.assert_allclose(corner_of(output, (0, 0, 0)), corner_of(reference, (0, 0, 2)), atol=1e-9)


@pytest.mark.parametrize("grid", ["fov", "kspace"])
@pytest.mark.parametrize("across", [0, 1, 2])
def test_the_check_notices_a_tenth_of_a_pixel(skip_only_model, grid, across):
    in_plane = [axis for axis in range(3) if axis != across]
    direction = rotation((0.9, 0.3, -0.2, 0.4)) * [1, 1, -1]
    spacing = np.array([0.7, 1.9, 1.1])
    index_gradient = np.array([0.1 if axis == across else 1.0 for axis in range(3)])
    volume = AffineVolume(
        (16, 16, 16), tuple(spacing.tolist()), (11.0, -57.0, 203.0), direction, direction @ (index_gradient / spacing)
    )
    output = upsample(volume.image(), 1.5, plane=across, grid=grid, model=skip_only_model)
    assert_affine(output, volume)
    for axis in in_plane:
        for step in (0.1 * output.GetSpacing()[axis], -0.1 * output.GetSpacing()[axis], 0.1 * spacing[axis]):
            moved = sitk.Image(output)
            moved.SetOrigin((np.array(output.GetOrigin()) + step * direction[:, axis]).tolist())
            with pytest.raises(AssertionError):
                assert_affine(moved, volume)


def test_affine_intensity_of_a_2d_image(skip_only_model):
    angle = np.deg2rad(25)
    direction = np.array([[np.cos(angle), np.sin(angle)], [np.sin(angle), -np.cos(angle)]])
    volume = AffineVolume((20, 16), (0.8, 1.7), (-31.0, 7.0), direction, np.array([0.6, -0.9]))
    for target in ({"scale": (2, 3.3)}, {"size": (40, 50)}, {"spacing": 0.5}):
        output = upsample(volume.image(), **target, model=skip_only_model)
        assert output.GetDimension() == 2
        assert_affine(output, volume)
        np.testing.assert_allclose(corner_of(output, (-0.5, -0.5)), corner_of(volume.image(), (-0.5, -0.5)), atol=1e-6)


@pytest.fixture
def volume():
    """Slices of noise, coarse across k, oblique."""
    image = sitk.GetImageFromArray(np.random.default_rng(0).uniform(0, 100, (4, 15, 18)).astype(np.float32))
    image.SetSpacing((0.5, 0.6, 4.0))
    image.SetOrigin((10.0, -20.0, 30.0))
    image.SetDirection(rotation((0.9, 0.1, -0.2, 0.3)).ravel().tolist())
    return image


def assert_same_image(image, expected):
    assert image.GetSize() == expected.GetSize()
    np.testing.assert_allclose(image.GetSpacing(), expected.GetSpacing(), rtol=1e-12)
    np.testing.assert_allclose(image.GetOrigin(), expected.GetOrigin(), atol=1e-9)
    np.testing.assert_allclose(image.GetDirection(), expected.GetDirection(), atol=1e-12)
    np.testing.assert_allclose(sitk.GetArrayFromImage(image), sitk.GetArrayFromImage(expected), atol=1e-3)


def test_where_a_volume_lies_changes_no_voxel(tiny_model, volume):
    expected = sitk.GetArrayFromImage(upsample(volume, 2.5, model=tiny_model))
    volume.SetOrigin((0, 0, 0))
    volume.SetDirection((0, 0, 1, 0, -1, 0, 1, 0, 0))
    assert np.array_equal(sitk.GetArrayFromImage(upsample(volume, 2.5, model=tiny_model)), expected)
    volume.SetSpacing((5.0, 6.0, 40.0))
    assert np.array_equal(sitk.GetArrayFromImage(upsample(volume, 2.5, model=tiny_model)), expected)


@pytest.mark.parametrize("order", [(2, 0, 1), (0, 2, 1), (0, 1, 2)])
def test_storing_slices_along_another_axis_changes_nothing(tiny_model, volume, order):
    """The acquisition plane is found whichever axis it is, and its rows and columns are the same."""
    expected = upsample(volume, (2, 2.7), model=tiny_model)
    permuted = upsample(sitk.PermuteAxes(volume, order), (2, 2.7), model=tiny_model)
    assert_same_image(sitk.PermuteAxes(permuted, np.argsort(order).tolist()), expected)


def test_flipping_the_order_of_slices_flips_the_result(tiny_model, volume):
    flip = (False, False, True)
    expected = upsample(volume, 2.5, model=tiny_model)
    assert_same_image(sitk.Flip(upsample(sitk.Flip(volume, flip), 2.5, model=tiny_model), flip), expected)


def test_slices_are_independent_of_each_other(tiny_model, volume):
    expected = upsample(volume, 2.5, model=tiny_model)
    pixels = sitk.GetArrayFromImage(volume)
    pixels[2] = pixels[2, ::-1]
    changed = sitk.GetImageFromArray(pixels)
    changed.CopyInformation(volume)
    change = sitk.GetArrayFromImage(upsample(changed, 2.5, model=tiny_model) - expected)
    assert [bool(np.abs(s).max() > 1e-3) for s in change] == [False, False, True, False]


@pytest.mark.parametrize("sheared", [0, 1, 2])
def test_axes_that_are_not_at_right_angles_stay_as_they_are(skip_only_model, sheared):
    """As slices of a tilted gantry: what is refined in-plane lies where it was measured."""
    direction = rotation(np.array([0.9, 0.1, -0.3, 0.2]))
    direction[:, sheared] = direction @ (0.3, 0.5, 0.4) / np.linalg.norm((0.3, 0.5, 0.4))
    volume = AffineVolume((40, 36, 5), (0.8, 1.1, 3), (10, -20, 30), direction, np.array((2.0, -3.0, 5.0)))
    image = volume.image()
    output = upsample(image, (1.5, 2), model=skip_only_model)
    assert output.GetDirection() == image.GetDirection()
    assert output.GetSpacing() == pytest.approx((0.4, 1.1 / 1.5, 3))
    for corner in ([-0.5, -0.5, 0], [39.5, 35.5, 4]):
        again = output.TransformPhysicalPointToContinuousIndex(corner_of(image, corner))
        assert again == pytest.approx([(c + 0.5) * f - 0.5 for c, f in zip(corner, (2, 1.5, 1))], abs=1e-6)
    inside = np.s_[:, 9:-9, 12:-12]
    expected = volume.expected(output)
    assert np.abs(sitk.GetArrayFromImage(output) - expected)[inside].max() < TOLERANCE * np.ptp(expected)
