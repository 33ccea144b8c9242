"""Metrics, statistics and what is stored of them."""

import numpy as np
import pytest
from scipy.stats import wilcoxon

from NExpRTraining.comparison import protocol
from NExpRTraining.comparison.comparison import Case, reduced
from NExpRTraining.comparison.data_sets import fingerprint, prepared_file, slices_to_restore
from NExpRTraining.comparison.statistics import paired_test, patient_means
from NExpRTraining.comparison.store import stored_rows
from NExpRTraining.data.degradation import degrade
from NExpRTraining.evaluation.metrics import evaluate_slice, measure, normalized_slices, psnr, ssim
from NExpRTraining.evaluation.restorers import classical_methods

skimage = pytest.importorskip("skimage.metrics")


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    truth = np.cumsum(rng.standard_normal((70, 83)), axis=1)
    truth = ((truth - truth.min()) / np.ptp(truth)).astype(np.float32)
    return truth, np.clip(truth + 0.05 * rng.standard_normal(truth.shape), 0, 1).astype(np.float32)


def test_psnr_and_ssim_are_those_of_scikit_image(images):
    truth, noisy = images
    assert psnr(noisy, truth) == pytest.approx(skimage.peak_signal_noise_ratio(truth, noisy, data_range=1.0), abs=1e-3)
    expected = skimage.structural_similarity(
        truth, noisy, data_range=1.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, win_size=11
    )
    assert ssim(noisy, truth) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("scale", [1.7, 2, 3, 4])
def test_band_limited_image_is_consistent(images, scale):
    truth, _ = images
    low = degrade(truth, [round(n / scale) for n in truth.shape], "kspace")
    restored = classical_methods("kspace")["Zero-filling"](low, truth.shape)
    assert measure(restored, truth, low, "kspace")["Consistency"] >= 100


@pytest.mark.parametrize("degradation", ["kspace", "bicubic", "paper"])
def test_consistency_is_not_limited_by_the_rounding_of_the_input(images, degradation):
    """An offset of 0.001 stays one in every degradation."""
    truth, _ = images
    _, results = evaluate_slice(0.1 + 0.8 * truth, 2, degradation, {"offset": lambda low, shape: 0.101 + 0.8 * truth})
    assert results["offset"][1]["Consistency"] == pytest.approx(60, abs=0.05)


@pytest.mark.parametrize("scale", [2.0, 2.63, 3.5, 4.0])
def test_truth_at_another_scale_is_what_the_band_limited_slice_is_there(scale):
    """A slice without waves beyond the band of its input is restored exactly at every scale between."""
    u, v = np.arange(80) / 80, np.arange(95) / 95
    image = 0.5 + 0.2 * np.sin(2 * np.pi * 5 * u)[:, None] + 0.2 * np.cos(2 * np.pi * (3 * u[:, None] - 4 * v))
    low, truth = reduced(image.astype(np.float32), Case("any", scale, input_scale=4.0), "kspace")
    assert low.shape == (20, 24)
    assert truth.shape == tuple(int(n * scale + 0.5) if n * scale <= m else m for n, m in zip(low.shape, image.shape))
    restored = classical_methods("kspace")["Zero-filling"](low, truth.shape)
    np.testing.assert_allclose(restored, truth, atol=2e-6)


def rows_of(values):
    """Rows of two slices per patient, whose mean is the value."""
    return [
        {"patient": str(patient), "volume": "v", "slice": str(i), "PSNR": value + offset}
        for patient, value in enumerate(values)
        for i, offset in enumerate((-1.0, 1.0))
    ]


def test_patients_count_once():
    rows = [*rows_of([30.0, 20.0]), {"patient": "1", "volume": "v", "slice": "9", "PSNR": 26.0}]
    assert patient_means(rows, "PSNR") == {"0": 30.0, "1": pytest.approx((19 + 21 + 26) / 3)}


def test_paired_test_is_that_of_scipy_over_patients():
    rng = np.random.default_rng(1)
    first, second = 30 + rng.random(9), 29.8 + rng.random(9)
    test = paired_test(rows_of(first), rows_of(second), "PSNR")
    assert test.n == 9
    assert test.difference == pytest.approx((first - second).mean())
    assert test.p == pytest.approx(wilcoxon(first - second).pvalue)
    assert test.verdict == ("differs" if test.p < 0.05 else "no difference shown")


@pytest.mark.parametrize(("n", "smallest"), [(3, 0.25), (5, 0.0625), (6, 0.03125)])
def test_few_patients_cannot_show_a_difference(n, smallest):
    test = paired_test(rows_of(np.arange(30.0, 30 + n)), rows_of(np.arange(10.0, 10 + 2 * n, 2)), "PSNR")
    assert test.p == pytest.approx(smallest)
    assert test.smallest_p == pytest.approx(smallest)
    assert test.verdict == ("differs" if n >= 6 else "n too small")


def test_equal_methods_do_not_differ():
    test = paired_test(rows_of([30.0] * 8), rows_of([30.0] * 8), "PSNR")
    assert test.difference == 0
    assert test.verdict == "no difference shown"


def test_finished_parts_are_not_computed_again(tmp_path):
    computed = []

    def compute():
        computed.append(1)
        return rows_of([30.123456789, 31.0])

    parts = ("NExpR (paper)", "prostate", "2x of 4x")
    first = stored_rows(tmp_path, parts, {"steps": 10}, compute)
    assert first == rows_of([30.123456789, 31.0])
    assert stored_rows(tmp_path, parts, {"steps": 10}, compute) == first
    assert len(computed) == 1
    stored_rows(tmp_path, parts, {"steps": 20}, compute)
    assert len(computed) == 2
    stored_rows(tmp_path, (*parts[:2], "3x"), {"steps": 20}, compute)
    assert len(computed) == 3


def test_data_are_known_by_their_content(tmp_path):
    """Files that were prepared again or lie elsewhere are the same data."""
    arrays = {"slice_00000": np.arange(6.0).reshape(2, 3), "subjects": np.array(["ann"])}
    (tmp_path / "elsewhere").mkdir()
    paths = [tmp_path / "a.npz", tmp_path / "elsewhere" / "b.npz", tmp_path / "c.npz"]
    np.savez(paths[0], **arrays)
    np.savez(paths[1], **dict(reversed(arrays.items())))
    np.savez(paths[2], **{**arrays, "slice_00000": np.arange(6.0).reshape(2, 3) + 1})
    same, again, other = map(fingerprint, paths)
    assert same == again != other


def test_part_that_is_interrupted_leaves_nothing(tmp_path):
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stored_rows(tmp_path, ("LIIF", "2x"), "origin", interrupted)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    assert stored_rows(tmp_path, ("LIIF", "2x"), "origin", lambda: rows_of([1.0])) == rows_of([1.0])


def test_psnr_and_ssim_are_of_the_displayed_range_and_consistency_is_not():
    truth = np.random.default_rng(0).integers(0, 2, (24, 26)).astype(np.float32)
    beyond = 3 * truth - 1
    measured = measure(beyond, truth, degrade(beyond, (12, 13), "bicubic"), "bicubic")
    assert measured == {"PSNR": np.inf, "SSIM": pytest.approx(1), "Consistency": np.inf}


def test_slices_to_compare_are_clipped_to_the_window():
    volume = np.linspace(-1000, 1000, 50, dtype=np.float32).reshape(1, 5, 10)
    expected = np.clip((volume + 140) / 400, 0, 1)
    np.testing.assert_allclose(normalized_slices(volume, (-140, 260)), expected, atol=1e-6)


def test_slices_of_one_value_are_not_compared(tmp_path):
    """Every method restores them: their PSNR, and every mean with it, would be infinite."""
    rng = np.random.default_rng(0)
    images = [np.zeros((12, 12)), rng.random((12, 12)), np.ones((12, 12)), rng.random((12, 12))]
    arrays = {f"slice_{i:05d}": image.astype(np.float16) for i, image in enumerate(images)}
    names = {"subjects": ["a"] * 4, "sources": ["a"] * 4, "validation": [], "windows": np.empty((0, 2))}
    np.savez(tmp_path / "data.npz", **names, **arrays)
    assert [one.index for one in slices_to_restore(tmp_path / "data.npz")] == [1, 3]
    assert [one.index for one in slices_to_restore(tmp_path / "data.npz", 1)] == [3]
    np.savez(tmp_path / "empty.npz", **names, **{name: array * 0 for name, array in arrays.items()})
    with pytest.raises(ValueError, match="nothing to compare"):
        slices_to_restore(tmp_path / "empty.npz")


def test_data_are_made_again_when_their_recipe_changes(tmp_path):
    contents = []
    for data in ("made T1", "made T1", "made T2"):
        path = prepared_file("a", protocol.TestSet(data, trained_on="b"), "test", ".", tmp_path)
        contents.append(path.read_bytes())
    assert contents[0] == contents[1] != contents[2]
