"""What values mean: labels, voxels without data, phase, maps, what lies outside a reference, time series."""

import tracemalloc

import numpy as np
import pytest
import SimpleITK as sitk

from NExpRLib import load_model, upsample
from NExpRLib.volumes.labels import are_labels
from NExpRLib.volumes.modality import modality_of
from NExpRLib.volumes.phase import Phase, phase_of
from NExpRLib.volumes.series import SeriesUpsampling
from NExpRLib.volumes.sidecar import set_sidecar


def image_of(pixels, **facts):
    image = sitk.GetImageFromArray(np.ascontiguousarray(pixels), isVector=False)
    if facts:
        set_sidecar(image, facts)
    return image


def voxels(image):
    return sitk.GetArrayFromImage(image)


def thin_structures(dtype):
    pixels = np.zeros((20, 40, 40), dtype)
    for k, label in enumerate((3, 4, 5, 7)):
        pixels[4 + 3 * k, 10:30:2, 8 + 6 * k] = label
    return pixels


def atlas(dtype):
    """A hundred regions of 4 x 4 x 4 voxels."""
    regions = np.random.default_rng(0).permutation(500)[:125].reshape(5, 5, 5)
    return np.kron(regions, np.ones((4, 4, 4))).astype(dtype)


def smooth(dtype):
    """Many values, of which most neighbors share one and the others differ by one."""
    i, j = np.arange(120), np.arange(120)[:, None]
    return np.broadcast_to(120 + 100 * np.sin(i / 90) * np.cos(j / 90), (3, 120, 120)).round().astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64])
def test_labels_are_known_by_their_values(dtype):
    points = np.zeros((20, 40, 40), dtype)
    points[3, 20, 10], points[5, 25, 30] = 3, 5
    organ = np.pad(np.full((4, 10, 10), 9, dtype), 10)
    assert all(are_labels(pixels) for pixels in (thin_structures(dtype), points, organ))
    if dtype != np.uint8:
        assert are_labels(atlas(dtype))


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_intensities_are_no_labels(dtype):
    noise = np.random.default_rng(0).normal(100, 15, (5, 40, 40)).astype(dtype)
    masked = np.where(np.random.default_rng(1).random((5, 40, 40)) > 0.5, noise, 0)
    halves = (np.random.default_rng(0).integers(0, 9, (5, 40, 40)) / 2).astype(np.float32)
    assert not any(
        are_labels(pixels) for pixels in (noise, masked, smooth(dtype), np.full((9, 9, 9), 3, dtype), halves)
    )


def body(shape=(3, 64, 64)):
    """CT of a round body in air."""
    i, j = np.arange(64), np.arange(64)[:, None]
    distance = np.hypot(j - 31.5, i - 31.5)
    pixels = np.where(distance < 18, 40 + 20 * np.sin(j / 3), -1000) + np.random.default_rng(0).normal(0, 4, shape)
    return pixels, distance < 30


def inside(factor=2):
    """Samples one pixel inside the border of the circle."""
    positions = (np.arange(64 * factor) + 0.5) / factor - 0.5
    return np.hypot(positions[:, None] - 31.5, positions - 31.5) < 29


PADDINGS = {
    "-2000": (np.int16, -2000, {}),
    "-3024": (np.int16, -3024, {}),
    "-32768": (np.int16, -32768, {}),
    "NaN": (np.float32, np.nan, {}),
    "-1e30": (np.float64, -1e30, {}),
    "announced": (np.int16, 2000, {"PixelPaddingValue": 2000}),
    "announced low": (np.int16, -1100, {"PixelPaddingValue": -1100.0}),
    "announced, scaled": (np.float32, np.float32(4095 * 0.22127), {"PixelPaddingValue": 4095 * 0.22127}),
}


@pytest.mark.parametrize(("dtype", "value", "facts"), PADDINGS.values(), ids=PADDINGS)
def test_voxels_without_data_change_no_others(tiny_model, dtype, value, facts):
    pixels, has_data = body()
    truth = voxels(upsample(image_of(pixels.astype(dtype)), 2, model=tiny_model)).astype(float)
    padded = np.where(has_data, pixels, value).astype(dtype)
    result = voxels(upsample(image_of(padded, **facts), 2, model=tiny_model))
    assert np.abs(result.astype(float) - truth)[:, inside()].max() < 0.01 * np.ptp(pixels)
    outside = ~np.kron(has_data, np.ones((2, 2), bool))
    assert np.array_equal(result[:, outside], np.full_like(result[:, outside], value), equal_nan=True)
    if not facts:
        assert not (np.isnan(result) if np.isnan(value) else result == value)[:, ~outside].any()


def test_volume_without_data_is_refused(tiny_model):
    with pytest.raises(ValueError, match="no data"):
        upsample(image_of(np.full((2, 9, 9), np.nan, np.float32)), 2, model=tiny_model)


def test_background_of_zero_is_data(tiny_model):
    pixels = np.random.default_rng(0).integers(40, 900, (3, 30, 30)).astype(np.int16)
    pixels[:, :, :8] = 0
    result = voxels(upsample(image_of(pixels), 2, model=tiny_model, value_range="free"))
    assert len(np.unique(result[:, :, :16])) > 1  # The border is interpolated, not cut.


def angles(positions):
    i, j = positions, positions[:, None]
    return np.stack([0.35 * j + 0.2 * i + 0.001 * (j - 20) ** 2 + k for k in range(3)])


PHASES = {
    "radians": (np.float32, 1, 0, {}),
    "0 to 4095": (np.int16, 4095 / (2 * np.pi), 2047.5, {}),
    "Siemens": (np.int16, 8190 / (2 * np.pi), 0, {"Modality": "MR", "ImageType": ["ORIGINAL", "PRIMARY", "P"]}),
    "Siemens without a header": (np.int16, 8190 / (2 * np.pi), 0, {}),
    "milliradians": (np.float32, 1000, 0, {"Modality": "MR", "ImageType": ["ORIGINAL", "PRIMARY", "PHASE"]}),
}


@pytest.mark.parametrize(("dtype", "unit", "middle", "facts"), PHASES.values(), ids=PHASES)
def test_phase_wraps(skip_only_model, dtype, unit, middle, facts):
    pixels = np.angle(np.exp(1j * angles(np.arange(44.0)))) * unit + middle
    pixels = (pixels.round() if np.issubdtype(dtype, np.integer) else pixels).astype(dtype)
    result = voxels(upsample(image_of(pixels, **facts), 2, model=skip_only_model))
    assert result.dtype == dtype
    error = np.angle(np.exp(1j * ((result.astype(float) - middle) / unit - angles((np.arange(88) - 0.5) / 2))))
    assert np.abs(error[:, 4:-4, 4:-4]).max() < 0.05


@pytest.mark.parametrize(
    ("dtype", "low"), [(np.uint16, 0), (np.int16, 0), (np.float32, 0), (np.int16, -4096), (np.float32, -4096)]
)
def test_phase_keeps_its_unit(skip_only_model, dtype, low):
    """Angles just below pi get no number beyond it, and the result is known for phase again."""
    period = 4096 if low == 0 else 8192
    wrapped = np.angle(np.exp(1j * angles(np.arange(44.0)).swapaxes(1, 2)))
    pixels = np.floor((wrapped / (2 * np.pi) + 0.5) * period + low).astype(dtype)
    result = voxels(upsample(image_of(pixels), 3.3, model=skip_only_model))
    assert result.min() >= low
    if np.issubdtype(dtype, np.integer):
        assert result.max() < low + period
    for facts in ({}, {"Modality": "MR", "ImageType": ["P"]}):
        assert phase_of(result, facts) == phase_of(pixels, facts) == Phase(low, period)


def test_phase_without_a_header_is_no_ct():
    """Though 2.4 % of it are near -1000; CT that is clipped at both ends has no neighbors that jump between them."""
    i, j = np.arange(64), np.arange(64)[:, None]
    wrapped = np.angle(np.exp(1j * (0.35 * j + 0.2 * i))) * 8190 / (2 * np.pi)
    assert modality_of(wrapped.round().astype(np.int16)) == ""
    ct = body()[0]
    ct[:, 20:24, 20:24], ct[:, :9] = 4095, -4096
    assert modality_of(ct.astype(np.int16)) == "CT"


def test_phase_that_ends_at_a_wrap(skip_only_model):
    """Phase about pi with voxels without data beside it: nothing is interpolated across the wrap there."""
    i, j = np.arange(40.0), np.arange(40.0)[:, None]
    true = np.broadcast_to(np.pi + 0.3 * np.sin(0.9 * j) * np.cos(0.2 * i), (2, 40, 40))
    pixels = np.angle(np.exp(1j * true)).astype(np.float32)
    pixels[:, :, 20:] = np.nan
    image = image_of(pixels, Modality="MR", ImageType=["P"])
    result = voxels(upsample(image, 2, model=skip_only_model))[:, :, :40]
    j, i = (np.arange(80)[:, None] - 0.5) / 2, (np.arange(40) - 0.5) / 2
    error = np.angle(np.exp(1j * (result - np.pi - 0.3 * np.sin(0.9 * j) * np.cos(0.2 * i))))
    assert np.abs(error[:, 4:-4]).max() < 0.05


def test_phase_in_no_known_unit_is_refused(tiny_model):
    pixels = np.random.default_rng(0).integers(0, 900, (3, 20, 20)).astype(np.int16)
    with pytest.raises(ValueError, match="cosine and sine"):
        upsample(image_of(pixels, ImageType=["DERIVED", "PRIMARY", "P"]), 2, model=tiny_model)


def edge(low, high, dtype=np.float32):
    pixels = np.random.default_rng(0).uniform(low, high, (3, 30, 30))
    pixels[:, :, :9] = 0
    return pixels.astype(dtype)


MAPS = {
    "FA": (edge(0, 1), {}),
    "T1": (edge(800, 2000), {}),
    "ADC by the header": (edge(1, 3000), {"ImageType": ["DERIVED", "PRIMARY", "DIFFUSION", "ADC"]}),
}


@pytest.mark.parametrize(("pixels", "facts"), MAPS.values(), ids=MAPS)
def test_maps_keep_their_range(tiny_model, pixels, facts):
    result = voxels(upsample(image_of(pixels, **facts), 2, model=tiny_model))
    assert result.min() >= pixels.min()
    assert result.max() <= pixels.max()
    free = voxels(upsample(image_of(pixels, **facts), 2, model=tiny_model, value_range="free"))
    assert free.min() < pixels.min()
    assert np.array_equal(result, free.clip(pixels.min(), pixels.max()))


def test_other_values_are_free_unless_kept(tiny_model):
    pixels = np.random.default_rng(0).uniform(-500, 500, (3, 30, 30)).astype(np.float32)
    assert voxels(upsample(image_of(pixels), 2, model=tiny_model)).max() > pixels.max()
    kept = voxels(upsample(image_of(pixels), 2, model=tiny_model, value_range="keep"))
    assert (kept.min(), kept.max()) >= (pixels.min(), pixels.max())
    assert kept.max() <= pixels.max()
    with pytest.raises(ValueError, match="Unknown range"):
        upsample(image_of(pixels), 2, model=tiny_model, value_range="all")


def field_map():
    pixels = np.random.default_rng(0).normal(0, 150, (3, 20, 20)).astype(np.float32)
    pixels[:, :, :6] = 0
    return pixels


@pytest.mark.parametrize(
    ("pixels", "fill", "expected"),
    [
        (field_map(), None, 0),
        (body()[0][:, 20:40, 4:24].astype(np.int16), None, "lowest"),
        (np.random.default_rng(0).uniform(5, 500, (3, 20, 20)), None, "lowest"),
        (field_map(), -7.0, -7),
    ],
    ids=["signed about 0", "CT", "magnitude", "named"],
)
def test_what_lies_outside_a_reference(tiny_model, pixels, fill, expected):
    reference = sitk.Image((60, 60, 3), sitk.sitkUInt8)
    reference.SetSpacing((0.5, 0.5, 1))
    reference.SetOrigin((-5.25, -5.25, 0))
    result = voxels(upsample(image_of(pixels), like=reference, model=tiny_model, fill=fill))
    outside = np.ones((60, 60), bool)
    outside[10:50, 10:50] = False
    assert (result[:, outside] == (pixels.min() if expected == "lowest" else expected)).all()
    assert len(np.unique(result[:, ~outside])) > 100


def test_options_without_effect_are_refused(tiny_model):
    image = image_of(field_map())
    with pytest.raises(ValueError, match="only outside the input"):
        upsample(image, 2, model=tiny_model, fill=-5)
    with pytest.raises(ValueError, match="isotropic"):
        upsample(image, 2, model=tiny_model, slices_model="mri-slices")


def test_outside_a_reference_floats_may_be_nan(tiny_model):
    image = image_of(field_map())
    reference = sitk.Image((60, 60, 3), sitk.sitkUInt8)
    reference.SetSpacing((0.5, 0.5, 1))
    result = voxels(upsample(image, like=reference, model=tiny_model, fill=float("nan")))
    assert np.isnan(result[:, 50:]).all()
    assert not np.isnan(result[:, :39, :39]).any()


ORDERS = {"as it is": (0, 1, 2), "swapped": (1, 0, 2), "turned": (2, 0, 1)}


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
@pytest.mark.parametrize("flips", [(False, False, False), (True, True, False), (False, True, True)])
def test_references_stored_otherwise(tiny_model, order, flips):
    image = image_of(np.random.default_rng(0).uniform(0, 500, (4, 20, 24)).astype(np.float32))
    image.SetSpacing((0.8, 0.9, 3))
    image.SetOrigin((3, -4, 5))
    image.SetDirection((0.8, 0, 0.6, 0, -1, 0, 0.6, 0, -0.8))
    reference = upsample(image, 2, model=tiny_model)
    expected = voxels(reference)
    stored = sitk.Flip(sitk.PermuteAxes(reference, order), flips, False)
    result = upsample(image, like=stored, model=tiny_model)
    assert result.GetOrigin() == pytest.approx(reference.GetOrigin(), abs=1e-6)
    assert np.abs(voxels(result) - expected).max() < 1e-2


@pytest.mark.parametrize("count", [None, 3])
def test_grid_of_the_volumes_of_a_4d_reference(tiny_model, count):
    """For a 3D image and for a series of another length."""
    image = image_of(np.random.default_rng(0).uniform(0, 500, (*[count] * bool(count), 2, 12, 15)).astype(np.float32))
    reference = sitk.Image((30, 25, 2, 5), sitk.sitkUInt8)
    reference.SetSpacing((0.5, 0.5, 1, 2))
    reference.SetOrigin((-0.25, -0.5, 0, 7))
    result = upsample(image, like=reference, model=tiny_model)
    expected = upsample(image, like=reference[:, :, :, 0], model=tiny_model)
    assert result.GetSize() == (30, 25, 2, count)[: image.GetDimension()]
    assert result.GetOrigin()[:3] == (-0.25, -0.5, 0)
    assert np.array_equal(voxels(result), voxels(expected))


def test_spacing_of_a_reference_may_be_rounded(tiny_model):
    image = image_of(np.random.default_rng(0).uniform(0, 500, (3, 30, 30)).astype(np.float32))
    image.SetSpacing((0.429688, 0.429688, 4))
    reference = sitk.Image(image)
    reference.SetSpacing((0.4297, 0.4297, 4))
    assert upsample(image, like=reference, model=tiny_model).GetSize() == (30, 30, 3)


@pytest.mark.parametrize("microns", [1, 1000])
def test_references_are_judged_in_voxels(tiny_model, microns):
    """Whatever the size of voxels: half a degree moves the far end of an axis by a fourth of a voxel."""
    image = image_of(np.random.default_rng(0).uniform(0, 500, (3, 30, 30)).astype(np.float32))
    image.SetSpacing((microns / 1000, microns / 1000, microns / 1000))
    turned = sitk.Image(image)
    angle = np.deg2rad(0.5)
    turned.SetDirection((np.cos(angle), -np.sin(angle), 0, np.sin(angle), np.cos(angle), 0, 0, 0, 1))
    with pytest.raises(ValueError, match="point elsewhere"):
        upsample(image, like=turned, model=tiny_model)


def test_each_volume_of_a_time_series(tiny_model):
    pixels = np.random.default_rng(0).uniform(-200, 900, (3, 4, 15, 18)).astype(np.float32)
    series = image_of(pixels)
    series.SetSpacing((0.75, 0.5, 4, 2.5))
    series.SetOrigin((10, 20, 30, 1))
    seen = []
    result = upsample(series, 2, model=tiny_model, progress=seen.append)
    assert result.GetSize() == (36, 30, 4, 3)
    assert result.GetSpacing() == pytest.approx((0.375, 0.25, 4, 2.5))
    for number in range(3):
        single = upsample(series[:, :, :, number], 2, model=tiny_model)
        assert np.array_equal(voxels(result)[number], voxels(single))
        assert result.GetOrigin()[:3] == pytest.approx(single.GetOrigin())
    assert seen == sorted(seen)
    assert seen[-1] == 1


def test_series_is_described_by_one_sentence_of_each_kind(tiny_model):
    pixels = np.random.default_rng(0).random((6, 2, 12, 12)).astype(np.float32)
    pixels[3, 0, 0, 0], pixels[5, 0, 0, 0] = 0, 1
    pixels[:, :, :, 9:] = np.nan
    pixels[4] *= 1000  # no fractions
    notes = SeriesUpsampling(image_of(pixels), tiny_model.card, scale=2).notes
    assert len(notes) == 2
    assert "Voxels without data (NaN, 25% of all)" in notes[0]
    assert "5 of 6 volumes" in notes[1]
    assert "0 to 1." in notes[1]


def test_series_holds_no_copy_of_every_volume(tiny_model):
    """Nor a mask of each."""
    pixels = np.random.default_rng(0).integers(-900, 900, (20, 8, 64, 64)).astype(np.int16)
    pixels[..., :9] = -3000
    image = image_of(pixels)
    SeriesUpsampling(image, tiny_model.card, scale=2)  # What is loaded once does not count.
    tracemalloc.start()
    try:
        series = SeriesUpsampling(image, tiny_model.card, scale=2)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert "without data" in series.notes[0]
    assert held < 3 * pixels[0].size  # of 20 masks


@pytest.mark.parametrize("value", [-2000, -32768])
def test_padding_of_ct_with_the_shipped_model(value):
    """The outermost pixels depend on what nobody knows; one pixel inside, the change is below 1 % of the range."""
    model = load_model("ct", "cpu")
    pixels, has_data = body()
    pixels = pixels.clip(-1024).round().astype(np.int16)
    padded = np.where(has_data, pixels, np.int16(value))
    for scale in (2, 3):
        truth, result = (
            voxels(upsample(image_of(each), scale, model=model)).astype(float) for each in (pixels, padded)
        )
        assert np.abs(result - truth)[:, inside(scale)].max() < 0.01 * np.ptp(pixels)


def test_slices_without_data_hardly_change_their_neighbors():
    """Those above and below a resampled head: through the slices, the network sees what they are filled with."""
    pixels = np.full((10, 16, 16), 1000, np.float32) + np.random.default_rng(0).normal(0, 10, (10, 16, 16))
    pixels[:, :4, :4] = 50  # the lowest value
    has_data = np.zeros((10, 1, 1), bool)
    has_data[3:8] = True
    wedge = has_data & (np.arange(16) < 12 + 4 * (np.arange(10) < 6)[:, None, None])
    options = dict(isotropic=True, model="mri-fast", slices_model="mri-slices", measured="stored", device="cpu")
    images = []
    for data in (np.ones_like(has_data), has_data, wedge):
        images.append(image_of(np.where(data, pixels, np.nan).astype(np.float32)))
        images[-1].SetSpacing((1, 1, 4))
    truth, *results = (voxels(upsample(image, **options)) for image in images)
    for result in results:
        change = np.abs(result - truth)[:, 6:, 6:]
        assert np.nanmax(change) < 60
        assert np.isfinite(change).sum() >= 0.3 * change.size
