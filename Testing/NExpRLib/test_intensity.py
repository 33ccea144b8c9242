"""Intensities: the robust range, and what integer and floating-point types keep."""

import numpy as np
import pytest
import SimpleITK as sitk

from NExpRLib import upsample
from NExpRLib.intensity import robust_range, to_dtype

INTEGERS = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"]


def test_robust_range_ignores_single_outliers():
    image = np.random.default_rng(0).uniform(0, 1, 100_000)
    image[[7, 70, 700]] = 1e6, -1e6, 1e5
    low, high = robust_range(image)
    assert 0 <= low < 0.01
    assert 0.99 < high <= 1


@pytest.mark.parametrize("image", [np.full(50, 3), np.zeros((2, 2)), np.array([-1e9])])
def test_robust_range_of_a_constant_image(image):
    low, high = robust_range(image)
    assert low == image.flat[0] < high


def test_robust_range_of_integers_with_a_wide_gap():
    image = np.full(5000, 100, np.int16)
    image[:5] = -32768
    assert robust_range(image) == pytest.approx(robust_range(image.astype(np.float64)))


def test_robust_range_of_a_few_bright_pixels_on_a_constant_background():
    image = np.zeros((100, 100))
    image[5, 5] = 8
    assert robust_range(image) == (0, 8)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_are_rounded_and_saturated(dtype):
    limits = np.iinfo(dtype)
    values = np.array([-1e30, limits.min - 1.0, 1.4, 1.6, 2.5, 3.5, 99.499, limits.max + 1.0, 1e30])
    result = to_dtype(values, dtype)
    assert result.dtype == dtype
    assert result[2:7].tolist() == [1, 2, 2, 4, 99]
    assert result[0] == result[1] == limits.min
    largest = limits.max if limits.bits < 64 else int(np.nextafter(float(limits.max), 0))
    assert result[-1] == result[-2] == largest


@pytest.mark.parametrize("dtype", INTEGERS)
def test_single_precision_saturates_as_well(dtype):
    """float32 rounds the largest integers up to a number that has no place in them."""
    limits = np.iinfo(dtype)
    low, high = to_dtype(np.array([-1e30, 1e30], np.float32), dtype).tolist()
    assert low == limits.min
    assert limits.max - 2048 < high <= limits.max


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_floating_point_values_are_kept(dtype):
    values = np.array([-1e30, 0.1, 1e30])
    assert np.array_equal(to_dtype(values, dtype), values.astype(dtype))


def noise(dtype="float64", shape=(3, 12, 14)):
    return np.random.default_rng(0).uniform(0, 1, shape).astype(dtype)


def upsampled(pixels, model, scale=2.5, **options):
    return sitk.GetArrayFromImage(
        upsample(sitk.GetImageFromArray(pixels), scale, model=model, value_range="free", **options)
    )


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integer_volumes_over_their_whole_range(tiny_model, dtype):
    """Interpolation overshoots noise: beyond the type's limits it must saturate and not wrap around."""
    low, high = float(np.iinfo(dtype).min), float(np.nextafter(float(np.iinfo(dtype).max), 0))
    pixels = (low * (1 - noise()) + high * noise()).astype(dtype)
    result = upsampled(pixels, tiny_model)
    exact = upsampled(pixels.astype(np.float64), tiny_model)
    assert result.dtype == dtype
    assert exact.min() < low
    assert exact.max() > high
    rounding = max(0.5, 1e-5 * (high - low))
    assert np.abs(result.astype(np.float64) - np.clip(exact, low, high)).max() <= rounding * 1.001


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_floating_point_volumes_keep_their_type(tiny_model, dtype):
    assert upsampled(noise(dtype), tiny_model).dtype == dtype


@pytest.mark.parametrize(("slope", "offset"), [(1, 0), (2000, -1024), (1e-6, 0), (1e-3, 40), (1e12, -1e13), (1, 1e6)])
@pytest.mark.parametrize("data_consistency", [False, True])
def test_affine_change_of_intensities_gives_the_same_change_of_the_result(tiny_model, slope, offset, data_consistency):
    pixels = noise()
    expected = slope * upsampled(pixels, tiny_model, data_consistency=data_consistency) + offset
    result = upsampled(slope * pixels + offset, tiny_model, data_consistency=data_consistency)
    assert np.abs(result - expected).max() < 1e-5 * slope


def test_integers_far_from_zero_lose_no_precision(tiny_model):
    pixels = np.rint(1000 * noise()).astype(np.int32)
    expected = upsampled(pixels, tiny_model).astype(int) + 2_000_000_000
    result = upsampled(pixels + np.int32(2_000_000_000), tiny_model)
    assert np.abs(result - expected).max() <= 1


@pytest.mark.parametrize("value", [0, 7, -1024])
def test_constant_volume_stays_constant_without_a_network(skip_only_model, value):
    for dtype in (np.int16, np.float32):
        result = upsampled(np.full((2, 9, 10), value, dtype), skip_only_model)
        np.testing.assert_allclose(result, value, atol=1e-5 * max(1, abs(value)))


def test_robust_range_leaves_out_a_thousandth_at_either_end():
    assert robust_range(np.arange(1001.0)) == pytest.approx((1, 999))
