"""The kernels for NVIDIA GPUs against NumPy in float64; where there is no GPU, Triton interprets them."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from NExpRLib.function.explicit_image import ExplicitImage
from NExpRLib.function.interpolant import prefilter
from NExpRLib.function.samples import Samples, scaled_size

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"

positions = st.lists(st.floats(-9, 15) | st.floats(2, 2.5) | st.integers(-4, 20).map(lambda n: n / 2), min_size=1)


@pytest.fixture(scope="module")
def draw_on_gpu():
    pytest.importorskip("triton")
    from NExpRLib.function.gpu_kernels import draw_on_gpu

    return draw_on_gpu


def random_image(kind, slices=(), shape=(9, 12), patch_size=2, blend=True, skip="bicubic", n=2, padding=0):
    rng = np.random.default_rng(0)
    patches = [-(-(size + 2 * padding) // patch_size) for size in shape]
    pixels = rng.standard_normal((*slices, *(size + 2 * padding for size in shape)))
    return ExplicitImage(
        kind(rng.standard_normal((*slices, *patches, 2 * n + 1, 2 * n + 1))),
        None if skip == "none" else kind(prefilter(pixels, skip)),
        shape=shape,
        patch_size=patch_size,
        blend=blend,
        skip=skip,
        padding=padding,
        frequencies=np.outer([1.3, 1.7], np.arange(n + 1)),
    )


def scaled(scale, grid="fov"):
    return lambda size: Samples.over(size, scaled_size(size, scale), grid)


def on_device(array):
    return torch.from_numpy(array.astype(np.float32)).to(DEVICE)


def assert_same(draw_on_gpu, options, rows, columns):
    """
    :param rows, columns: functions of the size of the axis that return samples, or positions.
    """
    image, exact = random_image(on_device, **options), random_image(np.asarray, **options)
    targets = [along(size) for along, size in zip((rows, columns), image.shape)]
    drawn = draw_on_gpu(image.parts, targets, image.axes)
    expected = exact.rasterize(rows=targets[0], columns=targets[1])
    assert drawn.shape == expected.shape
    # Of few positions all values may be small sums of large numbers, whose rounding is that of the whole image.
    largest = max(np.abs(expected).max(), np.abs(exact.rasterize(1)).max())
    assert np.abs(drawn.cpu().numpy() - expected).max() < 1e-6 * largest


@pytest.mark.parametrize("scale", [1, 2.5, 4, np.pi])
@pytest.mark.parametrize("skip", ["none", "bicubic", "bspline"])
@pytest.mark.parametrize("blend", [False, True])
def test_any_scale(draw_on_gpu, scale, skip, blend):
    assert_same(draw_on_gpu, {"skip": skip, "blend": blend}, scaled(scale), scaled(scale))


@pytest.mark.parametrize("slices", [(1,), (3,), (2, 1)])
@pytest.mark.parametrize("skip", ["none", "bicubic"])
def test_all_slices_at_once(draw_on_gpu, slices, skip):
    assert_same(draw_on_gpu, {"slices": slices, "skip": skip}, scaled(2), scaled(2))


@pytest.mark.parametrize("patch_size", [1, 2, 3])
def test_patches_padding_and_kspace_grid(draw_on_gpu, patch_size):
    options = {"patch_size": patch_size, "padding": 6}
    assert_same(draw_on_gpu, options, scaled(31 / 9, "kspace"), scaled(17 / 12, "kspace"))


@settings(max_examples=20, deadline=None)
@given(rows=positions, columns=positions)
def test_any_positions(draw_on_gpu, rows, columns):
    assert_same(draw_on_gpu, {}, lambda _: np.array(rows), lambda _: np.array(columns))


@pytest.mark.parametrize("part", [np.s_[::2], np.s_[1:], np.s_[:, 1]], ids=str)
def test_part_of_a_batch(draw_on_gpu, part):
    image = random_image(on_device, slices=(4, 2))[part]
    drawn = draw_on_gpu(image.parts, [scaled(2)(size) for size in image.shape], image.axes).cpu().numpy()
    expected = random_image(np.asarray, slices=(4, 2)).rasterize(2)[part]
    assert np.abs(drawn - expected).max() < 1e-6 * np.abs(expected).max()


def test_many_blocks(draw_on_gpu):
    """More samples and numbers than one program computes, no multiple of its size."""
    assert_same(draw_on_gpu, {"shape": (41, 33)}, scaled(43 / 41), scaled(301 / 33))
