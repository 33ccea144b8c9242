"""Where input, truth and result of every method lie: planted images through the data and the restorers of training."""

import types

import numpy as np
import pytest
import torch

from NExpRLib.model import Model
from NExpRLib.network import NetworkConfig, NExpRNetwork
from NExpRTraining.data.degradation import degrade, fixed_scale_input
from NExpRTraining.data.items import TrainingCrops, ValidationSlices
from NExpRTraining.evaluation.restorers import ArbitraryScale, FixedScale, NExpR, classical_methods
from NExpRTraining.modules import ArbitraryScaleTraining, FixedScaleTraining, NExpRTraining, SRGANTraining

from ..methods.networks import ARBITRARY_SCALE, COMPARED, linear_network

CPU = torch.device("cpu")
SHAPE = (61, 70)  # no multiple of any scale
TINY = NetworkConfig(blocks=1, features=8, hidden=16, frequencies=2, basis="full", skip="bicubic", blend=True)


def slow_waves(u, v):
    """Band-limited and periodic over SHAPE, nearly linear within a pixel: curvature costs 1e-3, a pixel's half 1e-2."""
    r, c = 2 * np.pi * u[:, None] / SHAPE[0], 2 * np.pi * v / SHAPE[1]
    return 0.5 + 0.2 * np.sin(r + 0.4) + 0.2 * np.cos(c)


def ramp(u, v):
    return 0.1 + 0.004 * u[:, None] + 0.006 * v


# An image, the degradation that keeps it as it is, and how far linear interpolation may be from it.
CASES = {"kspace": (slow_waves, 4e-3), "bicubic": (ramp, 4e-4)}


def planted(degradation):
    image, _ = CASES[degradation]
    return image(*map(np.arange, SHAPE)).astype(np.float32)


def training_of(name, scale):
    """Lightning module of a method whose network interpolates linearly."""
    if name == "NExpR":  # Untrained, it is its skip.
        return NExpRTraining(TINY)
    if name in ARBITRARY_SCALE:
        module = ArbitraryScaleTraining(name)
        module.network = linear_network(name)
        return module
    module = SRGANTraining(scale=scale) if name == "SRGAN" else FixedScaleTraining(name, scale)
    module.network = linear_network(name, scale)
    return module


def restorer_of(name, degradation, scale):
    if name == "NExpR":
        return NExpR(degradation, Model(NExpRNetwork(TINY), {}, CPU))
    if name in ARBITRARY_SCALE:
        return ArbitraryScale(degradation, linear_network(name), CPU)
    return FixedScale(degradation, linear_network(name, scale), scale, CPU)


@pytest.mark.parametrize("degradation", CASES)
@pytest.mark.parametrize("scale", [2, 3])
@pytest.mark.parametrize("name", [*COMPARED, "NExpR"])
def test_training_compares_pixels_that_lie_together(name, scale, degradation):
    """The loss of a planted network on a planted image is that of linear interpolation, in crops that are flipped."""
    module = training_of(name, scale)
    volumes = {("ann", "planted"): [planted(degradation)]}
    crops = TrainingCrops(
        volumes,
        4,
        degradation=degradation,
        scales=(scale, scale),
        crop_size=15 if name != "SwinIR" else 16,
        crops_per_slice=2,
        fixed_scale=module.fixed_scale,
        truth_samples=10,
    )
    limit = CASES[degradation][1] * (scale / 2) ** 2
    with torch.no_grad():
        for i in range(len(crops)):
            sample = crops[i]
            for j, (result, truth) in enumerate(zip(module.restored([sample]), sample.truths, strict=True)):
                rows, columns = sample.rows[j], sample.columns[j]
                assert truth.shape == (len(rows), len(columns))
                assert len(rows) == (scale * crops.crop_size if module.fixed_scale else 10)
                inside = np.ix_(*((p > 2) & (p < crops.crop_size - 3) for p in (rows, columns)))
                assert (result - truth).abs().numpy()[inside].max() < limit


RESTORED = [(name, degradation) for degradation in CASES for name in (*COMPARED, "NExpR", "Bicubic", "Cubic B-spline")]


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize(("name", "degradation"), [*RESTORED, ("Zero-filling", "kspace")])  # A ramp is not periodic.
def test_restored_slices_lie_on_the_truth(name, degradation, scale):
    """On the k-space grid up to the border, since slices are continued periodically."""
    truth = planted(degradation)
    low = degrade(truth, [round(n / scale) for n in SHAPE], degradation)
    classical = classical_methods(degradation)
    restorer = classical[name] if name in classical else restorer_of(name, degradation, scale)
    result = restorer(low, SHAPE)
    assert result.dtype == np.float32
    whole = degradation == "kspace" and name not in ("Bicubic", "Cubic B-spline")
    margin = 0 if whole else 12 * scale // 2
    inside = tuple(slice(margin, n - margin) for n in SHAPE)
    # At 4x, a low-resolution pixel is four times as wide: linear interpolation errs more.
    assert np.abs(result - truth)[inside].max() < CASES[degradation][1] * (scale / 2) ** 2


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_input_of_fixed_scale_networks_on_the_k_space_grid(scale):
    """Pixel j lies in the middle of the truth's pixels s j ... s j + s - 1."""
    low = degrade(planted("kspace"), [round(n / scale) for n in SHAPE], "kspace")
    for margin in (0, 3):
        result = fixed_scale_input(low, SHAPE, scale, "kspace", margin)
        middles = [(np.arange(-margin, -(-n // scale) + margin) + 0.5) * scale - 0.5 for n in SHAPE]
        np.testing.assert_allclose(result, slow_waves(*middles), atol=2e-6)


def test_input_of_fixed_scale_networks_on_the_field_of_view_grid():
    low = np.random.default_rng(0).random((20, 30), dtype=np.float32)
    assert fixed_scale_input(low, (40, 60), 2, "bicubic") is low
    # 41 pixels from 20 are 21 times 2 but one: the pixels of the input are 2 * 20 / 41 low-resolution pixels apart.
    ramps = np.add.outer(np.arange(20.0), 0.1 * np.arange(30.0)).astype(np.float32)
    result = fixed_scale_input(ramps, (41, 60), 2, "bicubic")
    assert result.shape == (21, 30)
    expected = (2 * np.arange(21) + 1) * 20 / 41 - 0.5
    np.testing.assert_allclose(result[6:-6, 15], expected[6:-6] + 1.5, atol=1e-3)


@pytest.mark.parametrize("name", ARBITRARY_SCALE)
@pytest.mark.parametrize("degradation", CASES)
def test_query_chunks_and_batches_change_no_result(name, degradation):
    """What is evaluated does not depend on how much is computed at once."""
    low = np.random.default_rng(0).random((13, 18), dtype=np.float32)
    restorer = restorer_of(name, degradation, None)
    torch.manual_seed(0)
    for parameter in restorer.network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    expected = restorer(low, (31, 40))
    restorer.network.query_chunk = 40
    np.testing.assert_allclose(restorer(low, (31, 40)), expected, atol=1e-5)


@pytest.mark.parametrize("name", ["EDSR", "LIIF"])
def test_crops_of_a_batch_are_restored_independently(name):
    module = training_of(name, 2)
    crops = TrainingCrops(
        {("ann", "noise"): [np.random.default_rng(0).random((64, 64), dtype=np.float32)]},
        2,
        degradation="kspace",
        scales=(1.5, 3.0),
        crop_size=12,
        crops_per_slice=2,
        fixed_scale=module.fixed_scale,
    )
    samples = [crops[0], crops[1]]
    with torch.no_grad():
        together = module.restored(samples)
        alone = [result for sample in samples for result in module.restored([sample])]
    for one, other in zip(together, alone, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=0)


def test_validation_of_fixed_scale_networks():
    module = training_of("EDSR", 3)
    volumes = {("ann", "planted"): [planted("kspace")]}
    (item,) = ValidationSlices(volumes, degradation="kspace", scales=[2.0], slices_per_volume=1, fixed_scale=3)
    ((scale, sample),) = item
    assert scale == 3
    with torch.no_grad():
        (result,) = module.restored([sample])
    assert (result - sample.truths[0])[6:-6, 6:-6].abs().max() < 1e-2


def test_slices_without_contrast_are_not_validated_on():
    """They are restored without error, and the mean of an infinite PSNR would never be exceeded."""
    options = {"degradation": "kspace", "scales": [2.0, 3.0], "slices_per_volume": 2}
    empty, planned = np.zeros((48, 48), np.float16), planted("kspace").astype(np.float16)
    (item,) = ValidationSlices({("ann", "masked"): [empty, planned, empty]}, **options)
    assert [scale for scale, _sample in item] == [2.0, 3.0]
    assert all(sample.truths[0].max() > 0 for _scale, sample in item)
    with pytest.raises(ValueError, match="one value only"):
        ValidationSlices({("ann", "masked"): [empty, empty]}, **options)


def test_slices_smaller_than_the_truth_of_a_crop_are_refused():
    volumes = {("ann", "small"): [np.zeros((60, 80), np.float16)]}
    with pytest.raises(ValueError, match="small of ann .*crop of 64"):
        TrainingCrops(
            volumes, 1, degradation="kspace", scales=(1.0, 4.0), crop_size=16, crops_per_slice=1, fixed_scale=4
        )


def test_published_degradation_has_eight_bits_and_no_wave_beyond_the_band():
    from NExpRTraining.data.degradation import truth_positions

    waves = 0.5 + 0.4 * np.cos(2 * np.pi * 14 * np.arange(48) / 48)[:, None] + np.zeros(50)
    low = degrade(waves.astype(np.float32), (24, 25), "paper")
    np.testing.assert_allclose(255 * low, np.round(255 * low), atol=1e-4)
    np.testing.assert_allclose(low, 0.5, atol=1.5 / 255)  # 24 pixels hold 12 cycles.
    assert truth_positions([10], [20], "paper")[0][0] == -0.25


def test_validation_sees_what_a_viewer_of_the_unit_range_sees(monkeypatch):
    module, logged = training_of("NExpR", 2), {}
    truth = torch.from_numpy(np.random.default_rng(0).integers(0, 2, (12, 12)).astype(np.float32))
    monkeypatch.setattr(module, "restored", lambda samples: [3 * truth - 1])
    monkeypatch.setattr(module, "log", lambda name, value, **_options: logged.update({name: value.item()}))
    sample = types.SimpleNamespace(truths=[truth])
    module.validation_step([[(2.0, sample)]], 1)
    assert logged == {"psnr_2x": np.inf, "psnr": np.inf}


def test_learning_rate_rises_stays_and_falls_to_zero():
    module = NExpRTraining(TINY, warmup_steps=10, decay_steps=20, learn_frequencies=False)
    factors = [module.learning_rate_factor(step, 100) for step in (0, 50, 90, 100)]
    assert factors == pytest.approx([0.1, 1, 0.5, 0])
    assert not module.network.row_frequencies.requires_grad
    assert NExpRTraining(TINY).network.column_frequencies.requires_grad
