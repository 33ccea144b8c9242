"""What networks are trained and validated on: subjects, slices, crops."""

import types

import numpy as np
import pytest
import torch
from scipy.ndimage import maximum_filter, minimum_filter

from NExpRLib.function.interpolant import interpolate
from NExpRTraining.data.data_module import SliceData
from NExpRTraining.data.items import TrainingCrops, ValidationSlices
from NExpRTraining.data.prepared import load_slices


def test_crops_hold_the_truth_at_their_positions():
    """A linear image degrades to itself: pixel values of input and truth tell where they lie."""
    high = (np.arange(60)[:, None] * 0.003 + np.arange(48) * 0.007).astype(np.float32)
    crops = TrainingCrops(
        {("ann", "ramp"): [high]}, 20, degradation="bicubic", scales=(1.0, 2.5), crop_size=12, crops_per_slice=2, seed=3
    )
    for index in range(len(crops)):
        sample = crops[index]
        for i, truth in enumerate(sample.truths):
            low = sample.inputs[i, 0].numpy()
            rows, columns = sample.rows[i], sample.columns[i]
            inside = np.ix_((rows > 0) & (rows < 11), (columns > 0) & (columns < 11))
            interpolated = interpolate(low, rows, columns, "bicubic")[inside]
            # The antialiasing filter reproduces a ramp up to the discretization of its weights; a tenth of a
            # low-resolution pixel would be 7e-4 along columns.
            assert np.median(np.abs(interpolated - truth.numpy()[inside])) < 2e-4


def test_cut_crops_end_at_one_circle_in_input_and_truth():
    noise = np.random.default_rng(0).uniform(0.2, 0.8, (80, 90)).astype(np.float32)
    whole, cut = (
        TrainingCrops(
            {("ann", "noise"): [noise]},
            30,
            degradation="bicubic",
            scales=(1.0, 3.0),
            crop_size=16,
            crops_per_slice=1,
            cut_crops=share,
        )
        for share in (0.0, 1.0)
    )
    kept_shares = []
    for index in range(len(whole)):
        before, after = whole[index], cut[index]
        rows, columns = after.rows[0], after.columns[0]
        low, high = after.inputs[0, 0].numpy(), after.truths[0].numpy()
        kept = low > 0
        kept_shares.append(kept.mean())
        # A border is nowhere blurred: what is kept of input and truth is as before, on one scale of intensities.
        x = np.r_[before.inputs[0, 0].numpy()[kept], before.truths[0].numpy()[high > 0]]
        if len(x) > 2:
            y = np.r_[low[kept], high[high > 0]]
            slope, offset = np.polyfit(x, y, 1)
            np.testing.assert_allclose(slope * x + offset, y, atol=1e-5)
            assert slope + offset == pytest.approx(1, abs=1e-5)
        # Truth and input are cut at the same place: they differ only where the border passes a neighboring pixel.
        nearest = np.ix_(*(p.round().astype(int).clip(0, 15) for p in (rows, columns)))
        is_far = minimum_filter(kept, 3, mode="constant") == maximum_filter(kept, 3, mode="constant", cval=1)
        assert ((high > 0) == kept[nearest])[is_far[nearest]].all()
    assert 0.2 < np.mean(kept_shares) < 0.8


def test_slices_smaller_than_a_crop_are_refused():
    """They would be enlarged to one and trained on as if they had been measured."""
    volumes = {("ann", "large"): [np.zeros((40, 40), np.float16)], ("bob", "small"): [np.zeros((12, 40), np.float16)]}
    with pytest.raises(ValueError, match=r"small of bob .*crop of 16"):
        TrainingCrops(volumes, 1, degradation="kspace", scales=(1.0, 4.0), crop_size=16, crops_per_slice=1)


def test_subjects_for_validation_are_not_trained_on(tmp_path):
    subjects, sources = ["ann", "bob", "eve"], ["a.nii", "b.nii", "ann"]
    arrays = {f"slice_{i:05d}": np.zeros((9, 9), np.float16) for i in range(3)}
    np.savez(tmp_path / "data.npz", subjects=subjects, sources=sources, validation=["eve"], windows=[], **arrays)
    for named, expected in ((None, {"eve"}), (["ann"], {"ann"})):
        training, validation, facts = load_slices(tmp_path / "data.npz", named)
        assert {subject for subject, _ in validation} == set(facts["validation_subjects"]) == expected
        assert {subject for subject, _ in training} == set(subjects) - expected


def test_volumes_are_drawn_by_the_root_of_their_slices():
    volumes = {(n, n): [np.zeros((20, 20), np.float16)] * n for n in (1, 4)}
    crops = TrainingCrops(volumes, 1, degradation="kspace", scales=(1.0, 2.0), crop_size=10, crops_per_slice=1)
    assert crops.probabilities == pytest.approx([1 / 3, 2 / 3])


def test_crops_follow_seed_start_and_scales():
    noise = np.random.default_rng(0).random((80, 90)).astype(np.float32)

    def crops(**options):
        options = {"degradation": "bicubic", "crop_size": 12, "crops_per_slice": 1, "scales": (1.0, 3.0), **options}
        return TrainingCrops({("ann", "noise"): [noise]}, 20, **options)

    first = crops()[3].inputs
    assert torch.equal(crops()[3].inputs, first)
    assert torch.equal(crops(start=2)[1].inputs, first)
    assert not torch.equal(crops(seed=1)[3].inputs, first)
    narrow = crops(scales=(2.8, 3.0))
    assert all(0.32 < side < 0.37 for i in range(20) for side in narrow[i].cells[0])


def test_cells_of_transposed_crops_are_those_of_their_axes():
    noise = np.random.default_rng(0).random((33, 70)).astype(np.float32)  # 15 / 33 and 32 / 70 of a pixel at 2.2x
    options = {"degradation": "bicubic", "scales": (2.2, 2.2), "crop_size": 12, "crops_per_slice": 1}
    crops = TrainingCrops({("ann", "noise"): [noise]}, 20, **options)
    for sample in map(crops.__getitem__, range(20)):
        steps = np.diff(sample.rows[0]).mean(), np.diff(sample.columns[0]).mean()
        assert sample.cells[0] == pytest.approx(np.abs(steps), abs=1e-9)


def test_slices_for_validation_are_spread_over_the_volume():
    volume = [np.full((20, 20), i / 10, np.float16) for i in range(9)]
    for image in volume:
        image[0, 0] = 1
    slices = ValidationSlices({("ann", "a"): volume}, degradation="kspace", scales=[2.0], slices_per_volume=3)
    assert [round(10 * float(image[5, 5])) for image in slices.images] == [0, 4, 8]


def test_share_of_crops_that_are_cut():
    noise = np.random.default_rng(0).uniform(0.2, 0.8, (80, 90)).astype(np.float32)
    options = {"degradation": "bicubic", "scales": (1.0, 3.0), "crop_size": 16, "crops_per_slice": 1}
    whole, cut = (TrainingCrops({("ann", "n"): [noise]}, 80, cut_crops=share, **options) for share in (0, 0.25))
    assert 8 <= sum(not torch.equal(whole[i].inputs, cut[i].inputs) for i in range(80)) <= 32


def test_options_and_epoch_reach_the_training_crops(prepared):
    options = {"seed": 5, "cut_crops": 0.5, "truth_samples": 7, "crop_size": 16, "steps_per_epoch": 3}
    data = SliceData(str(prepared), slices_per_batch=2, **options)
    module = types.SimpleNamespace(fixed_scale=None)
    trainer = {"world_size": 2, "accumulate_grad_batches": 3, "global_step": 4}
    data.trainer = types.SimpleNamespace(**trainer, lightning_module=module)
    data.setup("fit")
    crops = data.train_dataloader().dataset
    assert {name: getattr(crops, name) for name in ("seed", "cut_crops", "truth_samples", "crop_size")} == {
        name: value for name, value in options.items() if name != "steps_per_epoch"
    }
    assert (len(crops), crops.start) == (3 * 12, 4 * 12)


def test_crops_come_in_all_eight_orientations():
    ramp = (np.arange(40)[:, None] + 0.1 * np.arange(40)).astype(np.float32) / 50
    options = {"degradation": "bicubic", "scales": (1.0, 2.0), "crop_size": 10, "crops_per_slice": 1}
    crops = TrainingCrops({("ann", "ramp"): [ramp]}, 80, **options)
    seen = set()
    for sample in map(crops.__getitem__, range(80)):
        down, right = (np.diff(sample.inputs[0, 0].numpy()[2:8, 2:8], axis=axis).mean() for axis in (0, 1))
        seen.add((abs(down) > abs(right), down > 0, right > 0))
    assert len(seen) == 8
