"""The analytic interpolants against SciPy, SimpleITK, Keys' formula and polynomials."""

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from scipy.ndimage import map_coordinates

from NExpRLib.function.interpolant import interpolate, prefilter

SHAPES = [(8, 11), (1, 9), (2, 5), (13, 3)]


def random_image(shape):
    return np.random.default_rng(0).uniform(-1, 1, shape)


def positions_inside(shape, count=31):
    rng = np.random.default_rng(1)
    return [rng.uniform(-0.5, size - 0.5, count) for size in shape]


@pytest.mark.parametrize("shape", SHAPES)
def test_bspline_equals_scipy(shape):
    image, (rows, columns) = random_image(shape), positions_inside(shape)
    result = interpolate(prefilter(image, "bspline"), rows, columns, "bspline")
    expected = map_coordinates(image, np.meshgrid(rows, columns, indexing="ij"), order=3, mode="mirror")
    np.testing.assert_allclose(result, expected, atol=1e-10)


@pytest.mark.parametrize("shape", [(8, 11), (13, 5)])
def test_bspline_equals_simpleitk(shape):
    image, size = random_image(shape), (29, 37)
    reference = sitk.Image(size[::-1], sitk.sitkFloat64)
    reference.SetSpacing([n / m for n, m in zip(shape[::-1], size[::-1])])
    reference.SetOrigin([(s - 1) / 2 for s in reference.GetSpacing()])
    resampled = sitk.Resample(sitk.GetImageFromArray(image), reference, sitk.Transform(), sitk.sitkBSpline3)
    rows, columns = ((np.arange(m) + 0.5) * n / m - 0.5 for n, m in zip(shape, size))
    result = interpolate(prefilter(image, "bspline"), rows, columns, "bspline")
    np.testing.assert_allclose(result, sitk.GetArrayFromImage(resampled), atol=1e-6)


def keys_1981(s):
    """Cubic convolution kernel of Keys, Eq. 15."""
    s = abs(s)
    if s < 1:
        return 3 / 2 * s**3 - 5 / 2 * s**2 + 1
    return -1 / 2 * s**3 + 5 / 2 * s**2 - 4 * s + 2 if s < 2 else 0


@pytest.mark.parametrize("shape", SHAPES)
def test_bicubic_equals_the_convolution_of_keys(shape):
    image, (rows, columns) = random_image(shape), positions_inside(shape, 9)
    border = 3
    padded = np.pad(image, border, mode="edge")
    expected = [
        [
            sum(
                padded[i + border, j + border] * keys_1981(u - i) * keys_1981(v - j)
                for i in range(-border, shape[0] + border)
                for j in range(-border, shape[1] + border)
            )
            for v in columns
        ]
        for u in rows
    ]
    np.testing.assert_allclose(interpolate(image, rows, columns, "bicubic"), expected, atol=1e-12)


@pytest.mark.parametrize(("skip", "degree", "border"), [("bicubic", 2, 1), ("bspline", 3, 16)])
def test_polynomials_are_reproduced(skip, degree, border):
    rng = np.random.default_rng(2)
    coefficients = rng.uniform(-1, 1, (degree + 1, degree + 1))
    size = 2 * border + 9

    def polynomial(u, v):
        return np.polynomial.polynomial.polygrid2d(2 * u / size - 1, 2 * v / size - 1, coefficients)

    image = polynomial(np.arange(size), np.arange(size))
    rows, columns = rng.uniform(border, size - 1 - border, (2, 23))
    result = interpolate(prefilter(image, skip), rows, columns, skip)
    np.testing.assert_allclose(result, polynomial(rows, columns), atol=1e-8)


@pytest.mark.parametrize("skip", ["bicubic", "bspline"])
@pytest.mark.parametrize("shape", SHAPES)
def test_pixels_are_interpolated(skip, shape):
    image = random_image(shape)
    rows, columns = (np.arange(n, dtype=float) for n in shape)
    np.testing.assert_allclose(interpolate(prefilter(image, skip), rows, columns, skip), image, atol=1e-12)


@pytest.mark.parametrize("skip", ["bicubic", "bspline"])
def test_border_value_continues(skip):
    image = random_image((6, 7))
    result = interpolate(prefilter(image, skip), [-0.5, -0.7, -30.0], [6.5, 6.6, 99.0], skip)
    np.testing.assert_allclose(result, result[0, 0])


@pytest.mark.parametrize("skip", ["bicubic", "bspline"])
def test_torch_equals_numpy(skip):
    image, (rows, columns) = random_image((8, 11)), positions_inside((8, 11))
    expected = interpolate(prefilter(image, skip), rows, columns, skip)
    result = interpolate(prefilter(torch.from_numpy(image), skip), rows, columns, skip)
    np.testing.assert_allclose(result, expected, atol=1e-12)


@pytest.mark.parametrize("skip", ["bicubic", "bspline"])
def test_prefilter_of_batches(skip):
    images = random_image((3, 2, 8, 11))
    np.testing.assert_allclose(prefilter(images, skip)[1, 0], prefilter(images[1, 0], skip), atol=1e-12)
    np.testing.assert_allclose(prefilter(torch.from_numpy(images), skip), prefilter(images, skip), atol=1e-12)
