"""EDSR, SwinIR, SRConvNet and SRGAN: results lie on the field-of-view grid; sizes, batches, bad input."""

import numpy as np
import pytest
import torch

from NExpRLib.function.samples import Samples
from NExpRTraining.methods.srgan import VGGStyleDiscriminator
from NExpRTraining.methods.swinir import SwinLayer, WindowAttention, shifted_window_mask
from NExpRTraining.methods.upsampler import upsampler

from .networks import FIXED_SCALE, linear_network, small_network

SCALES = [2, 3, 4]


def linear_image(h, w):
    return (2 * torch.arange(float(h))[:, None] + 3 * torch.arange(float(w)))[None, None]


def assert_linear(result, h, w, scale):
    """The result is that of a linear image on the field-of-view grid, but for a margin where borders act."""
    u, v = Samples.over(h, h * scale).positions(), Samples.over(w, w * scale).positions()
    inside = slice(2 * scale, -2 * scale)
    np.testing.assert_allclose(result[0, 0, inside, inside], (2 * u[:, None] + 3 * v)[inside, inside], atol=1e-4)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", FIXED_SCALE)
def test_planted_linear_image(name, scale):
    """EDSR and SwinIR are planted to interpolate linearly; SRConvNet and SRGAN add their input bilinearly."""
    with torch.no_grad():
        assert_linear(linear_network(name, scale)(linear_image(9, 12)), 9, 12, scale)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", FIXED_SCALE)
def test_batch_and_odd_sizes(name, scale):
    network = small_network(name, scale).requires_grad_(False)
    low = torch.rand(3, 1, 11, 6)
    result = network(low)
    assert result.shape == (3, 1, 11 * scale, 6 * scale)
    one_by_one = torch.cat([network(image[None]) for image in low])
    torch.testing.assert_close(result, one_by_one, atol=1e-6, rtol=0)
    assert (result[0] - result[1]).abs().max() > 1e-4


@pytest.mark.parametrize("shifted", [False, True])
def test_position_bias_of_swinir(shifted):
    """A bias that favors one relative position makes every pixel see the pixel there, if it is in the same window."""
    down, right = 1, -2
    layer = SwinLayer(4, heads=2, shifted=shifted, drop_rate=0).requires_grad_(False)
    layer.norms = torch.nn.ModuleList([torch.nn.Identity(), torch.nn.Identity()])
    for parameter in layer.parameters():
        torch.nn.init.zeros_(parameter)
    attention = layer.attention
    attention.to_query_key_value.weight[-4:] = attention.project.weight[:] = torch.eye(4)
    attention.position_bias[(7 - down) * 15 + 7 - right] = 50
    x = torch.rand(1, 16, 24, 4)
    seen = layer(x, shifted_window_mask((16, 24), "cpu")) - x
    start = 4 if shifted else 0
    for r in range(start, 16 - start):
        for c in range(start, 24 - start):
            if (r - start) % 8 + down < 8 and (c - start) % 8 + right >= 0:
                torch.testing.assert_close(seen[0, r, c], x[0, r + down, c + right])


def test_attention_of_swinir():
    """Without a bias it is PyTorch's attention in every window."""
    torch.manual_seed(0)
    attention = WindowAttention(12, heads=3).requires_grad_(False)
    torch.nn.init.normal_(attention.to_query_key_value.weight)
    torch.nn.init.zeros_(attention.position_bias)
    x = torch.rand(2, 3, 64, 12)
    heads = [y.unflatten(-1, (3, 4)).transpose(2, 3) for y in attention.to_query_key_value(x).chunk(3, dim=-1)]
    expected = torch.nn.functional.scaled_dot_product_attention(*heads).transpose(2, 3).flatten(-2)
    torch.testing.assert_close(attention(x, None), attention.project(expected))


def test_shifted_windows_of_swinir_do_not_join_opposite_borders():
    network = small_network("SwinIR", 2).requires_grad_(False)
    network.blocks = network.blocks[:1]
    for parameter in network.blocks.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    low = torch.rand(1, 1, 40, 40)
    changed = low.clone()
    changed[..., -1, -1] += 1
    difference = (network(changed) - network(low)).abs()[0, 0]
    # The pixel reaches its own window, the shifted windows that meet it, and three convolutions further.
    assert difference[2 * 20 :, 2 * 20 :].max() > 1e-4
    assert difference[: 2 * 16].max() < 1e-5
    assert difference[:, : 2 * 16].max() < 1e-5


def test_stochastic_depth_of_swinir_acts_in_training_only():
    network = small_network("SwinIR", 2).requires_grad_(False)
    for block in network.blocks:
        for layer in block.layers:
            layer.drop_rate = 0.5
    low = torch.rand(1, 1, 8, 8)
    assert torch.equal(network(low), network(low))
    network.train()
    assert len({network(low).sum().item() for _ in range(8)}) > 1


@pytest.mark.parametrize("scale", [1, 5, 2.5])
def test_other_scales(scale):
    with pytest.raises(ValueError, match="scales 2, 3, 4, not"):
        upsampler(8, scale)


@pytest.mark.parametrize("size", [32, 96])
def test_discriminator_judges_each_image(size):
    network = VGGStyleDiscriminator(size, features=4).eval().requires_grad_(False)
    images = torch.rand(3, 1, size, size)
    logits = network(images)
    assert logits.shape == (3, 1)
    torch.testing.assert_close(logits, torch.cat([network(image[None]) for image in images]), atol=1e-6, rtol=0)


@pytest.mark.parametrize("size", [0, 48])
def test_discriminator_of_other_sizes(size):
    with pytest.raises(ValueError, match="multiple of 32"):
        VGGStyleDiscriminator(size)
