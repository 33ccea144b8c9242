"""Drawing an encoded slice, without MRML."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.fft import dctn

from NExpRLib import load_model
from NExpRLib.function.samples import Samples
from NExpRLib.volumes.geometry import Geometry
from NExpRLib.volumes.measured_grid import MeasuredGrid
from NExpRLib.volumes.volume import Volume
from NExpRSlicerLib.Models import ModelCache, cardOf, modelKey
from NExpRSlicerLib.Parameters import Settings
from NExpRSlicerLib.PreviewGrid import PreviewGrid, shownPlanes
from NExpRSlicerLib.SliceEncoder import Seen, SliceContent, VolumeRange, encodeSlice
from NExpRSlicerLib.Worker import Cancelled


@pytest.fixture
def settings(tiny_model_folder):
    return Settings(scale=2, model=str(tiny_model_folder), device="cpu")


@pytest.fixture
def pixels():
    rng = np.random.default_rng(5)
    return (rng.normal(size=(9, 12)).cumsum(axis=0).cumsum(axis=1) * 10 + 500).astype(np.int16)


@pytest.fixture
def encoded(settings, pixels):
    return encodeSlice(ModelCache(), content_of(pixels, settings), lambda: False)


def content_of(pixels, settings):
    """The only slice of a volume, measured as it is stored."""
    volume = Volume(pixels[None], Geometry((*pixels.shape[::-1], 1), (1.0,) * 3, (0.0,) * 3, np.eye(3)))
    seen = Seen(MeasuredGrid(pixels.shape, pixels.shape, margin=0))
    volumeRange = VolumeRange(volume, cardOf(settings), lambda _: {2: seen}, {}, across=2)
    (plane,) = shownPlanes(settings.plan(volume.geometry))
    return SliceContent(pixels, volumeRange, settings, plane)


def grid(rows, columns, transposed=False):
    return PreviewGrid(rows, columns, transposed, tuple(np.eye(4).ravel()))


def band_limited(pixels, rows, columns):
    """The cosines of the discrete cosine transform, which mirrors the pixels at their border, as a plain sum."""

    def waves(positions, size):
        k = np.arange(size)
        cosines = np.cos(np.pi * np.outer(positions + 0.5, k) / size) * np.where(k == 0, 1, 2)
        return cosines @ np.cos(np.pi * np.outer(np.arange(size) + 0.5, k) / size).T / size

    return waves(rows, pixels.shape[0]) @ pixels @ waves(columns, pixels.shape[1]).T


ZOOMED = Samples(2.1, 0.07, 30), Samples(10.9, -0.05, 40)


@pytest.mark.parametrize("transposed", [False, True])
def test_draws_the_function_of_the_library(encoded, settings, pixels, transposed):
    image = load_model(settings.model, "cpu").represent(pixels)
    rows, columns = (along.positions() for along in ZOOMED)
    expected = image.rasterize(rows=rows, columns=columns)
    drawn = encoded.draw(grid(*ZOOMED, transposed))
    assert drawn.dtype == np.float32
    assert np.allclose(drawn, expected.T if transposed else expected, atol=1e-3)


def test_inferred_detail_at_any_position(encoded, pixels):
    rows, columns = (along.positions() for along in ZOOMED)
    expected = encoded.draw(grid(*ZOOMED)) - band_limited(pixels.astype(float), rows, columns)
    assert np.allclose(encoded.draw(grid(*ZOOMED), inferredDetail=True), expected, atol=2e-2)


def test_data_consistency_keeps_the_measured_frequencies(encoded, pixels):
    whole = grid(Samples(-0.25, 0.5, 18), Samples(-0.25, 0.5, 24))
    measured = dctn(pixels.astype(float), norm="ortho")

    def frequencies(drawn):
        return dctn(drawn.astype(float), norm="ortho")[:9, :12] / 2

    assert np.allclose(frequencies(encoded.draw(whole, dataConsistency=True)), measured, atol=5e-2)
    assert not np.allclose(frequencies(encoded.draw(whole)), measured, atol=5e-2)


def test_changed_weights_are_loaded_again(settings, tiny_model_folder, tmp_path):
    """A model of the same path that was trained further is not mistaken for the old one."""
    import hashlib
    import io
    import json

    import torch

    folder = tmp_path / "model"
    folder.mkdir()
    for file in tiny_model_folder.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    cache, settings = ModelCache(), Settings(scale=2, model=str(folder), device="cpu")
    first = cache.get(settings)
    assert cache.get(settings) is first
    weights = torch.load(folder / "weights.pt", weights_only=True)
    buffer = io.BytesIO()
    torch.save({name: value * 2 for name, value in weights.items()}, buffer)
    (folder / "weights.pt").write_bytes(buffer.getvalue())
    card = json.loads((folder / "card.json").read_text())
    card["sha256"] = hashlib.sha256(buffer.getvalue()).hexdigest()
    (folder / "card.json").write_text(json.dumps(card))
    assert cache.get(settings) is not first


def test_obsolete_slice_is_stopped_between_two_layers(settings, pixels, encoded):
    asked = []

    def superseded():
        asked.append(True)
        return len(asked) > 3

    models = ModelCache()
    content = content_of(pixels, settings)
    with pytest.raises(Cancelled):
        encodeSlice(models, content, superseded)
    assert len(asked) == 4
    again = encodeSlice(models, content, lambda: False)
    assert np.array_equal(again.draw(grid(*ZOOMED)), encoded.draw(grid(*ZOOMED))), "nothing of it is left"


def test_voxels_are_gone_through_once(pixels, settings):
    bad = pixels.astype(np.float32)
    bad[0, 0] = np.inf
    volumeRange = content_of(bad, settings).volumeRange
    for _ in range(2):
        with pytest.raises(ValueError, match="1 NaN or infinite"):
            volumeRange.get()
        bad[:] = 0


@pytest.mark.parametrize(("threads", "left"), [(8, 7), (3, 2), (2, 2), (1, 1)])
def test_one_core_is_left_to_slicer(settings, threads, left):
    import torch

    from NExpRSlicerLib import Models

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        Models._leaveOneCoreFree.cache_clear()
        for _ in range(2):
            ModelCache().get(settings)
        assert torch.get_num_threads() == left
    finally:
        torch.set_num_threads(before)


def test_model_is_loaded_again_on_another_device(settings):
    keys = {modelKey(replace(settings, device=device), cardOf(settings)) for device in ("auto", "cpu", "cuda")}
    assert len(keys) == 3
