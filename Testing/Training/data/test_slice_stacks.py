"""Training data for networks that draw through the slices: nothing may shift, and items are reproducible."""

import numpy as np
import pytest

from NExpRLib.function.interpolant import interpolate, prefilter
from NExpRTraining.data.slice_stacks import (
    SliceStackCrops,
    StackVariety,
    ValidationStacks,
    acquired,
    moved_along_columns,
)

SMOOTH = StackVariety(noisy=0.0, uneven=0.0, cropped=1.0)


def volumes(count=3, shape=(150, 130)):
    """Slices that vary over tens of pixels, which averages over a thin slice leave nearly as they are."""
    rows, columns = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    images = [0.5 + 0.2 * np.sin(rows / (19 + k) + k) + 0.2 * np.cos(columns / (23 - k)) for k in range(count)]
    return {("subject", "source"): [image.astype(np.float16) for image in images]}


def crops(variety=SMOOTH, ratios=(1.3, 3.0), **options):
    return SliceStackCrops(
        volumes(), 100, ratios=ratios, crop_size=(16, 24), crops_per_slice=2, variety=variety, **options
    )


def test_truth_lies_where_it_is_said_to_be():
    data = crops()
    worst = {shift: 0.0 for shift in (-0.2, 0.0, 0.2)}
    for index in range(20):
        sample = data[index]
        for low, truth, rows, columns in zip(sample.inputs, sample.truths, sample.rows, sample.columns):
            inside = np.ix_((rows > 2) & (rows < 13), (columns > 2) & (columns < 21))
            for shift in worst:
                drawn = interpolate(prefilter(low[0].numpy(), "bspline"), rows + shift, columns + shift, "bspline")
                worst[shift] = max(worst[shift], np.abs(drawn - truth.numpy())[inside].max())
    assert worst[0.0] < 0.012
    assert min(worst[-0.2], worst[0.2]) > 1.5 * worst[0.0]


def test_items_depend_on_seed_and_index_alone():
    once, again = crops()[7], crops()[7]
    later = crops(start=5)[2]
    for other in (again, later):
        assert all((a == b).all() for a, b in zip(once.truths, other.truths))
        assert (once.inputs == other.inputs).all()
    assert (once.inputs != crops(seed=1)[7].inputs).any()


def test_networks_are_told_ratio_and_thickness():
    data = crops(StackVariety(noisy=0.0, uneven=0.0, cropped=0.0, gaps=(0.25, 0.25), wrong_thickness=0.0))
    for index in range(5):
        sample = data[index]
        spacing = np.exp2(sample.conditions[0, 0].item() + 1.5)
        assert 1 / sample.cells[0][0] == pytest.approx(spacing, rel=1e-5)
        assert sample.conditions[0, 1].item() == pytest.approx(max(1 / 1.25, 1 / spacing) - 1, abs=1e-5)


def test_movement_is_exact():
    columns = np.arange(40)
    waves = np.sin(2 * np.pi * 3 * columns / 40) + np.zeros((2, 1))
    moved = moved_along_columns(waves, [0.0, 0.5])
    assert moved == pytest.approx(np.sin(2 * np.pi * 3 * (columns - np.array([[0.0], [0.5]])) / 40), abs=1e-12)


def test_noise_makes_nothing_brighter():
    slices = acquired(np.zeros((200, 200)), StackVariety(noise=0.03, noisy=1.0, uneven=0.0), np.random.default_rng(0))
    assert 0 < slices.std() < 0.031
    assert abs(slices.mean()) < 0.02 * slices.std()


def test_slices_without_faults_stay():
    slices = np.random.default_rng(0).random((5, 30)).astype(np.float32)
    assert (acquired(slices, StackVariety(noisy=0.0, uneven=0.0), np.random.default_rng(0)) == slices).all()


def test_too_small_images_are_named():
    with pytest.raises(ValueError, match="source of subject has slices smaller"):
        crops(ratios=(9.0, 10.0))


def test_validation_stacks_hold_the_whole_image():
    stacks = ValidationStacks(volumes(), ratios=[2.0, 3.5], slices_per_volume=2)
    for ratio, sample in stacks[0]:
        assert sample.truths[0].shape == (150, 130)
        assert sample.inputs.shape == (1, 1, int(150 / ratio), 130)
        # Centered: as much of the image before the first slice as behind the last one.
        assert sample.rows[0][0] + sample.rows[0][-1] == pytest.approx(sample.inputs.shape[2] - 1)


def test_validation_leaves_out_slices_of_one_value():
    """They are restored without error, and an infinite PSNR would be the best of every run."""
    (images,) = volumes().values()
    saturated = {("subject", "source"): [np.ones_like(images[0]), *images[:2], np.ones_like(images[0])]}
    stacks = ValidationStacks(saturated, ratios=[2.0], slices_per_volume=4)
    assert [np.ptp(stacks[i][0][1].truths[0].numpy()) > 0 for i in range(len(stacks))] == [True, True]
    with pytest.raises(ValueError, match="one value only"):
        ValidationStacks({("subject", "source"): [np.ones_like(images[0])]}, ratios=[2.0], slices_per_volume=4)


def test_validation_images_of_less_than_two_slices():
    ValidationStacks(volumes(shape=(20, 130)), ratios=[10.0], slices_per_volume=4)[0]
    with pytest.raises(ValueError, match="20 pixels are smaller than two slices 10.5 pixels apart"):
        ValidationStacks(volumes(shape=(130, 20)), ratios=[10.5], slices_per_volume=4)
