"""Slices as scanners acquire them, against closed forms."""

import numpy as np
import pytest

from NExpRLib.kspace import kspace_crop
from NExpRTraining.data.degradation import degrade
from NExpRTraining.data.items import TrainingCrops
from NExpRTraining.data.scans import CTScan, MRScan, draw_mr_scan


def rng(seed=0):
    return np.random.default_rng(seed)


def blob(shape=(60, 50)):
    """Smooth enough for every measured band below."""
    rows, columns = (np.arange(n) - n / 2 for n in shape)
    return (0.2 + 0.7 * np.exp(-np.add.outer(rows**2, columns**2) / 60)).astype(np.float32)


@pytest.mark.parametrize("shape", [(160, 132), (163, 200)])
def test_noise_is_that_of_the_channels(shape):
    flat = np.full(shape, 0.5, np.float32)
    noise = MRScan(shape, sigma=0.01).acquired(flat, rng())[0] - MRScan(shape, sigma=1e-9).acquired(flat, rng())[0]
    assert noise.std() == pytest.approx(0.01, rel=0.02)


@pytest.mark.parametrize(("window", "power"), [("ellipse", np.pi / 4), ("partial fourier", 0.8)])
def test_windows_let_their_part_of_the_noise_pass(window, power):
    def acquired(sigma):
        return MRScan((160, 140), window, missing=0.2, sigma=sigma).acquired(np.full((160, 140), 0.5), rng())[0]

    assert np.var(acquired(0.01) - acquired(1e-9)) == pytest.approx(power * 1e-4, rel=0.04)


@pytest.mark.parametrize("shape", [(30, 24), (31, 25), (45, 50)])
def test_scan_of_a_box_without_noise_is_the_exact_crop(shape):
    np.testing.assert_array_equal(MRScan(shape).acquired(blob(), rng())[0], kspace_crop(blob(), shape))


@pytest.mark.parametrize("window", ["box", "ellipse", "fermi", "partial fourier"])
def test_nothing_moves(window):
    """The phase takes no part where the band holds the image: the magnitude is that of the slice at its pixels."""
    scan = MRScan((41, 35), window, missing=0.1 * (window == "partial fourier"), sigma=1e-9)
    inside = slice(10, -10), slice(10, -10)  # The phase jumps at the border, where images are dark.
    drawn, expected = scan.acquired(blob(), rng(2))[0], kspace_crop(blob(), scan.shape)
    np.testing.assert_allclose(drawn[inside], expected[inside], atol=0.02)


@pytest.mark.parametrize("window", MRScan.WINDOWS)
def test_noise_that_is_not_told_is_in_the_truth_as_well(window):
    missing = 0.1 * (window == "partial fourier")
    flat = np.full((60, 50), 0.5, np.float32)
    without = MRScan((41, 35), window, missing, sigma=1e-9).acquired(flat, rng())[0]
    low, truth = MRScan((41, 35), window, missing, sigma=0.03).acquired(flat, rng())
    np.testing.assert_allclose(kspace_crop(truth - flat, (41, 35)), low - without, atol=1e-6)
    np.testing.assert_array_equal(MRScan((41, 35), window, missing, 0.03, told=True).acquired(flat, rng())[1], flat)


def test_background_is_rician():
    background = MRScan((200, 200), sigma=0.05).acquired(np.zeros((200, 200), np.float32), rng())[0]
    assert background.mean() == pytest.approx(0.05 * np.sqrt(np.pi / 2), rel=0.02)


def test_scans_are_as_various_as_clinics():
    scans = [draw_mr_scan((300, 200), (1.0, 4.0), 40, rng(seed)) for seed in range(400)]
    scales = np.array([[n / m for n, m in zip((300, 200), scan.shape)] for scan in scans])
    assert (scales.max(1) / scales.min(1) <= 2.6).all()
    assert min(min(scan.shape) for scan in scans) >= 40
    assert {scan.window for scan in scans} == set(MRScan.WINDOWS)
    assert 0.5 < np.mean([scan.sigma == 0 for scan in scans]) < 0.7


def test_crops_hold_the_level_that_is_measured_in_the_whole_slice():
    """Also where intensities were scaled along with a cut border; 0 where the network is not told."""
    high = {("ann", "flat"): [np.full((120, 130), 0.5, np.float32)]}

    def crops(told):
        return TrainingCrops(
            high,
            20,
            degradation="bicubic",
            scales=(1, 2),
            crop_size=24,
            crops_per_slice=2,
            cut_crops=0.5,
            draw_scan=lambda *_: CTScan((80, 90), sigma=0.02, ramp=False, told=told),
            seed=1,
        )

    levels = []
    for index in range(20):
        for low, level in crops(True)[index].inputs.numpy():
            assert (level == level[0, 0]).all()
            kept = low[low > 0.2]
            if kept.size > 300:
                assert kept.std() == pytest.approx(level[0, 0], rel=0.25)
                levels.append(level[0, 0])
        assert not crops(False)[index].inputs[:, 1].any()
    assert max(levels) == pytest.approx(0.02, rel=0.1)
    assert min(levels) < 0.015


@pytest.mark.parametrize("ramp", [False, True])
def test_ct_noise_of_its_kernel(ramp):
    low, truth = CTScan((150, 160), 0.4, 0.03, ramp, told=True).acquired(np.full((300, 320), 0.5, np.float32), rng())
    assert low.std() == pytest.approx(0.03, rel=1e-3)
    assert (truth == 0.5).all()
    power = np.abs(np.fft.fft2(low - low.mean())) ** 2
    radius = np.hypot(np.fft.fftfreq(150)[:, None], np.fft.fftfreq(160))
    slow, fast = (power[(radius > r) & (radius < r + 0.05)].mean() for r in (0.05, 0.3))
    blur = np.exp(-4 * (np.pi * 0.4) ** 2 * (0.325**2 - 0.075**2))
    assert fast / slow == pytest.approx(blur * (0.325 / 0.075 if ramp else 1), rel=0.15)


def test_ct_noise_that_is_not_told_is_in_the_truth_as_well():
    scan = CTScan((60, 50), sigma=0.03)
    image = np.full((60, 50), 0.5, np.float32)
    low, truth = scan.acquired(image, rng())
    assert low.std() == pytest.approx(0.03, rel=1e-3)
    np.testing.assert_allclose(truth, low, atol=1e-5)


def test_ct_without_faults_is_the_reduced_slice():
    np.testing.assert_array_equal(CTScan((30, 25)).acquired(blob(), rng())[0], degrade(blob(), (30, 25), "bicubic"))


def test_what_is_smooth_is_to_stay_smooth():
    image = np.random.default_rng(0).random((48, 64), dtype=np.float32)
    low, truth = MRScan((24, 32), smoothness=1.5).acquired(image, np.random.default_rng(0))
    np.testing.assert_allclose(low, kspace_crop(truth, (24, 32)), atol=1e-6)
    spectrum = np.abs(np.fft.fft2(truth - truth.mean()))
    assert spectrum[12, 0] < 1e-2 * np.abs(np.fft.fft2(image - image.mean()))[12, 0], "nothing is left at its border"
