"""What a slice says by itself, against closed forms and SciPy."""

import numpy as np
import pytest
from scipy.fft import dctn, idctn

from NExpRLib.function.samples import Samples
from NExpRLib.kspace import sinc_weights
from NExpRLib.measured_slice import MeasuredSlice


def waves(shape, step=1.0):
    """A smooth image, sampled on the field-of-view grid."""
    rows, columns = np.meshgrid(*(np.arange(-0.5 + step / 2, n - 0.5, step) for n in shape), indexing="ij")
    return 1000 + 60 * np.cos(0.31 * rows + 0.2 * columns) + 40 * np.cos(0.05 * rows - 0.43 * columns)


def over(shape, scale=2):
    return [Samples.over(n, scale * n) for n in shape]


@pytest.mark.parametrize("size", [1, 2, 7, 8])
def test_weights_are_those_of_the_dirichlet_kernel(size):
    positions = np.array([0, 1, 0.25, -3.4, 6.999999, size - 1e-9, 12.5, 1e-4])
    frequencies = np.arange(-(size // 2), size // 2 + 1)
    share = np.where(2 * np.abs(frequencies) == size, 0.5, 1)
    angles = 2 * np.pi / size * np.subtract.outer(positions, np.arange(size))
    expected = (share * np.cos(angles[..., None] * frequencies)).sum(-1) / size
    np.testing.assert_allclose(sinc_weights(positions, size), expected, atol=1e-8)


@pytest.mark.parametrize("shape", [(12, 9), (1, 8)])
def test_data_consistency_replaces_the_frequencies_of_the_cosine_transform(shape):
    rng = np.random.default_rng(0)
    image, result = rng.normal(size=shape), rng.normal(size=(2 * shape[0], 3 * shape[1]))
    samples = Samples.over(shape[0], 2 * shape[0]), Samples.over(shape[1], 3 * shape[1])
    expected = dctn(result, norm="ortho")
    expected[: shape[0], : shape[1]] = np.sqrt(6) * dctn(image, norm="ortho")
    np.testing.assert_allclose(
        MeasuredSlice.of(image).kept_by(result, *samples), idctn(expected, norm="ortho"), atol=1e-12
    )


def test_band_limited_image_adds_nothing():
    image = np.random.default_rng(0).normal(size=(10, 13))
    spectrum = np.zeros((20, 26))
    spectrum[:10, :13] = 2 * dctn(image, norm="ortho")
    result = idctn(spectrum, norm="ortho")
    measured = MeasuredSlice.of(image)
    np.testing.assert_allclose(measured.added_by(result, *over(image.shape)), 0, atol=1e-12)
    np.testing.assert_allclose(measured.kept_by(result, *over(image.shape)), result, atol=1e-12)


@pytest.mark.parametrize("strips", [{"top": 3}, {"left": 1, "bottom": 2}, {"right": 4, "top": 1, "left": 2}])
def test_strips_without_data_do_not_ring(strips):
    """The image is smooth, but for the jump into the strips."""
    shape = 40, 50
    image, result, inside = waves(shape), waves(shape, 0.5), np.ones(shape, bool)
    for side, width in strips.items():
        {"top": inside, "bottom": inside[::-1], "left": inside.T, "right": inside.T[::-1]}[side][:width] = False
    outside = ~inside.repeat(2, 0).repeat(2, 1)
    image[~inside] = result[outside] = 0
    measured = MeasuredSlice.of(image)
    assert np.abs(measured.added_by(result, *over(shape))).max() < 20, "of a jump by 1000"
    kept = measured.kept_by(result, *over(shape))
    assert np.abs(kept - result).max() < 20
    assert np.array_equal(kept[outside], result[outside])


def test_strip_with_single_values_in_it():
    image = waves((20, 30))
    image[:, -4:] = 0
    image[::3, -1] = 30
    assert MeasuredSlice.of(image).empty[:, -4:].all()
    assert not MeasuredSlice.of(image).empty[:, :-6].any()


def test_dark_pixels_are_no_strip():
    image = waves((40, 50))
    image[10, 0] = image[20:30, 25] = 0
    assert not MeasuredSlice.of(image).empty.any()


@pytest.mark.parametrize("value", [0, 7])
def test_constant_slice(value):
    image = np.full((8, 9), value, np.int16)
    measured = MeasuredSlice.of(image)
    assert np.array_equal(measured.pixels, image)
    result = np.full((16, 18), float(value))
    np.testing.assert_allclose(measured.kept_by(result, *over(image.shape)), value)
