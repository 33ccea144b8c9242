"""What was measured: recognized in simulated scans, and undone without moving anything."""

import numpy as np
import pytest
import SimpleITK as sitk

from NExpRLib import inspect, upsample
from NExpRLib.kspace import kspace_crop, zero_fill
from NExpRLib.volumes.acquisition import measured_sizes
from NExpRLib.volumes.geometry import Geometry
from NExpRLib.volumes.measured_grid import MeasuredGrid, continues_periodically
from NExpRLib.volumes.noise import noise_level
from NExpRLib.volumes.series import SeriesUpsampling
from NExpRLib.volumes.sidecar import set_sidecar
from NExpRLib.volumes.volume import Volume


def head(shape, generator):
    """A complex image: ellipses of many sizes in one another, with a smooth phase."""
    y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    image = 0.6 * ((x / 0.8) ** 2 + (y / 0.9) ** 2 < 1)
    for _ in range(60):
        u, v = generator.uniform(-0.5, 0.5, 2)
        a, b = generator.uniform(0.03, 0.2, 2)
        image = image + generator.uniform(-0.2, 0.2) * (((x - u) / a) ** 2 + ((y - v) / b) ** 2 < 1)
    return np.abs(image) * np.exp(1j * (1 + x + 0.5 * y - 0.7 * x * y))


def hann(size):
    return 0.5 + 0.5 * np.cos(2 * np.pi * (np.arange(size) - size // 2) / size)


def scan(measured, stored, snr, generator, slices=3, window=np.ones):
    """Magnitude (slices, H, W) of what a scanner measures on (h, w) and stores, by zero-filling k-space."""
    result = []
    for _ in range(slices):
        fine = np.fft.fftshift(np.fft.fft2(head((2 * measured[0], 2 * measured[1]), generator)))
        first = [n - n // 2 for n in measured]
        kspace = fine[first[0] : first[0] + measured[0], first[1] : first[1] + measured[1]] / 4
        noise = generator.normal(size=(2, *measured)) * np.sqrt(measured[0] * measured[1]) * 0.6 / snr
        padding = [(s // 2 - m // 2, s - m - (s // 2 - m // 2)) for m, s in zip(measured, stored)]
        kspace = (kspace + noise[0] + 1j * noise[1]) * np.multiply.outer(*(window(n) for n in measured))
        kspace = np.pad(kspace, padding)
        gain = stored[0] * stored[1] / (measured[0] * measured[1])
        result.append(np.abs(np.fft.ifft2(np.fft.ifftshift(kspace))) * gain)
    return np.array(result)


def image_of(pixels, spacing=(1.0, 1.0, 4.0)):
    image = sitk.GetImageFromArray(pixels)
    image.SetSpacing(spacing)
    return image


@pytest.mark.parametrize("snr", [8, 30])
@pytest.mark.parametrize(("measured", "stored"), [((150, 200), (256, 256)), ((201, 171), (271, 320))])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float64])
def test_interpolation_is_recognized(measured, stored, snr, dtype):
    pixels = scan(measured, stored, snr, np.random.default_rng(0))
    if dtype != np.float64:
        pixels = np.round(pixels / pixels.max() * {np.uint8: 255, np.int16: 3000}[dtype])
    acquisition = inspect(image_of(pixels.astype(dtype)))
    np.testing.assert_allclose(acquisition.measured_size[:2], measured[::-1], atol=0.03 * min(stored))
    np.testing.assert_allclose(acquisition.measured[0], stored[1] / measured[1], rtol=0.05)
    assert "interpolated" in str(acquisition)


def test_a_part_of_an_interpolated_image_is_recognized():
    pixels = scan((150, 200), (256, 256), 20, np.random.default_rng(1))[:, 20:220, 31:251]
    rows = inspect(image_of(pixels)).axes[1]
    assert rows.edge.share == pytest.approx(150 / 256, abs=0.03)


@pytest.mark.parametrize("padding", [np.nan, -2000, -32768])
def test_voxels_without_data_do_not_hide_what_was_measured(padding, tiny_model):
    pixels = scan((150, 200), (256, 256), 20, np.random.default_rng(1)).astype(np.float32) * 1000
    rows, columns = np.mgrid[:256, :256] - 127.5
    distance = np.hypot(rows, columns)
    image, padded = image_of(pixels), image_of(np.where(distance < 120, pixels, np.float32(padding)))
    assert inspect(padded).measured_size == pytest.approx(inspect(image).measured_size, abs=2)
    assert inspect(padded).noise == pytest.approx(inspect(image).noise, rel=0.1)
    result, truth = (sitk.GetArrayFromImage(upsample(each, 1.0, model=tiny_model)) for each in (padded, image))
    assert np.abs(result - truth)[:, distance < 100].max() < 0.01 * np.ptp(pixels)


@pytest.mark.parametrize("across", [0, 1])
def test_planes_through_thick_slices_are_refined_from_what_was_measured_in_the_slices(tiny_model, across):
    """200 x 150 of 256 x 256 pixels were measured, and 20 slices: too few to look for an edge along their axis."""
    image = image_of(scan((150, 200), (256, 256), 30, np.random.default_rng(0), slices=20))
    wanted = [200, 150, 20]
    wanted[across] = 256  # as stored, since that axis is not refined
    assert SeriesUpsampling(image, tiny_model.card, scale=2, plane=across).measured == pytest.approx(wanted, abs=2)


@pytest.mark.filterwarnings("error")
def test_large_values_overflow_nowhere():
    wave = np.cos(2 * np.pi * np.arange(16) / 16)[None, :, None]
    for dtype in (np.float32, np.float64):
        assert continues_periodically((1e30 * wave).astype(dtype), 1)
        assert not continues_periodically((1e30 * wave[:, :9]).astype(dtype), 1)


def test_an_edge_next_to_the_nyquist_frequency_is_recognized():
    acquisition = inspect(image_of(scan((246, 154), (256, 256), 30, np.random.default_rng(1))))
    np.testing.assert_allclose(acquisition.measured_size[:2], (154, 246), atol=3)


@pytest.mark.parametrize("snr", [30, 50])
@pytest.mark.parametrize("measured", [(150, 200), (256, 171)])
def test_filters_of_kspace_are_told_from_sharp_edges(measured, snr):
    for window, filtered in ((hann, True), (np.ones, False)):
        for seed in range(2):
            pixels = scan(measured, (256, 256), snr, np.random.default_rng(seed), 1, window)
            assert [axis.edge.filtered for axis in inspect(image_of(pixels)).axes[:2]] == [filtered] * 2


@pytest.mark.parametrize("seed", range(3))
def test_an_edge_that_a_filter_makes_gradual_lies_on_its_way_down(seed):
    def falling(size):  # by 22 dB from 72 % of what is measured on
        k = np.abs(np.arange(size) - size // 2) / (size / 2)
        return 10 ** (-1.1 * np.clip((k - 0.72) / 0.28, 0, 1))

    pixels = scan((210, 210), (256, 256), 25, np.random.default_rng(seed), window=falling)
    for axis in inspect(image_of(pixels)).axes[:2]:
        assert 0.72 * 210 / 256 + 0.05 < axis.edge.share < 210 / 256 - 0.05


def test_a_filter_that_falls_to_the_nyquist_frequency_is_no_edge():
    def falling(size):
        k = np.abs(np.arange(size) - size // 2) / (size / 2)
        return 1 / (1 + np.exp((k - 0.88) / 0.04))

    pixels = scan((240, 200), (240, 200), 20, np.random.default_rng(0), window=falling)
    acquisition = inspect(image_of(pixels))
    assert acquisition.measured_size[:2] == (200, 240)
    assert [axis.edge.filtered for axis in acquisition.axes[:2]] == [True, True]


@pytest.mark.parametrize("seed", [4, 8])
def test_where_half_of_kspace_ends_in_partial_fourier_is_no_edge(seed):
    def six_eighths(size):
        return np.arange(size) >= size // 4

    pixels = scan((256, 256), (256, 256), 60, np.random.default_rng(seed), window=six_eighths)
    assert inspect(image_of(pixels)).measured_size[:2] == (256, 256)


@pytest.mark.parametrize("snr", [8, 30, 1e6])
def test_what_was_measured_in_full_is_taken_as_stored(snr):
    pixels = scan((256, 224), (256, 224), snr, np.random.default_rng(2))
    acquisition = inspect(image_of(pixels))
    assert acquisition.measured == acquisition.stored
    assert not any(axis.interpolated for axis in acquisition.axes)


def test_constant_small_and_noise_images_are_taken_as_stored():
    noise = np.random.default_rng(3).normal(size=(2, 64, 64))
    for pixels in (noise, noise[:, :7, :9], np.zeros((2, 64, 64))):
        assert inspect(image_of(pixels)).measured == (1.0, 1.0, 4.0)


def test_signed_values_have_noise_but_no_ratio_of_signal_to_it():
    pixels = scan((256, 224), (256, 224), 20, np.random.default_rng(2))
    magnitude, signed = inspect(image_of(pixels)), inspect(image_of(pixels - 0.3 * pixels.max()))
    assert magnitude.snr > 10
    assert signed.snr is None
    assert signed.noise == pytest.approx(magnitude.noise, rel=0.05)


def test_what_is_cropped_is_compared_with_the_noise():
    """Beyond the measured band there is a wave of a known amplitude, too weak to hide the edge."""
    pixels = scan((256, 150), (256, 256), 20, np.random.default_rng(9))
    before = inspect(image_of(pixels))
    assert before.cropped < 0.5 * before.noise
    assert "times the noise." in before.notes[0]
    wave = 0.05 * np.cos(np.pi * 0.9 * np.arange(256))
    after = inspect(image_of(pixels + wave))
    assert after.cropped**2 - before.cropped**2 == pytest.approx(0.05**2 / 2, rel=0.1)
    assert after.cropped > after.noise
    assert "may be signal" in after.notes[0]


@pytest.mark.parametrize("snr", [8, 20, 50])
@pytest.mark.parametrize("background", [True, False])
def test_noise_is_measured(snr, background):
    generator = np.random.default_rng(4)
    y, x = np.meshgrid(np.linspace(-1, 1, 200), np.linspace(-1, 1, 180), indexing="ij")
    signal = 100 * (1 + 0.3 * np.cos(3 * x) * np.sin(2 * y))
    if background:
        signal = signal * (x**2 + y**2 < 0.7)
    sigma = 100 / snr
    real, imaginary = generator.normal(scale=sigma, size=(2, 4, *signal.shape))
    noise, _ = noise_level(np.hypot(signal + real, imaginary))
    assert noise == pytest.approx(sigma, rel=0.1)


@pytest.mark.parametrize(("stored", "measured"), [((48, 36), (32, 27)), ((45, 37), (31, 30)), ((48, 48), (48, 33))])
def test_measured_pixels_lie_where_they_were(stored, measured):
    """Exact for what is band-limited; a shift of a hundredth of a stored pixel would show."""
    low = np.random.default_rng(5).normal(size=(2, *measured))
    grid = MeasuredGrid(stored, measured)
    resampled = grid.resample(zero_fill(low, stored))
    for axis, (n, m) in enumerate(zip(stored, measured)):
        margin = (resampled.shape[axis + 1] - m) // 2
        resampled = np.take(resampled, range(margin, margin + m), axis=axis + 1)
        assert grid.samples[axis].first == -margin * n / m
        assert grid.samples[axis].step == n / m
    np.testing.assert_allclose(resampled, low, atol=1e-12)


@pytest.mark.parametrize(("stored", "measured"), [(60, 40), (61, 40), (60, 41)])
def test_slices_that_end_at_their_border_are_mirrored(stored, measured):
    ramp = np.arange(stored, dtype=float)[None, :, None] + np.zeros((1, 1, 8))
    volume = Volume(ramp, Geometry((8, stored, 1), (1.0,) * 3, (0.0,) * 3, np.eye(3)))
    grid = MeasuredGrid.of(volume, 2, (8, measured, 1))
    assert grid.continues[0] is False
    positions = grid.samples[0].positions()
    inside = (positions > 6) & (positions < stored - 7)
    np.testing.assert_allclose(grid.resample(ramp)[0, inside, 0], positions[inside], atol=0.02)


def test_values_far_from_zero_keep_their_differences():
    pixels = (1e6 + np.random.default_rng(0).normal(size=(2, 48, 40))).astype(np.float32)
    grid = MeasuredGrid((48, 40), (36, 31), (False, True))
    # float32 has a number every 1/16 there.
    np.testing.assert_allclose(grid.resample(pixels), grid.resample(pixels.astype(np.float64)), atol=0.04)


@pytest.mark.parametrize("target", [{"scale": 2}, {"spacing": (0.8, 0.9)}])
def test_affine_intensities_keep_their_function(target, skip_only_model):
    """Oblique and left-handed; the target may lie between the measured and the stored pixels."""
    direction = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, -1.0]])
    image = sitk.Image([90, 75, 3], sitk.sitkFloat64)
    image.SetSpacing([0.7, 0.8, 3.0])
    image.SetOrigin([-20.0, 11.0, 5.0])
    image.SetDirection(direction.ravel().tolist())

    def function(of):
        k, j, i = np.meshgrid(*(np.arange(n) for n in of.GetSize()[::-1]), indexing="ij")
        index = np.stack([i, j, k]).reshape(3, -1) * np.array(of.GetSpacing())[:, None]
        x, y, z = (direction @ index) + np.array(of.GetOrigin())[:, None]
        return (5 * x - y + 5 * z).reshape(i.shape)

    filled = sitk.GetImageFromArray(function(image))
    filled.CopyInformation(image)
    result = upsample(filled, **target, measured=(1.2, 1.0), model=skip_only_model)
    inner = (slice(None), slice(30, -30), slice(30, -30))
    error = (sitk.GetArrayFromImage(result) - function(result))[inner]
    # A tenth of a stored pixel would be 0.24 along columns and 0.3 along rows.
    assert np.abs(error).max() < 0.12


def test_as_stored_is_what_it_was():
    pixels = scan((64, 64), (64, 64), 20, np.random.default_rng(6), slices=2)
    results = [
        sitk.GetArrayFromImage(upsample(image_of(pixels), 1.5, measured=measured, model="mri-fast", device="cpu"))
        for measured in ("auto", "stored", 1.0)
    ]
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


def test_data_consistency_keeps_the_measured_band():
    low = np.random.default_rng(7).normal(size=(1, 40, 40))
    image = image_of(zero_fill(low, (60, 60)))
    options = {"measured": 1.5, "data_consistency": True, "model": "mri-fast", "device": "cpu"}
    result = upsample(image, size=(80, 80), grid="kspace", **options)
    np.testing.assert_allclose(kspace_crop(sitk.GetArrayFromImage(result), (40, 40)), low, atol=1e-5)


def test_data_consistency_does_not_ring_where_slices_end_at_their_border(skip_only_model):
    """What reaches the border of one side only, as shoulders do: within a thousandth of its range."""

    def blob(y, x):
        return 1000 * np.exp(-((x - 70.0) ** 2 + (y[:, None] - 10.0) ** 2) / (2 * 20**2))

    image = image_of(blob(np.arange(48), np.arange(60))[None])
    result = upsample(image, 2, measured=(1.3, 1.2), data_consistency=True, model=skip_only_model)
    y, x = (np.arange(n) / 2 - 0.25 for n in (96, 120))
    error = np.abs(sitk.GetArrayFromImage(result)[0] - blob(y, x))[12:-12, 12:-12]
    assert error.max() < 1


ROW, COL = {"InPlanePhaseEncodingDirectionDICOM": "ROW"}, {"InPlanePhaseEncodingDirectionDICOM": "COL"}
# Of 200 columns and 160 rows, 100 and 120 were measured.
HEADERS = {
    "frequency along columns": {"AcquisitionMatrix": [0, 100, 120, 0], "Rows": 160, "Columns": 200},
    "frequency along rows": {"AcquisitionMatrix": [120, 0, 0, 100], "Rows": 160, "Columns": 200, **ROW},
    "BIDS": {"AcquisitionMatrixPE": 120, "ReconMatrixPE": 160, "BaseResolution": 100, "PhaseEncodingDirection": "j-"},
    "percent": {"PercentSampling": 150, "ReconMatrixPE": 160, "BaseResolution": 100, **COL},
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_what_a_header_says_of_the_measured_band(header):
    image = image_of(scan((160, 200), (160, 200), 20, np.random.default_rng(8)))
    set_sidecar(image, header)
    acquisition = inspect(image)
    assert [axis.header for axis in acquisition.axes] == [0.5, 0.75, None]
    assert acquisition.measured == acquisition.stored  # The voxels win.
    (note,) = acquisition.notes
    assert "pixels of 1.33 x 2 mm (rows x columns) were measured, the voxels say 1 x 1 mm" in note


def test_a_header_that_agrees_with_the_voxels():
    image = image_of(scan((120, 100), (160, 200), 20, np.random.default_rng(8)))
    set_sidecar(image, HEADERS["BIDS"])
    assert "header" not in " ".join(inspect(image).notes)


@pytest.mark.parametrize(
    "change", [{"Columns": 400}, COL, {"AcquisitionMatrix": "120"}, {"AcquisitionMatrix": [0, 0, 0, 0]}]
)
def test_a_header_of_other_pixels_tells_nothing(change):
    image = image_of(np.random.default_rng(8).normal(100, 10, (2, 160, 200)))
    set_sidecar(image, {**HEADERS["frequency along rows"], **change})
    acquisition = inspect(image)
    assert [axis.header for axis in acquisition.axes] == [None, None, None]


@pytest.mark.parametrize(
    ("measured", "message"),
    [
        ("measured", "auto"),
        (0.5, "smaller than the stored"),
        ((1, 2, 3), "one or two"),
        (-1, "positive"),
        (99, "fewer"),
    ],
)
def test_sizes_that_cannot_be(measured, message):
    geometry = Geometry((64, 64), (1.0, 1.0), (0.0, 0.0), np.eye(2))
    with pytest.raises(ValueError, match=message):
        measured_sizes(geometry, measured, None, None)
