"""Every method learns: all its parameters have gradients, and steps bring it closer to the negative of an image."""

import pytest
import torch

from NExpRLib.function.samples import Samples

from .networks import ARBITRARY_SCALE, COMPARED, small_network


@pytest.mark.parametrize("name", COMPARED)
def test_training_lowers_the_loss(name):
    arbitrary = name in ARBITRARY_SCALE
    network = small_network(name) if arbitrary else small_network(name, 2)
    rows, columns = Samples.over(8, 16).positions(), Samples.over(8, 16).positions()
    low = torch.rand(2, 1, 8, 8)
    truth = 1 - torch.nn.functional.interpolate(low, scale_factor=2, mode="bilinear")
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    losses = []
    for _ in range(30):
        result = network(low, rows, columns) if arbitrary else network(low)
        loss = torch.nn.functional.mse_loss(result, truth)
        optimizer.zero_grad()
        loss.backward()
        assert all(p.grad is not None and p.grad.any() for p in network.parameters())
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.98 * losses[0]
