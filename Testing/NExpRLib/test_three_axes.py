"""A function of three coordinates against direct evaluation in float64."""

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates

from NExpRLib.function.explicit_image import ExplicitImage
from NExpRLib.function.interpolant import prefilter_matrix
from NExpRLib.function.samples import Samples

from . import direct

SHAPE, PATCHES, PATCH_SIZE, N = (3, 5, 4), (2, 3, 2), 2, 1


def random_function(kind, blend, with_skip, slices=()):
    """The explicit image, and its definition as function of positions along the three axes."""
    rng = np.random.default_rng(0)
    coefficients = rng.standard_normal((*PATCHES, *3 * [2 * N + 1]))
    frequencies = rng.uniform(0.5, 4, (3, N + 1)) * [0, 1]
    pixels = rng.standard_normal(SHAPE)
    of_spline = pixels
    for axis, size in enumerate(SHAPE):
        of_spline = np.moveaxis(np.tensordot(prefilter_matrix(size), of_spline, axes=(1, axis)), 0, axis)
    image = ExplicitImage(
        kind(np.broadcast_to(coefficients, (*slices, *coefficients.shape))),
        kind(np.broadcast_to(of_spline, (*slices, *SHAPE))) if with_skip else None,
        shape=SHAPE,
        frequencies=frequencies,
        patch_size=PATCH_SIZE,
        blend=blend,
        skip="bspline" if with_skip else "none",
    )

    def define(*positions):
        def wave(patch, offsets):
            return direct.full_wave(coefficients[patch], offsets, frequencies)

        waves = direct.evaluate(wave, PATCHES, PATCH_SIZE, positions, blend)
        if not with_skip:
            return waves
        inside = [np.clip(along, -0.5, size - 0.5) for along, size in zip(positions, SHAPE)]
        return waves + map_coordinates(pixels, np.meshgrid(*inside, indexing="ij"), order=3, mode="mirror")

    return image, define


@pytest.mark.parametrize("kind", [np.array, torch.tensor], ids=["numpy", "torch"])
@pytest.mark.parametrize("blend", [False, True])
@pytest.mark.parametrize("with_skip", [False, True])
def test_any_grid(kind, blend, with_skip):
    image, define = random_function(kind, blend, with_skip)
    fov = [(np.arange(count) + 0.5) * size / count - 0.5 for size, count in zip(SHAPE, (7, 5, 10))]
    np.testing.assert_allclose(image.rasterize(shape=(7, 5, 10)), define(*fov), atol=1e-12)
    unsorted, beyond, along = np.array([2.2, 0.1, 0.7]), np.arange(-3, 9, 0.75), Samples(0.5, 0.3, 6)
    result = image.rasterize(slices=unsorted, rows=beyond, columns=along)
    np.testing.assert_allclose(result, define(unsorted, beyond, along.positions()), atol=1e-12)


def test_batches_and_files(tmp_path):
    image, define = random_function(np.array, True, True, slices=(2,))
    image.save(tmp_path / "volume.npz")
    result = ExplicitImage.load(tmp_path / "volume.npz").rasterize((1, 2, 1))
    expected = define(np.arange(3.0), np.arange(10) / 2 - 0.25, np.arange(4.0))
    np.testing.assert_allclose(result, [expected, expected], atol=1e-12)


@pytest.mark.parametrize("target", [{"rows": [0], "columns": [0]}, {"shape": (4, 4)}, {"scale": (2, 2)}], ids=str)
def test_targets_of_two_axes_are_refused(target):
    image, _ = random_function(np.array, False, False)
    with pytest.raises(ValueError, match=r"\.$"):
        image.rasterize(**target)
