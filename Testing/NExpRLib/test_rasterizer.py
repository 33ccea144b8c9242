"""Rasterizing against a direct evaluation of the definition (paper Eq. 1)."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from NExpRLib.function.explicit_image import ExplicitImage
from NExpRLib.function.fourier_basis import paper_matrix
from NExpRLib.function.interpolant import interpolate, prefilter
from NExpRLib.function.samples import Samples

from . import direct

SCALES = [1, 1.7, 2, 2.5, 3, math.pi, 4, 7.3]
SIZES = [(7, 11), (5, 8), (1, 13)]

# Crowded in one cell, beyond the border, on seams, in any order.
positions = st.lists(st.floats(-9, 15) | st.floats(2, 2.5) | st.integers(-4, 20).map(lambda n: n / 2), min_size=1)


class RandomFunction:
    """Random coefficients, and frequencies that are the same for all seeds: an explicit image and its definition."""

    def __init__(self, shape, basis, patch_size=2, n=4, blend=False, seed=0):
        rng = np.random.default_rng(seed)
        self.shape, self.patch_size, self.blend, self.n = shape, patch_size, blend, n
        self.patches = tuple(-(-size // patch_size) for size in shape)
        random = np.random.default_rng(7).uniform(0.2, 8 * np.pi, (2, n))
        self.frequencies = [np.concatenate([[0], of_axis]) for of_axis in random]
        if basis == "paper":
            alpha, beta = rng.standard_normal((2, *self.patches, n + 1, n + 1))
            self.coefficients = paper_matrix(alpha, beta)
            self.wave = lambda patch, offsets: direct.paper_wave(alpha[patch], beta[patch], offsets, self.frequencies)
        else:
            self.coefficients = rng.standard_normal((*self.patches, 2 * n + 1, 2 * n + 1))
            self.wave = lambda patch, offsets: direct.full_wave(self.coefficients[patch], offsets, self.frequencies)

    def image(self, kind=np.asarray, coefficients=None, **skip):
        """The explicit image with float32 coefficients: NumPy, or torch with ``kind=torch.from_numpy``."""
        return ExplicitImage(
            kind(self.coefficients.astype("float32")) if coefficients is None else coefficients,
            shape=self.shape,
            frequencies=np.stack(self.frequencies),
            patch_size=self.patch_size,
            blend=self.blend,
            **skip,
        )

    def direct(self, rows, columns):
        return direct.evaluate(self.wave, self.patches, self.patch_size, (rows, columns), self.blend)


def fov_positions(size, scale):
    output_size = max(1, math.floor(size * scale + 0.5))
    return (np.arange(output_size) + 0.5) * size / output_size - 0.5


def assert_close(image, reference, tolerance=1e-5):
    assert image.shape == reference.shape
    assert np.abs(np.asarray(image) - reference).max() < tolerance * np.abs(reference).max()


@pytest.mark.parametrize("basis", ["paper", "full"])
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy], ids=["numpy", "torch"])
def test_any_scale(basis, scale, kind):
    function = RandomFunction((7, 11), basis)
    image = function.image(kind).rasterize(scale)
    assert type(image) is type(kind(np.zeros(1)))
    assert_close(image, function.direct(fov_positions(7, scale), fov_positions(11, scale)))


@pytest.mark.parametrize("basis", ["paper", "full"])
@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("scales", [(1, math.pi), (2.5, 1), (1.7, 3)])
def test_one_scale_per_axis(basis, shape, scales):
    function = RandomFunction(shape, basis)
    rows, columns = (fov_positions(size, scale) for size, scale in zip(shape, scales))
    assert_close(function.image().rasterize(scales), function.direct(rows, columns))


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy], ids=["numpy", "torch"])
def test_blended_patches(scale, kind):
    function = RandomFunction((7, 11), "full", n=2, blend=True)
    image = function.image(kind).rasterize(scale)
    assert_close(image, function.direct(fov_positions(7, scale), fov_positions(11, scale)))


@pytest.mark.parametrize("patch_size", [1, 2, 3, 4])
@pytest.mark.parametrize("blend", [False, True])
def test_patch_sizes(patch_size, blend):
    function = RandomFunction((9, 10), "paper", patch_size=patch_size, n=2, blend=blend)
    assert_close(function.image().rasterize(1.3), function.direct(fov_positions(9, 1.3), fov_positions(10, 1.3)))


@pytest.mark.parametrize("blend", [False, True])
@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy], ids=["numpy", "torch"])
def test_any_positions(blend, kind):
    """Beyond the border, descending, unsorted, repeated, a single one, only some patches."""
    function = RandomFunction((7, 11), "full", n=3, blend=blend)
    unsorted = np.random.default_rng(1).uniform(-3, 14, 23)
    image = function.image(kind)
    for rows, columns in [
        (np.linspace(9.3, -4.1, 17), unsorted),
        (unsorted, np.linspace(-2, 13, 19)),
        (np.array([2.2, 2.2, 5.9, 2.2]), np.array([6.1])),
        (np.array([30.0]), np.array([-20.0, 4.0])),
    ]:
        assert_close(image.rasterize(rows=rows, columns=columns), function.direct(rows, columns))


@given(
    rows=positions,
    columns=positions,
    patch_size=st.integers(1, 3),
    blend=st.booleans(),
    kind=st.sampled_from([np.asarray, torch.from_numpy]),
)
@settings(deadline=None, max_examples=60)
def test_any_positions_at_all(rows, columns, patch_size, blend, kind):
    function = RandomFunction((5, 8), "full", patch_size, n=1, blend=blend)
    rows, columns = np.array(rows), np.array(columns)
    reference = function.direct(rows, columns)
    image = function.image(kind).rasterize(rows=rows, columns=columns)
    assert np.abs(np.asarray(image) - reference).max() < 1e-4


def test_samples_on_a_seam_belong_to_the_patch_that_begins_there():
    function = RandomFunction((6, 6), "paper")
    positions = np.arange(0, 6, 0.5)
    assert_close(function.image().rasterize(2, grid="kspace"), function.direct(positions, positions))


def test_sizes_follow_rounding_and_positions_their_true_ratio():
    function = RandomFunction((7, 11), "full")
    assert function.image().rasterize(2.5).shape == (18, 28)
    rows, columns = np.arange(18) * 7 / 18, np.arange(28) * 11 / 28
    assert_close(function.image().rasterize(2.5, grid="kspace"), function.direct(rows, columns))
    assert_close(function.image().rasterize(shape=(18, 28), grid="kspace"), function.direct(rows, columns))


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy], ids=["numpy", "torch"])
def test_batches_equal_single_slices(kind):
    functions = [RandomFunction((7, 11), "full", seed=seed) for seed in range(3)]
    coefficients = kind(np.stack([f.coefficients for f in functions])[:, None].astype("float32"))
    batch = functions[0].image(coefficients=coefficients)
    rasterized = batch.rasterize(2.5)
    assert rasterized.shape == (3, 1, 18, 28)
    for i, function in enumerate(functions):
        reference = function.direct(fov_positions(7, 2.5), fov_positions(11, 2.5))
        assert_close(rasterized[i, 0], reference)
        assert_close(batch[i].rasterize(2.5)[0], reference)


@pytest.mark.parametrize("blend", [False, True])
@pytest.mark.parametrize("skip", ["none", "bspline"])
def test_gradients(blend, skip):
    function = RandomFunction((3, 5), "full", n=1, blend=blend)

    def rasterize(coefficients, frequencies, skip_coefficients):
        image = ExplicitImage(
            coefficients,
            None if skip == "none" else skip_coefficients,
            shape=function.shape,
            frequencies=torch.nn.functional.pad(frequencies, (1, 0)),
            patch_size=function.patch_size,
            blend=blend,
            skip=skip,
        )
        return image.rasterize(1.7)

    inputs = [
        torch.from_numpy(function.coefficients.copy()),
        torch.from_numpy(np.stack(function.frequencies)[:, 1:]),
        torch.rand(3, 5, dtype=torch.float64, generator=torch.manual_seed(0)),
    ]
    for tensor in inputs[: 2 if skip == "none" else 3]:
        tensor.requires_grad_()
    assert torch.autograd.gradcheck(rasterize, inputs)
    for one in inputs[: 2 if skip == "none" else 3]:
        assert torch.autograd.gradcheck(rasterize, [i if i is one else i.detach() for i in inputs])


@pytest.mark.parametrize("skip", ["bicubic", "bspline"])
@pytest.mark.parametrize("patch_size", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("blend", [False, True])
@pytest.mark.parametrize("step", [0.25, 0.37])
def test_skip_within_and_beyond_the_border(skip, patch_size, blend, step):
    """Patches of zeros, of which the last may reach beyond the image."""
    pixels = np.random.default_rng(0).random((7, 13))
    rows, columns = (np.arange(-2.5, size + 3, step) + step / 2 for size in pixels.shape)
    coefficients = prefilter(pixels, skip)
    image = ExplicitImage(
        np.zeros((-(-7 // patch_size), -(-13 // patch_size), 3, 3)),
        coefficients,
        shape=pixels.shape,
        frequencies=np.array([[0, 1], [0, 1]]),
        patch_size=patch_size,
        blend=blend,
        skip=skip,
    )
    expected = interpolate(coefficients, rows, columns, skip)
    assert_close(image.rasterize(rows=rows, columns=columns), expected, 1e-12)


def test_a_single_slice_has_no_parts():
    image = RandomFunction((5, 7), "full").image()
    with pytest.raises(TypeError, match="single slice"):
        image[0]
    with pytest.raises(TypeError, match="single slice"):
        list(image)


def test_pixels_cannot_be_taken_out():
    """Behind them are coefficients."""
    function = RandomFunction((5, 7), "full")
    images = function.image(coefficients=function.coefficients[None, None])
    assert images[0, 0].rasterize(2).shape == (10, 14)
    for index in ((0, 0, slice(3, None)), (0, 0, slice(None), slice(2)), (0, 0, 1)):
        with pytest.raises(IndexError, match="not pixels"):
            images[index]


@pytest.mark.parametrize(
    "target", [{"scale": 1.9}, {"rows": [4.2, 1, 3.3], "columns": [2, 0.5]}], ids=["scale", "rows"]
)
def test_gradients_where_operators_were_prepared_in_inference_mode(target):
    function = RandomFunction((5, 7), "full", blend=True, seed=3)
    with torch.inference_mode():
        expected = function.image(torch.from_numpy).rasterize(**target)
    coefficients = torch.from_numpy(function.coefficients.astype("float32")).requires_grad_()
    result = function.image(coefficients=coefficients).rasterize(**target)
    assert_close(result.detach(), expected.numpy(), 1e-6)
    (gradient,) = torch.autograd.grad(result.sum(), coefficients)
    assert gradient.any()


@pytest.mark.parametrize("skip", ["none", "bicubic", "bspline"])
def test_autocast_does_not_lower_the_precision(skip):
    function = RandomFunction((7, 11), "full", blend=True)
    pixels = torch.rand(7, 11, generator=torch.Generator().manual_seed(0))

    def rasterize():
        return function.image(torch.from_numpy, skip_coefficients=prefilter(pixels, skip), skip=skip).rasterize(2.5)

    with torch.autocast("cpu", dtype=torch.bfloat16):
        lowered = rasterize()
    assert torch.equal(lowered, rasterize())


@pytest.mark.parametrize(
    "target",
    [
        {},
        {"scale": 2, "shape": (4, 4)},
        {"rows": [1.0]},
        {"scale": 2, "rows": [1.0], "columns": [1.0]},
        {"scale": 0},
        {"scale": -2},
        {"scale": math.nan},
        {"scale": (2, math.inf)},
        {"shape": (0, 5)},
        {"shape": (5, 5, 5)},
        {"shape": (7.5, 8)},
        {"shape": 8},
        {"scale": (2, 2, 2)},
        {"scale": 2, "grid": "other"},
        {"rows": [], "columns": [1.0]},
        {"rows": [math.nan], "columns": [1.0]},
        {"rows": [[1.0]], "columns": [1.0]},
        {"rows": Samples(0.0, 1.0, 0), "columns": [1.0]},
        {"rows": [1.0], "columns": Samples(0.0, math.inf, 3)},
    ],
    ids=str,
)
def test_bad_targets(target):
    with pytest.raises(ValueError, match=r"\.$"):
        RandomFunction((5, 5), "full").image().rasterize(**target)
