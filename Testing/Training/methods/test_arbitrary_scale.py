"""LIIF, LTE and SRNO: coordinates, cells and local ensembles line up; batches and chunks change nothing."""

import numpy as np
import pytest
import torch

from NExpRLib.function.samples import Samples
from NExpRTraining.methods import LIIF, LTE, SRNO

from .networks import ARBITRARY_SCALE, small_network

# Low and high sizes: fractional scales, odd sizes, samples on pixel centers, a scale below 1, a single row.
SIZES = [((7, 10), (17, 31)), ((9, 6), (27, 18)), ((8, 8), (32, 32)), ((11, 9), (6, 7)), ((5, 1), (1, 4))]


def positions(low, high, grid="fov"):
    return [Samples.over(n, size, grid).positions() for n, size in zip(low, high)]


class Probe(torch.nn.Module):
    """In place of the last layers: shows one number that they would see."""

    def __init__(self, number):
        super().__init__()
        self.number = number

    def forward(self, x):
        return self.number(x)[..., None]


def liif_probe(quantity, axis, pixels):
    network = LIIF(blocks=0, features=2)
    numbers = {
        # Two features of 3 x 3 pixels, the relative coordinate, the cell.
        "pixel": lambda x: x[..., 9 * axis + 4],
        "coordinate": lambda x: x[..., 9 * axis + 4] + x[..., 18 + axis] / 2,
        "cell": lambda x: x[..., 20 + axis] / 2,
    }
    network.imnet = Probe(numbers[quantity])
    return network, pixels


def lte_probe(quantity, axis, pixels):
    network = LTE(blocks=0, features=1, hidden=8)
    torch.nn.init.zeros_(network.phase.weight)
    _, *shape = pixels.shape
    low, zeros, ones = torch.zeros(1, *shape), torch.zeros(2, *shape), torch.ones(2, *shape)
    frequencies = torch.zeros(4, 2, *shape)
    if quantity == "cell":
        network.phase.weight.data[2:] = torch.eye(2) / 32
    else:
        frequencies[2:] = torch.eye(2)[..., None, None] / 32
    # Four amplitudes of cosines, four of sines: the first two waves show the pixel, the last two an angle.
    planted = torch.cat([low, pixels, ones, zeros, ones, frequencies.flatten(0, 1)])

    def angle(x):
        return 16 / torch.pi * torch.atan2(x[..., 6 + axis], x[..., 2 + axis])

    numbers = {"pixel": lambda x: x[..., axis], "coordinate": lambda x: x[..., axis] + angle(x), "cell": angle}
    network.imnet = Probe(numbers[quantity])
    return network, planted


def srno_probe(quantity, axis, pixels):
    network = SRNO(blocks=0, features=3, width=8, heads=2, layers=0)
    network.lift = torch.nn.Identity()
    _, *shape = pixels.shape
    planted = torch.cat([torch.zeros(1, *shape), pixels, torch.ones(1, *shape)])

    def coordinate(x):
        # Four relative coordinates, then four times three weighted features, of which the last is the weight alone.
        relative, codes = x[..., :8].unflatten(-1, (4, 2)), x[..., 8:20].unflatten(-1, (4, 3))
        return (codes[..., axis] + codes[..., 2] * relative[..., axis] / 2).sum(-1)

    numbers = {
        "pixel": lambda x: x[..., 8:20].unflatten(-1, (4, 3))[..., axis].sum(-1),
        "coordinate": coordinate,
        "cell": lambda x: x[..., 20 + axis] / 2,
    }
    network.project = Probe(numbers[quantity])
    return network, planted


PROBES = {"LIIF": liif_probe, "LTE": lte_probe, "SRNO": srno_probe}


@pytest.mark.parametrize("grid", ["fov", "kspace"])
@pytest.mark.parametrize(("low", "high"), SIZES)
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("quantity", ["pixel", "coordinate", "cell"])
@pytest.mark.parametrize("name", ARBITRARY_SCALE)
def test_planted_pixel_indices(name, quantity, axis, low, high, grid):
    """Latent codes that hold their pixel's own indices show where every sample believes to be."""
    indices = torch.stack(torch.meshgrid(*(torch.arange(float(n)) for n in low), indexing="ij"))
    network, planted = PROBES[name](quantity, axis, indices)
    with torch.no_grad():
        result = network.query(planted[None], *positions(low, high, grid))[0, 0]
    n, size = low[axis], high[axis]
    k = np.arange(size)
    u = (k + 0.5) * n / size - 0.5 if grid == "fov" else k * n / size
    # Alone, indices are interpolated linearly and end at the border; with the relative coordinate they never end.
    expected = {"pixel": u.clip(0, n - 1), "coordinate": u, "cell": np.full(size, n / size)}[quantity]
    expected = np.broadcast_to(expected[:, None] if axis == 0 else expected, high)
    np.testing.assert_allclose(result, expected, atol=1e-5)


def test_feature_unfolding_of_liif():
    """A latent code of LIIF holds the features of the eight pixels around its own."""
    rows = torch.arange(8.0)[:, None].expand(8, 9)
    for features, along in [(rows, 0), (rows.T, 1)]:
        for extreme, step in [(torch.amin, -1), (torch.amax, 1)]:
            network = LIIF(blocks=0, features=1)
            network.imnet = Probe(lambda x, extreme=extreme: extreme(x[..., :9], -1))
            axes = positions(features.shape, (20, 25))
            result = network.query(features[None, None], *axes)[0, 0]
            inside = [(u >= 1) & (u <= n - 2) for u, n in zip(axes, features.shape)]
            expected = np.broadcast_to(axes[along][:, None] if along == 0 else axes[along], (20, 25)) + step
            np.testing.assert_allclose(result[np.ix_(*inside)], expected[np.ix_(*inside)], atol=1e-5)


@pytest.mark.parametrize("grid", ["fov", "kspace"])
@pytest.mark.parametrize(("low", "high"), SIZES)
@pytest.mark.parametrize(("name", "last"), [("LTE", "imnet"), ("SRNO", "project")])
def test_input_is_added_bilinearly(name, last, low, high, grid):
    network = small_network(name)
    for parameter in getattr(network, last)[-1].parameters():
        torch.nn.init.zeros_(parameter)
    rows, columns = (torch.arange(float(n)) for n in low)
    image = (2 * rows[:, None] + 3 * columns)[None, None]
    axes = positions(low, high, grid)
    u, v = (p.clip(0, n - 1) for p, n in zip(axes, low))
    with torch.no_grad():
        np.testing.assert_allclose(network(image, *axes)[0, 0], 2 * u[:, None] + 3 * v, atol=1e-5)


@pytest.mark.parametrize("name", ARBITRARY_SCALE)
def test_batch_and_chunk_size_change_nothing(name):
    network = small_network(name).requires_grad_(False)
    low = torch.rand(3, 1, 9, 7)
    axes = positions((9, 7), (20, 23))
    whole = network(low, *axes)
    assert whole.shape == (3, 1, 20, 23)
    assert whole.std() > 1e-3
    for chunk in (1, 200, 1000):
        network.query_chunk = chunk
        torch.testing.assert_close(network(low, *axes), whole, atol=1e-6, rtol=0)
    features = network.encode(low)
    for i in range(3):
        torch.testing.assert_close(network.query(features[i : i + 1], *axes), whole[i : i + 1], atol=1e-6, rtol=0)
        torch.testing.assert_close(network(low[i : i + 1], *axes), whole[i : i + 1], atol=1e-6, rtol=0)


@pytest.mark.parametrize(("name", "last"), [("LIIF", "imnet"), ("LTE", "imnet"), ("SRNO", "project")])
def test_chunks_bound_the_samples_computed_at_once(name, last):
    network = small_network(name).requires_grad_(False)
    seen = []
    getattr(network, last).register_forward_hook(lambda module, inputs, result: seen.append(result.numel()))
    network.query_chunk = 200
    network(torch.rand(3, 1, 9, 7), *positions((9, 7), (20, 23)))
    assert max(seen) <= 200
    copies = 1 if name == "SRNO" else 4
    assert sum(seen) == copies * 3 * 20 * 23


@pytest.mark.parametrize("name", ["LIIF", "LTE"])
def test_selected_rows_and_columns_with_the_cell_of_their_grid(name):
    network = small_network(name).requires_grad_(False)
    low = torch.rand(1, 1, 9, 7)
    rows, columns = positions((9, 7), (20, 23))
    some_rows, some_columns = [1, 2, 11, 19], [0, 5, 22]
    part = network(low, rows[some_rows], columns[some_columns], cell=(9 / 20, 7 / 23))
    whole = network(low, rows, columns)
    torch.testing.assert_close(part, whole[..., some_rows, :][..., some_columns], atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", ARBITRARY_SCALE)
def test_position_that_rounding_moved_off_a_pixel_center(name):
    network = small_network(name).requires_grad_(False)
    low = torch.rand(1, 1, 9, 7)
    rows, columns = np.array([2.0, 3.0, 4.0]), np.array([1.5, 2.5])
    moved = np.nextafter(rows, 0)
    torch.testing.assert_close(network(low, moved, columns), network(low, rows, columns), atol=1e-6, rtol=0)


def test_attention_of_srno_sees_all_samples():
    """The kernel integral against its definition, for one layer of one head, in float64."""
    torch.manual_seed(0)
    layer = SRNO(blocks=0, features=1, width=6, heads=1, layers=1).double().layers[0].requires_grad_(False)
    x = torch.randn(1, 4, 5, 6, dtype=torch.float64)
    samples = x.reshape(20, 6)
    query = layer.to_query(samples)
    key, value = layer.to_key_value(samples).split(6, dim=-1)
    key, value = ((y - y.mean(-1, True)) / (y.var(-1, correction=0, keepdim=True) + 1e-5).sqrt() for y in (key, value))
    integral = torch.stack([sum((q @ k) * v for k, v in zip(key, value)) / 20 for q in query])
    expected = samples + layer.pointwise(samples + integral)
    torch.testing.assert_close(layer(x, layer.kernel(x) / 20).reshape(20, 6), expected)
