"""Slices as scanners acquire them, against closed forms."""

import numpy as np
import pytest

from NExpRLib.kspace import kspace_crop
from NExpRLib.volumes.noise import noise_level
from NExpRTraining.data.degradation import degrade
from NExpRTraining.data.items import TrainingCrops
from NExpRTraining.data.scans import CTScan, MRScan, draw_mr_scan


def rng(seed=0):
    return np.random.default_rng(seed)


def blob(shape=(60, 50)):
    """Smooth enough for every measured band below."""
    rows, columns = (np.arange(n) - n / 2 for n in shape)
    return (0.2 + 0.7 * np.exp(-np.add.outer(rows**2, columns**2) / 60)).astype(np.float32)


@pytest.mark.parametrize("window", MRScan.WINDOWS)
@pytest.mark.parametrize("shape", [(40, 33), (41, 50)])
def test_level_of_the_noise_is_that_of_the_stored_slice(window, shape):
    scan = MRScan((shape[0] * 4, shape[1] * 4), window, missing=0.2 * (window == "partial fourier"), sigma=0.01)
    flat = np.full((shape[0] * 4, shape[1] * 4), 0.5, np.float32)
    noise = scan.acquired(flat, rng())[0] - MRScan(scan.shape, window, scan.missing, 1e-9).acquired(flat, rng())[0]
    assert noise.std() == pytest.approx(scan.noise, rel=0.05)


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


def test_background_is_rician():
    background = MRScan((200, 200), sigma=0.05).acquired(np.zeros((200, 200), np.float32), rng())[0]
    assert background.mean() == pytest.approx(0.05 * np.sqrt(np.pi / 2), rel=0.02)


def test_scans_are_as_various_as_clinics():
    scans = [draw_mr_scan((300, 200), (1.0, 4.0), 40, rng(seed)) for seed in range(400)]
    scales = np.array([[n / m for n, m in zip((300, 200), scan.shape)] for scan in scans])
    assert (scales.max(1) / scales.min(1) <= 2.6).all()
    assert min(min(scan.shape) for scan in scans) >= 40
    assert {scan.window for scan in scans} == set(MRScan.WINDOWS)
    assert 0.25 < np.mean([scan.sigma == 0 for scan in scans]) < 0.45


def test_crops_hold_the_level_of_their_noise():
    """Also where intensities were scaled along with a cut border."""
    high = {("ann", "flat"): [np.full((120, 130), 0.5, np.float32)]}

    def draw(shape, scales, smallest, rng):
        return MRScan((80, 90), sigma=0.02)

    crops = TrainingCrops(
        high,
        20,
        degradation="kspace",
        scales=(1, 2),
        crop_size=24,
        crops_per_slice=2,
        cut_crops=0.5,
        draw_scan=draw,
        seed=1,
    )
    levels = set()
    for index in range(len(crops)):
        for low, level in crops[index].inputs.numpy():
            assert (level == level[0, 0]).all()
            kept = low[low > 0.2]
            if kept.size > 200:
                spread = np.median(np.abs(kept - np.median(kept))) / 0.6745
                assert spread == pytest.approx(level[0, 0], rel=0.25)
                levels.add(round(float(level[0, 0]), 3))
    assert len(levels) > 3
    assert max(levels) == 0.02


@pytest.mark.parametrize("blur", [0.0, 0.4])
@pytest.mark.parametrize("ramp", [False, True])
def test_level_of_ct_noise_is_what_is_measured_in_the_slice(blur, ramp):
    scan = CTScan((150, 160), blur, 0.03, ramp)
    low, truth = scan.acquired(np.full((300, 320), 0.5, np.float32), rng())
    assert noise_level(low[None])[0] == pytest.approx(scan.noise, rel=0.05)
    assert low.std() == pytest.approx(0.03, rel=1e-3)
    assert (truth == 0.5).all()


def test_ct_noise_that_is_kept_is_in_the_truth_as_well():
    scan = CTScan((60, 50), sigma=0.03, kept=True)
    image = np.full((60, 50), 0.5, np.float32)
    low, truth = scan.acquired(image, rng())
    assert scan.noise == 0
    assert low.std() == pytest.approx(0.03, rel=1e-3)
    np.testing.assert_allclose(truth, low, atol=1e-5)


def test_ct_without_faults_is_the_reduced_slice():
    np.testing.assert_array_equal(CTScan((30, 25)).acquired(blob(), rng())[0], degrade(blob(), (30, 25), "bicubic"))
