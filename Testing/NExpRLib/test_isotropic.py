"""Isotropic volumes from stacks of slices: where voxels lie, what they hold, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st

from NExpRLib import load_model, upsample
from NExpRLib.volumes.sidecar import set_sidecar

from ..conftest import of_stacks
from .test_geometry import affine_volumes, assert_affine, corner_of, examples


def made_isotropic(image, model, isotropic=True, **options):
    return upsample(image, isotropic=isotropic, model=model, slices_model=of_stacks(model), **options)


@given(data=st.data())
@examples
def test_affine_intensity_is_kept(skip_only_model, data):
    side, ratios = data.draw(st.floats(0.3, 2)), (1, data.draw(st.floats(1, 1.5)), data.draw(st.floats(1.6, 4)))
    spacing = tuple(side * ratio for ratio in data.draw(st.permutations(ratios)))
    volume = replace(data.draw(affine_volumes()), spacing=spacing)
    image = volume.image()
    ordered = sorted(volume.spacing)
    isotropic = data.draw(st.sampled_from([True, ordered[0] / 1.3, ordered[0] * 1.08]))
    side = ordered[0] if isotropic is True else isotropic
    output = made_isotropic(image, skip_only_model, isotropic)
    assert_affine(output, volume, tolerance=1e-3)  # Consistency with the outermost slices reaches further in.
    assert output.GetDirection() == image.GetDirection()
    assert output.GetSpacing() == pytest.approx([side] * 3, rel=1e-3)
    middles = [corner_of(each, [(n - 1) / 2 for n in each.GetSize()]) for each in (image, output)]
    np.testing.assert_allclose(*middles, atol=1e-6)


def test_slices_shifted_sideways_make_no_cubes(tiny_model):
    """As those of a tilted gantry, which NRRD and MetaImage hold."""
    image = sitk.GetImageFromArray(np.random.default_rng(0).normal(0, 100, (8, 20, 24)).astype(np.float32))
    image.SetSpacing((1, 1, 3))
    image.SetDirection((1, 0, 0, 0, 1, np.sin(0.4), 0, 0, np.cos(0.4)))
    with pytest.raises(ValueError, match="not at right angles"):
        made_isotropic(image, tiny_model)


@pytest.mark.parametrize("across", [0, 1, 2])
def test_every_axis_may_be_that_of_the_slices(skip_only_model, across):
    spacing = [1.0, 1.0, 1.0]
    spacing[across] = 3.0
    size = [14, 15, 16]
    size[across] = 6
    image = sitk.Image(size, sitk.sitkFloat32)
    image.SetSpacing(spacing)
    assert made_isotropic(image + 5, skip_only_model).GetSize()[across] == 18


def test_slices_are_kept_on_average_over_their_thickness(tiny_model):
    """The mean of the three voxels in a touching slice of a box profile is near the slice."""
    pixels = np.random.default_rng(0).uniform(0, 100, (6, 20, 20)).astype(np.float32)
    image = sitk.GetImageFromArray(pixels)
    image.SetSpacing((1, 1, 3))
    result = sitk.GetArrayFromImage(made_isotropic(image, tiny_model, thickness=3.0))
    means = result.reshape(6, 3, 20, 20).mean(1)
    assert np.abs(means - pixels).mean() < 0.1 * np.abs(pixels - pixels.mean()).mean()


def test_thickness_in_a_header_is_that_of_the_slices_that_were_acquired(tiny_model):
    image = sitk.GetImageFromArray(np.random.default_rng(0).uniform(0, 100, (8, 12, 12)).astype(np.float32))
    image.SetSpacing((1, 1, 1.5))
    told = sitk.Image(image)
    set_sidecar(told, {"SliceThickness": 2.0})

    def same(plane):
        results = (made_isotropic(each, tiny_model, 0.5, plane=plane) for each in (image, told))
        return np.array_equal(*map(sitk.GetArrayFromImage, results))

    assert [same(plane) for plane in ("auto", "axial", "sagittal")] == [False, False, True]


def test_progress_covers_both_passes(tiny_model):
    image, fractions = sitk.Image([12, 12, 5], sitk.sitkInt16) + 3, []
    image.SetSpacing((1, 1, 3))
    made_isotropic(image, tiny_model, 0.5, progress=fractions.append)
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1)
    assert len(fractions) >= 3


@pytest.mark.parametrize(
    ("size", "spacing", "options", "reason"),
    [
        ((8, 8, 3), (1, 1, 3), {}, "at least 4"),
        ((8, 8, 8), (1, 1, 3), {"isotropic": 1.2}, "name 1 mm or less"),
        ((8, 8, 8), (0.95, 0.95, 1), {"isotropic": 1.0}, "name a smaller one"),
        ((8, 8, 8), (1, 1, 1), {}, "cubes of 1 mm already"),
        ((8, 8, 8), (1, 1, 3), {"thickness": 30.0}, "30 mm every 3 mm"),
        ((8, 8, 8), (1, 1, 3), {"isotropic": -1.0}, "positive"),
        ((8, 8, 8), (1, 1, 3), {"isotropic": (0.5, 0.9)}, "one positive number"),
        ((8, 8), (1, 1), {}, "2D"),
    ],
)
def test_refused(tiny_model, size, spacing, options, reason):
    image = sitk.Image(size, sitk.sitkFloat32)
    image.SetSpacing(spacing)
    with pytest.raises(ValueError, match=reason):
        made_isotropic(image, tiny_model, **{"isotropic": True, **options})


@pytest.mark.parametrize("name", ["mri-fast", "ct"])
def test_a_model_for_pixels_refines_no_stacks(name):
    image = sitk.Image([8, 8, 8], sitk.sitkFloat32)
    image.SetSpacing((1, 1, 3))
    with pytest.raises(ValueError, match=f'"{name}" refines no stacks of slices'):
        upsample(image, isotropic=True, slices_model=name)


def test_thickness_is_for_slices_that_are_refined(tiny_model):
    with pytest.raises(ValueError, match="isotropic volume"):
        upsample(sitk.Image([8, 8, 8], sitk.sitkFloat32), 2, thickness=3.0, model=tiny_model)


@pytest.mark.parametrize("offset", [1e7, 1e9])
def test_values_far_from_zero_keep_their_differences(tiny_model, offset):
    pixels = np.random.default_rng(0).uniform(0, 400, (6, 20, 20))
    for isotropic in (True, 0.7):
        results = []
        for each in (0, offset):
            image = sitk.GetImageFromArray(pixels + each)
            image.SetSpacing((1, 1, 3))
            results.append(sitk.GetArrayFromImage(made_isotropic(image, tiny_model, isotropic)) - each)
        np.testing.assert_allclose(results[1], results[0], atol=1e-2)


def test_values_too_far_apart_are_refused(tiny_model):
    image = sitk.GetImageFromArray(np.random.default_rng(0).uniform(0, 1e40, (6, 20, 20)))
    image.SetSpacing((1, 1, 3))
    with pytest.raises(ValueError, match="too large to compute with: scale them down"):
        made_isotropic(image, tiny_model)


def test_planes_one_patch_wide_do_not_depend_on_precision():
    pixels = np.random.default_rng(0).normal(500, 100, (40, 1, 24)).astype(np.float32)
    image = sitk.GetImageFromArray(pixels)
    image.SetSpacing((1, 1, 3))
    results = []
    for precision in ("float32", "bfloat16"):
        models = [load_model(name, "cpu", precision) for name in ("mri-fast", "mri-slices")]
        result = upsample(image, isotropic=True, plane=2, model=models[0], slices_model=models[1])
        results.append(sitk.GetArrayFromImage(result))
    np.testing.assert_allclose(*results, atol=10)
