"""The network: the paper's configuration, its start, and its receptive field."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from NExpRLib.function.fourier_basis import BASES
from NExpRLib.network import NetworkConfig, NExpRNetwork

# Paper Sec. 2.2: 16 residual blocks of 64 features, patches of 2, N = 8, decoder of five linear layers, Eq. 1.
ENCODER_HEAD = 9 * 64
ENCODER_BODY = (2 * 16 + 1) * 9 * 64 * 64
GATHER = 2 * 2 * 64 * 256
DECODER = 4 * 256 * 256 + 256 * 162
BIASES = 64 + (2 * 16 + 1) * 64 + 256 + 4 * 256 + 162
FREQUENCIES = 2 * 8


def test_parameters_of_the_paper():
    parameters = sum(p.numel() for p in NExpRNetwork().parameters())
    assert parameters == ENCODER_HEAD + ENCODER_BODY + GATHER + DECODER + BIASES + FREQUENCIES == 1_589_874
    assert round(parameters / 1e6, 2) == 1.59


def test_multiply_adds_of_the_paper():
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        NExpRNetwork()(torch.zeros(1, 1, 64, 64))
    pixels, patches = 64 * 64, 32 * 32
    expected = pixels * (ENCODER_HEAD + ENCODER_BODY) + patches * (GATHER + DECODER)
    assert counter.get_total_flops() / 2 == expected
    assert round(expected / 1e9, 2) == 5.36


def small_network(**changes):
    torch.manual_seed(0)
    network = NExpRNetwork(NetworkConfig(**{"blocks": 2, "features": 8, "hidden": 16, "frequencies": 2, **changes}))
    torch.nn.init.normal_(network.decoder[-1].weight)
    return network.requires_grad_(False)


def test_frequencies_start_at_multiples_of_pi_and_the_first_stays_zero():
    network = NExpRNetwork()
    for frequencies in network.frequencies():
        torch.testing.assert_close(frequencies, torch.pi * torch.arange(9, dtype=torch.float64), atol=2e-6, rtol=0)
        frequencies.sum().backward()
    assert network.row_frequencies.grad.tolist() == network.column_frequencies.grad.tolist() == [1.0] * 8


@pytest.mark.parametrize("skip", ["bicubic", "bspline"])
@pytest.mark.parametrize("basis", BASES)
def test_untrained_network_adds_nothing_to_a_skip(skip, basis):
    network = NExpRNetwork(NetworkConfig(blocks=1, features=8, hidden=16, frequencies=2, basis=basis, skip=skip))
    assert not network(torch.rand(2, 1, 10, 12)).any()


def test_what_differs_between_patches_reaches_the_last_layer():
    """Otherwise what all patches share dominates the first updates, and a short warm-up ends with a dead decoder."""
    torch.manual_seed(0)
    decoder = NExpRNetwork(NetworkConfig(basis="full", skip="bicubic")).decoder
    features = torch.randn(1, 256, 16, 16)
    assert decoder[:-1](features).std((2, 3)).mean() > 0.3


@pytest.mark.parametrize("basis", BASES)
@pytest.mark.parametrize(("patch_size", "blocks"), [(1, 1), (2, 1), (2, 2), (3, 1), (4, 1)])
@pytest.mark.parametrize("equivariant", [False, True])
def test_halo_is_the_receptive_field(basis, patch_size, blocks, equivariant):
    skip = "bicubic" if equivariant else "none"
    network = small_network(basis=basis, patch_size=patch_size, blocks=blocks, skip=skip, equivariant=equivariant)
    a, radius = patch_size, 2 * blocks + 2
    assert network.halo % a == 0
    assert radius <= network.halo < radius + a
    patches = 2 * (network.halo // a) + 5
    patch = patches // 2
    image = torch.rand(1, 1, patches * a, patches * a)
    before = network(image)[0, :, patch, patch]
    for axis in (-2, -1):
        for outside, inside in [
            (a * patch - network.halo - 1, a * patch - radius),
            (a * (patch + 1) + network.halo, a * (patch + 1) + radius - 1),
        ]:
            changed = image.clone()
            changed.select(axis, outside)[:] += 1
            torch.testing.assert_close(network(changed)[0, :, patch, patch], before, atol=1e-6, rtol=0)
            changed.select(axis, inside)[:] += 1
            assert (network(changed)[0, :, patch, patch] - before).abs().max() > 1e-5


@pytest.mark.parametrize("basis", BASES)
@pytest.mark.parametrize("shape", [(1, 1), (5, 8), (7, 11)])
def test_sizes_that_are_no_multiple_of_the_patch(basis, shape):
    network = small_network(basis=basis)
    image = torch.rand(2, 1, *shape)
    numbers = network(image)
    assert numbers.shape == (2, {"full": 25, "paper": 18}[basis], (shape[0] + 1) // 2, (shape[1] + 1) // 2)
    repeated = torch.nn.functional.pad(image, (0, shape[1] % 2, 0, shape[0] % 2), mode="replicate")
    torch.testing.assert_close(numbers, network(repeated))


def test_batch_equals_single_slices():
    network = small_network()
    images = torch.rand(3, 1, 10, 14)
    torch.testing.assert_close(network(images), torch.cat([network(image[None]) for image in images]))


@pytest.mark.parametrize("shape", [(1, 1), (7, 11)])
def test_equivariant_network(shape):
    """Numbers grow with the contrast, and do not know the offset."""
    network = small_network(equivariant=True, skip="bicubic").double()
    image = torch.rand(2, 1, *shape, dtype=torch.float64)
    numbers = network(image)
    torch.testing.assert_close(network(40 * image - 1000), 40 * numbers)
    assert image.numel() == 2 or numbers.abs().max() > 0.1
    assert not network(torch.full_like(image, 7.0)).any()


def test_equivariant_network_keeps_its_precision_far_from_zero():
    """A padding value of -32768 moves all of an image close to 1, where bfloat16 would tell four intensities apart."""
    network = small_network(equivariant=True, skip="bicubic")
    image = torch.rand(1, 1, 16, 16)
    with torch.autocast("cpu", torch.bfloat16):
        numbers, moved = network(image), network(image + 1000)
    assert (moved - numbers).abs().max() < 0.02 * numbers.abs().max()


@pytest.mark.parametrize("wrong", [{"basis": "other"}, {"skip": "other"}])
def test_unknown_configuration(wrong):
    with pytest.raises(ValueError, match="must be one of"):
        NetworkConfig(**wrong)


def test_equivariant_network_needs_a_skip():
    with pytest.raises(ValueError, match="needs a skip"):
        NetworkConfig(equivariant=True)


def test_conditions_change_nothing_at_first_and_features_in_proportion_then():
    network = small_network(basis="full", skip="bicubic", equivariant=True, conditions=2)
    plain = small_network(basis="full", skip="bicubic", equivariant=True)
    plain.load_state_dict({k: v for k, v in network.state_dict().items() if not k.startswith("factors")})
    slices = torch.rand(2, 1, 12, 14)
    conditions = torch.tensor([[0.3, -1.0], [2.0, 0.1]])
    torch.testing.assert_close(network(slices, conditions), plain(slices))
    torch.nn.init.normal_(network.factors.layers[-1].weight, std=0.3)
    told = network(slices, conditions)
    assert not torch.allclose(told, plain(slices), atol=1e-3)
    torch.testing.assert_close(network(5 * slices - 2, conditions), 5 * told, rtol=1e-3, atol=1e-3)
    # Each slice of a batch has its own.
    torch.testing.assert_close(network(slices[1:], conditions[1:]), told[1:], rtol=1e-4, atol=1e-4)
