"""Stacks drawn through the slices: what must hold for every network, by one with random weights."""

import numpy as np
import pytest
import torch

from NExpRLib.model import Model
from NExpRLib.network import NetworkConfig, NExpRNetwork
from NExpRLib.volumes.explicit_volume import ExplicitVolume
from NExpRLib.volumes.slice_profile import slice_operator
from NExpRLib.volumes.through_plane import represent_plane, represent_stack, spline_through_plane, through_plane


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    config = NetworkConfig(
        2, 8, 16, frequencies=2, basis="full", skip="bicubic", blend=True, equivariant=True, conditions=2
    )
    network = NExpRNetwork(config)
    with torch.no_grad():
        torch.nn.init.normal_(network.decoder[-1].weight, std=0.05)
        torch.nn.init.normal_(network.factors.layers[-1].weight, std=0.05)
    return Model(network, {}, torch.device("cpu"), "float32")


@pytest.fixture(scope="module")
def stack():
    return np.random.default_rng(0).random((7, 18, 21)).astype(np.float32)


SLICES = {"pixel": 0.25, "thickness": 0.9, "profile": "gaussian"}
POSITIONS = (np.arange(28) + 0.5) / 4 - 0.5


def test_ramps_in_all_three_axes_stay(model):
    n, y, x = np.meshgrid(np.arange(7), np.arange(18), np.arange(21), indexing="ij")
    ramp = 100.0 + 3 * n + 2 * y - x
    drawn = through_plane(ramp, POSITIONS[6:-6], model, pixel=0.25, consistency=0)
    inside = drawn[:, 4:-4, 4:-4]
    expected = 100.0 + 3 * POSITIONS[6:-6, None, None] + 2 * np.arange(4, 14)[:, None] - np.arange(4, 17)
    # Differences of a ramp are alike everywhere, so a network may add the same wave to all of it, but nothing more.
    assert np.std(inside - expected, axis=(1, 2)).max() < 0.05 or inside == pytest.approx(expected, abs=0.5)


def test_gain_and_offset_pass_through(model, stack):
    plain = through_plane(stack, POSITIONS, model, **SLICES)
    changed = through_plane(1000 * stack - 300, POSITIONS, model, **SLICES)
    assert changed == pytest.approx(1000 * plain - 300, abs=0.02)


def test_rows_and_columns_are_alike(model, stack):
    drawn = through_plane(stack, POSITIONS, model, **SLICES)
    turned = through_plane(stack.swapaxes(1, 2), POSITIONS, model, **SLICES)
    assert turned.swapaxes(1, 2) == pytest.approx(drawn, abs=1e-5)


def test_result_averages_to_the_slices(model, stack):
    drawn = through_plane(stack, POSITIONS, model, **SLICES)
    operator = slice_operator(POSITIONS, np.arange(7), 0.9)
    assert np.tensordot(operator, drawn, 1) == pytest.approx(stack, abs=1e-4)


def test_explicit_volume_is_what_is_drawn(model, stack):
    volume = represent_stack(stack, model, **SLICES)
    rows, columns = np.arange(18), np.arange(21)
    drawn = through_plane(stack, POSITIONS, model, **SLICES)
    assert volume.rasterize(slices=POSITIONS, rows=rows, columns=columns) == pytest.approx(drawn, abs=1e-4)


def test_explicit_volume_is_a_function_of_each_position(model, stack):
    volume = represent_stack(stack, model, **SLICES)
    z, y, x = np.array([0.3, 5.1]), np.array([2.0, 7.25, 16.5]), np.array([0.0, 10.75])
    whole = volume.rasterize(slices=z, rows=y, columns=x)
    assert volume.rasterize(slices=z[1], rows=y[2], columns=x[0]) == pytest.approx(whole[1:, 2:, :1], abs=1e-5)


@pytest.mark.parametrize("axis", ["slices", "rows", "columns"])
@pytest.mark.parametrize("positions", [[], [np.nan], [[1.0, 2.0]]])
def test_positions_that_are_none_are_refused(axis, positions, model, stack):
    volume = represent_stack(stack, model, **SLICES)
    with pytest.raises(ValueError, match="^Positions along an axis must be"):
        volume.rasterize(**{"slices": [1.0], "rows": [1.0], "columns": [1.0], axis: positions})


def test_explicit_volume_is_saved_and_loaded(model, stack, tmp_path):
    volume = represent_stack(stack, model, **SLICES)
    volume.save(tmp_path / "volume.npz")
    at = {"slices": [0.3, 1.9], "rows": [2.2], "columns": [4.0, 8.5]}
    loaded = ExplicitVolume.load(tmp_path / "volume.npz")
    assert loaded.rasterize(**at) == pytest.approx(volume.rasterize(**at), abs=1e-6)


def test_another_file_is_no_explicit_volume(tmp_path):
    np.savez(tmp_path / "other.npz", a=1)
    with pytest.raises(ValueError, match="not a saved explicit volume"):
        ExplicitVolume.load(tmp_path / "other.npz")


def test_spline_passes_through_the_slices(stack):
    assert spline_through_plane(stack, np.arange(7)) == pytest.approx(stack, abs=1e-5)


@pytest.mark.parametrize("shape", [(1, 8, 8), (8, 8)])
def test_what_is_no_stack_is_refused(model, shape):
    with pytest.raises(ValueError, match="two slices at least"):
        through_plane(np.zeros(shape), [0.0], model, **SLICES)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"pixel": 0}, "positive share"),
        ({"pixel": np.nan}, "positive share"),
        ({"thickness": -1.0, "consistency": 0}, "thickness must be"),
        ({"profile": "triangle", "consistency": 0}, "slice profile"),
        ({"consistency": np.nan}, "from 0 to 1"),
        ({"consistency": 1.5}, "from 0 to 1"),
    ],
)
def test_options_that_make_no_sense_are_refused(option, message, model, stack):
    with pytest.raises(ValueError, match=message):
        through_plane(stack, POSITIONS, model, **SLICES | option)
    with pytest.raises(ValueError, match=message):
        represent_stack(stack, model, **SLICES | option)
    with pytest.raises(ValueError, match=message):
        represent_plane(stack[0], model, **SLICES | option)


def test_uneven_positions_cannot_be_made_consistent(model, stack):
    uneven = np.delete(POSITIONS, 3)
    with pytest.raises(ValueError, match="evenly spaced"):
        through_plane(stack, uneven, model, **SLICES)
    drawn = through_plane(stack, POSITIONS, model, **SLICES, consistency=0)
    assert through_plane(stack, uneven, model, **SLICES, consistency=0) == pytest.approx(
        np.delete(drawn, 3, 0), abs=1e-5
    )


def test_a_model_that_is_told_too_little_is_refused(model, stack):
    with pytest.raises(ValueError, match="takes 2 conditions"):
        model.represent(stack[0])
