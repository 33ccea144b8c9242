"""Loading models, and representing slices by them."""

import hashlib
import json
import os
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from NExpRLib import ExplicitImage, load_model
from NExpRLib.function.interpolant import SKIPS
from NExpRLib.model_card import model_cards, model_names, read_card

from ..conftest import TINY, write_model


@pytest.fixture
def folder(tiny_model_folder, tmp_path):
    """A copy of the tiny model that a test may damage."""
    return shutil.copytree(tiny_model_folder, tmp_path / "model")


def rewrite_card(folder, **changes):
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps(card | changes))


def random_slice(shape=(13, 18), high=200):
    return np.random.default_rng(0).uniform(0, high, shape)


def test_model_is_found_by_folder_and_by_file(tiny_model_folder):
    for path in (tiny_model_folder, str(tiny_model_folder), tiny_model_folder / "card.json"):
        assert load_model(path, "cpu").card["name"] == "tiny"


def test_every_model_of_the_package_loads():
    for name in model_names():
        model = load_model(name, "cpu")
        assert model.card["name"] == name
        conditions = [0.0] * model.network.config.conditions or None
        assert model.represent(random_slice(), conditions=conditions).rasterize(1.5).shape == (20, 27)


def test_folder_with_the_name_of_a_model_in_the_package(tiny_model_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_model_folder, "mri")
    assert load_model("mri", "cpu").card["name"] == "mri"
    for path in ("./mri", Path("mri")):
        assert load_model(path, "cpu").card["name"] == "tiny"


def test_cards_are_offered_in_their_order():
    modalities = {name: card["modality"] for name, card in model_cards().items()}
    assert list(modalities.items()) == [("mri", "MR"), ("mri-fast", "MR"), ("ct", "CT"), ("ct-fast", "CT")]


def test_card_that_changes_is_read_again(tiny_model_folder, tmp_path):
    shutil.copytree(tiny_model_folder, tmp_path / "model")
    path = tmp_path / "model" / "card.json"
    card = read_card(tmp_path / "model")
    assert read_card(tmp_path / "model") is card, "read once"
    path.write_text(json.dumps({**card, "scales": [1, 3]}))
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    assert read_card(tmp_path / "model")["scales"] == [1, 3]


def test_unknown_model_names_those_present():
    with pytest.raises(ValueError, match='no model "nowhere"'):
        load_model("nowhere")
    with pytest.raises(ValueError, match="cannot be read"):
        load_model(300 * "x")


def test_unknown_and_absent_devices(tiny_model_folder):
    with pytest.raises(ValueError, match="auto, cuda, mps, cpu"):
        load_model(tiny_model_folder, "tpu")
    for device, present in (("cuda", torch.cuda.is_available()), ("mps", torch.backends.mps.is_available())):
        if not present:
            with pytest.raises(ValueError, match="not present"):
                load_model(tiny_model_folder, device)
    with pytest.raises(ValueError, match="float32, bfloat16"):
        load_model(tiny_model_folder, "cpu", "float64")


def test_damaged_weights(folder):
    weights = bytearray((folder / "weights.pt").read_bytes())
    weights[len(weights) // 2] ^= 1
    (folder / "weights.pt").write_bytes(weights)
    with pytest.raises(ValueError, match="SHA-256"):
        load_model(folder)
    (folder / "weights.pt").unlink()
    with pytest.raises(ValueError, match="missing"):
        load_model(folder)


class Malicious:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_code_in_weights_is_not_run(folder, tmp_path):
    content = pickle.dumps(Malicious(str(tmp_path / "was-run")))
    (folder / "weights.pt").write_bytes(content)
    rewrite_card(folder, sha256=hashlib.sha256(content).hexdigest())
    with pytest.raises(ValueError, match="do not fit"):
        load_model(folder)
    assert not (tmp_path / "was-run").exists()


def test_weights_of_another_network(folder):
    card = json.loads((folder / "card.json").read_text())
    rewrite_card(folder, network=card["network"] | {"blocks": 3})
    with pytest.raises(ValueError, match="do not fit"):
        load_model(folder)


@pytest.mark.parametrize("card", ["", "{}", '{"network": {"layers": 3}}', "[1]", '{"network": {"basis": "x"}}'])
def test_damaged_card(folder, card):
    (folder / "card.json").write_text(card)
    with pytest.raises(ValueError, match="model card"):
        load_model(folder)


@pytest.mark.parametrize("changes", [{"window": [1]}, {"window": [5, 1]}, {"name": None}, {"scales": [4, 1]}], ids=str)
def test_card_that_makes_no_sense(folder, changes):
    rewrite_card(folder, **changes)
    with pytest.raises(ValueError, match="model card"):
        load_model(folder)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "uint16", "int64", "float16", "float32", "float64"])
def test_any_real_type(tiny_model, dtype):
    pixels = random_slice(high=1.9 if dtype == "bool" else 200).astype(dtype)
    result = tiny_model.represent(pixels).rasterize(2)
    assert isinstance(result, np.ndarray)
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, tiny_model.represent(pixels.astype(np.float64)).rasterize(2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.int16, torch.bool])
def test_tensors_give_tensors(tiny_model, dtype):
    pixels = torch.from_numpy(random_slice()).to(dtype)
    result = tiny_model.represent(pixels).rasterize(2)
    assert isinstance(result, torch.Tensor)
    np.testing.assert_array_equal(result.numpy(), tiny_model.represent(pixels.double().numpy()).rasterize(2))


def test_batch_equals_single_slices(tiny_model):
    pixels = np.stack([random_slice(), 5 * random_slice() + 100])[:, None]
    image = tiny_model.represent(pixels)
    batch = image.rasterize(2.5)
    assert batch.shape == (2, 1, 33, 45)
    for i, high in enumerate((200, 1100)):
        single = tiny_model.represent(pixels[i, 0]).rasterize(2.5)
        np.testing.assert_allclose(batch[i, 0], single, atol=1e-5 * high)
        np.testing.assert_allclose(image[i].rasterize(2.5)[0], single, atol=1e-5 * high)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (9, 1), (2, 2), (3, 5)])
def test_smallest_slices(tiny_model, shape):
    result = tiny_model.represent(random_slice(shape)).rasterize(3)
    assert result.shape == (3 * shape[0], 3 * shape[1])
    assert np.isfinite(result).all()


@pytest.mark.parametrize("tile", [9, 16, 32])
@pytest.mark.parametrize("shape", [(31, 27), (14, 48)])
def test_result_does_not_depend_on_tiles(tiny_model, tile, shape):
    pixels = random_slice(shape)
    expected = tiny_model.represent(pixels).rasterize(1.7)
    for parts in (tile, None):
        assert np.abs(tiny_model.represent(pixels, tile=parts).rasterize(1.7) - expected).max() < 1e-5 * 200


def test_lower_precision_is_close(skip_only_model, tiny_model_folder):
    pixels = random_slice((40, 40))
    expected = load_model(tiny_model_folder, "cpu", "float32").represent(pixels).rasterize(2)
    lower = load_model(tiny_model_folder, "cpu", "bfloat16").represent(pixels).rasterize(2)
    error = np.abs(lower - expected).max() / 200
    assert 0 < error < 1e-2
    assert np.abs(skip_only_model.represent(pixels).rasterize(2) - expected).max() / 200 > 0.05


@pytest.mark.parametrize("skip", SKIPS)
@pytest.mark.parametrize("blend", [False, True])
def test_result_follows_offset_and_scale_of_the_intensities(skip, blend, tmp_path):
    model = load_model(write_model(tmp_path / "model", replace(TINY, skip=skip, blend=blend), last_layer=0.05), "cpu")
    pixels = random_slice()
    result = model.represent(20 * pixels - 700).rasterize(1.7)
    np.testing.assert_allclose(result, 20 * model.represent(pixels).rasterize(1.7) - 700, atol=1e-5 * 4000)


@pytest.mark.parametrize("skip", ["bicubic", "bspline"])
@pytest.mark.parametrize("intensity_range", [(0, 1), (-700, 20_000), (99, 101)])
def test_range_does_not_matter_to_an_equivariant_network(skip, intensity_range, tmp_path):
    config = replace(TINY, skip=skip, equivariant=True)
    model = load_model(write_model(tmp_path / "model", config, last_layer=0.05), "cpu", "float32")
    pixels = random_slice()
    expected = model.represent(pixels).rasterize(1.7)
    result = model.represent(pixels, intensity_range).rasterize(1.7)
    np.testing.assert_allclose(result, expected, atol=1e-3)


@pytest.mark.parametrize("name", model_cards())
def test_padding_changes_nothing_elsewhere_in_models_of_the_package(name):
    """The range of the whole slice does not matter to them; what is constant stays constant."""
    model = load_model(name, "cpu")
    pixels = random_slice((48, 128))
    pixels[:, 64:] = 100
    padded = pixels.copy()
    padded[:, 100:] = -32768
    expected, result = (model.represent(each).rasterize(2) for each in (pixels, padded))
    unpadded = np.s_[:, : 2 * (100 - model.network.halo - 4)]
    np.testing.assert_allclose(result[unpadded], expected[unpadded], atol=0.02 * 200)
    np.testing.assert_allclose(expected[:, 2 * (68 + model.network.halo) :], 100, atol=1e-3)


@pytest.mark.parametrize("shape", [(5,), (3, 5, 5), (2, 3, 5, 5), (0, 5), (0, 1, 5, 5)])
def test_wrong_shapes(tiny_model, shape):
    with pytest.raises(ValueError, match="shape"):
        tiny_model.represent(np.zeros(shape))


@pytest.mark.parametrize("bad", [{"tile": 0}, {"noise": np.nan}, {"noise": np.inf}, {"noise": -1.0}], ids=str)
def test_options_that_make_no_sense(tiny_model, bad):
    with pytest.raises(ValueError, match="must be"):
        tiny_model.represent(random_slice(), **bad)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_non_finite_values(tiny_model, value):
    pixels = random_slice()
    pixels[3, 4] = value
    with pytest.raises(ValueError, match="NaN or infinite"):
        tiny_model.represent(pixels)


@pytest.mark.parametrize("dtype", ["complex64", "U1", "object", "datetime64[s]"])
def test_types_that_are_not_real_numbers(tiny_model, dtype):
    with pytest.raises(ValueError, match="real numbers"):
        tiny_model.represent(np.zeros((5, 5)).astype(dtype))


@pytest.mark.parametrize("kind", [tuple, list, np.array, torch.tensor])
def test_intensity_range_of_any_kind(tiny_model, kind):
    image = np.random.default_rng(0).random((6, 8))
    expected = tiny_model.represent(image, (0.1, 0.9)).rasterize(2)
    assert np.allclose(tiny_model.represent(image, kind([0.1, 0.9])).rasterize(2), expected, atol=1e-5)


@pytest.mark.parametrize("bad", [(200, 0), (5, 5), (np.nan, 1), (0, np.inf), (0, 1, 2), (0, 1e39), (3,)], ids=str)
def test_intensity_range_that_is_none(tiny_model, bad):
    with pytest.raises(ValueError, match="intensity range"):
        tiny_model.represent(np.ones((6, 8)), bad)


@pytest.mark.parametrize("value", [0, -3.5, 1e16, 2**62, -1e30])
def test_constant_slice_of_any_size_stays_constant(skip_only_model, value):
    result = skip_only_model.represent(np.full((6, 8), value)).rasterize(2)
    np.testing.assert_allclose(result, np.full((12, 16), value), rtol=1e-5)


def test_weights_do_not_depend_on_the_default_type(tiny_model_folder, tiny_model):
    torch.set_default_dtype(torch.bfloat16)
    try:
        model = load_model(tiny_model_folder, "cpu", "float32")
    finally:
        torch.set_default_dtype(torch.float32)
    weights = tiny_model.network.state_dict()
    assert all(torch.equal(weights[name], each) for name, each in model.network.state_dict().items())


def test_torch_device_is_a_device(tiny_model_folder):
    model = load_model(tiny_model_folder, torch.device("cpu"))
    assert model.to(model.device).device == torch.device("cpu")


def test_periodic_slices_have_no_border(tiny_model):
    """Shifting a periodic slice around shifts its function around, by whole patches, wherever the border was."""
    pixels = np.random.default_rng(0).random((46, 38))
    options = {"intensity_range": (0, 1), "periodic": True}
    u, v = np.arange(0, 46, 0.25), np.arange(0, 38, 0.25)
    whole = tiny_model.represent(pixels, **options).rasterize(rows=u, columns=v)
    moved = tiny_model.represent(np.roll(pixels, (20, 14), (0, 1)), **options).rasterize(rows=u, columns=v)
    np.testing.assert_allclose(np.roll(whole, (80, 56), (0, 1)), moved, atol=2e-5)


def test_periodic_slices_can_be_saved(tiny_model, tmp_path):
    image = tiny_model.represent(np.random.default_rng(0).random((9, 7)), periodic=True)
    image.save(tmp_path / "slice.npz")
    loaded = ExplicitImage.load(tmp_path / "slice.npz")
    expected = image.rasterize(2.5, grid="kspace")
    np.testing.assert_allclose(loaded.rasterize(2.5, grid="kspace"), expected, atol=1e-5)


def test_fastest_device_is_chosen_by_default(monkeypatch):
    from NExpRLib.model import torch_device

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert torch_device("auto").type == "cuda"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert torch_device("auto").type == "mps"


def test_one_of_several_gpus(monkeypatch):
    from NExpRLib.model import torch_device

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert torch_device("cuda:1") == torch_device(torch.device("cuda:1")) == torch.device("cuda", 1)
    for name, said in (("cuda:2", "not present"), ("cuda:", "Unknown"), ("cuda:x", "Unknown"), ("cpu:0", "Unknown")):
        with pytest.raises(ValueError, match=said):
            torch_device(name)


def test_precision_is_kept_on_another_device(tiny_model_folder):
    assert load_model(tiny_model_folder, "cpu", "bfloat16").to("cpu").precision == "bfloat16"
