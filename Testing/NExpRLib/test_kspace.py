"""Fourier resampling against SciPy, closed forms, and what cropping k-space undoes."""

import numpy as np
import pytest
from scipy.signal import resample

from NExpRLib.kspace import band_limited, enforce_data_consistency, kspace_crop, zero_fill

SIZES = [((8, 8), (16, 16)), ((7, 9), (15, 20)), ((8, 7), (13, 7)), ((6, 11), (7, 12)), ((1, 2), (3, 5))]


def random_image(shape):
    return np.random.default_rng(0).standard_normal(shape)


@pytest.mark.parametrize(("low", "high"), SIZES)
def test_equal_to_scipy(low, high):
    for function, old, new in ((zero_fill, low, high), (kspace_crop, high, low)):
        image = random_image((2, *old))
        expected = resample(resample(image, new[0], axis=1), new[1], axis=2)
        np.testing.assert_allclose(function(image, new), expected, atol=1e-12)


@pytest.mark.parametrize(("low", "high"), SIZES)
def test_cropping_undoes_zero_filling(low, high):
    image = random_image(low)
    np.testing.assert_allclose(kspace_crop(zero_fill(image, high), low), image, atol=1e-12)


@pytest.mark.parametrize(("low", "high"), [((8, 8), (16, 17)), ((7, 9), (15, 9)), ((6, 11), (7, 12))])
def test_cropping_undoes_zero_filling_on_a_shifted_grid(low, high):
    image, first = random_image(low), (-0.3, 0.21)
    np.testing.assert_allclose(kspace_crop(zero_fill(image, high, first), low, first), image, atol=1e-12)


def plane_wave(shape, cycles, positions):
    rows, columns = (2 * np.pi * c * u / n for c, u, n in zip(cycles, positions, shape))
    return np.sin(rows[:, None] + columns[None, :] + 0.4)


@pytest.mark.parametrize(("low", "high"), [((16, 12), (31, 40)), ((9, 15), (18, 15))])
@pytest.mark.parametrize("grid", ["fov", "kspace"])
def test_plane_wave_is_continued_exactly(low, high, grid):
    cycles = (3, -2)
    first = [(n / m - 1) / 2 if grid == "fov" else 0.0 for n, m in zip(low, high)]
    image = plane_wave(low, cycles, [np.arange(n) for n in low])
    positions = [u + np.arange(m) * n / m for u, n, m in zip(first, low, high)]
    wave = plane_wave(low, cycles, positions)
    np.testing.assert_allclose(zero_fill(image, high, first), wave, atol=1e-12)
    np.testing.assert_allclose(kspace_crop(wave, low, first), image, atol=1e-12)


@pytest.mark.parametrize(("low", "high"), SIZES)
@pytest.mark.parametrize("grid", ["fov", "kspace"])
def test_data_consistency_replaces_the_measured_band_only(low, high, grid):
    first = [(n / m - 1) / 2 if grid == "fov" else 0.0 for n, m in zip(low, high)]
    measured, result = random_image((3, *low)), np.random.default_rng(1).standard_normal((3, *high))
    consistent = enforce_data_consistency(result, measured, first)
    np.testing.assert_allclose(kspace_crop(consistent, low, first), measured, atol=1e-12)
    change = np.fft.fft2(consistent - result)
    for axis, (n, m) in enumerate(zip(low, high)):
        unmeasured = np.abs(np.fft.fftfreq(m, 1 / m)) > n / 2
        assert np.abs(np.compress(unmeasured, change, axis=axis + 1)).max(initial=0) < 1e-9


@pytest.mark.parametrize(("low", "high"), SIZES)
@pytest.mark.parametrize("grid", ["fov", "kspace"])
def test_band_limited_interpolation_is_zero_filling_on_a_regular_grid(low, high, grid):
    first = [(n / m - 1) / 2 if grid == "fov" and n != m else 0.0 for n, m in zip(low, high)]
    image = random_image((2, *low))
    rows, columns = (u + np.arange(m) * n / m for u, n, m in zip(first, low, high))
    np.testing.assert_allclose(band_limited(image, rows, columns), zero_fill(image, high, first), atol=1e-12)


def test_band_limited_interpolation_continues_a_plane_wave_anywhere():
    shape, cycles = (16, 11), (5, -2)
    image = plane_wave(shape, cycles, [np.arange(n) for n in shape])
    rows, columns = np.random.default_rng(0).uniform(-20, 40, (2, 25))
    expected = plane_wave(shape, cycles, (rows, columns))
    np.testing.assert_allclose(band_limited(image, rows, columns), expected, atol=1e-12)


def test_dtype_is_kept():
    image = random_image((8, 8)).astype(np.float32)
    assert zero_fill(image, (16, 16)).dtype == kspace_crop(image, (4, 4)).dtype == np.float32
