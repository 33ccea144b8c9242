"""Networks that begin as smaller ones."""

import pytest
import torch

from NExpRLib.network import NetworkConfig, NExpRNetwork
from NExpRTraining.modules.grown import grow


@pytest.mark.parametrize("config", [{"blocks": 3, "noise_level": True}, {"blocks": 3, "conditions": 2}])
def test_a_network_grows_from_a_smaller_one(config):
    shared = {"features": 8, "hidden": 16, "skip": "bicubic", "equivariant": True}
    torch.manual_seed(0)
    small = NExpRNetwork(NetworkConfig(**shared, blocks=2, conditions=config.get("conditions", 0)))
    for parameter in small.parameters():  # The last layers are zero until they are trained.
        torch.nn.init.normal_(parameter, std=0.1)
    large = NExpRNetwork(NetworkConfig(**shared, **config))
    grow(large, small)
    slices, told = torch.rand(1, 1, 12, 10), torch.tensor([[0.5, -0.2]])[:, : config.get("conditions", 0)]
    inputs = torch.cat([slices, torch.rand_like(slices)], dim=1)[:, : large.config.channels]
    assert torch.allclose(large(inputs, told), small(slices, told), atol=1e-6)
    large(inputs, told).square().sum().backward()
    assert large.encoder.body[2].body[2].weight.grad.abs().max() > 0
    with pytest.raises(ValueError, match="another architecture"):
        grow(small, large)
