"""What cards say of quality: data, of which tables are made."""

import json
import shutil

import pytest

from NExpRLib.model_card import MODELS_FOLDER, model_names, read_card
from NExpRTraining.models.card import quality_tables, write_card


def test_tables_are_made_of_results():
    values = {("a", "X"): (30.0, 0.5), ("a", "Y"): (31.256, 0.51234), ("all slices", "X"): (30.0, 0.5)}
    results = [
        {"volume": volume, "method": method, "scale": scale, "PSNR": psnr - scale, "SSIM": ssim}
        for (volume, method), (psnr, ssim) in values.items()
        for scale in (2, 3.5)
    ]
    assert quality_tables(results) == {
        "PSNR": "| Volume     | Method | 2x    | 3.5x  |\n"
        "| ---------- | ------ | ----- | ----- |\n"
        "| a          | X      | 28.00 | 26.50 |\n"
        "| a          | Y      | 29.26 | 27.76 |\n"
        "| all slices | X      | 28.00 | 26.50 |",
        "SSIM": "| Volume     | Method | 2x     | 3.5x   |\n"
        "| ---------- | ------ | ------ | ------ |\n"
        "| a          | X      | 0.5000 | 0.5000 |\n"
        "| a          | Y      | 0.5123 | 0.5123 |\n"
        "| all slices | X      | 0.5000 | 0.5000 |",
    }


@pytest.mark.parametrize("name", model_names())
def test_shipped_cards_are_as_they_would_be_written(name, tmp_path):
    write_card(read_card(name), tmp_path)
    assert (tmp_path / "card.json").read_text(encoding="utf-8") == (MODELS_FOLDER / name / "card.json").read_text(
        encoding="utf-8"
    )


def test_written_card_keeps_every_character(tmp_path):
    row = {"volume": 'two  spaces, {"volume": "x"}\n', "method": "X", "scale": 2, "PSNR": 30.0}
    card = {"name": "n", "metrics": {"command": "c", "results": [row, {**row, "volume": "b"}]}}
    write_card(card, tmp_path)
    assert json.loads((tmp_path / "card.json").read_text(encoding="utf-8")) == card


@pytest.mark.parametrize("metrics", [None, [], {"command": "c"}, {"command": "c", "results": []}, "30 dB"], ids=str)
def test_metrics_that_are_not_understood(nexpr, tiny_model_folder, tmp_path, metrics):
    model = shutil.copytree(tiny_model_folder, tmp_path / "model")
    card = json.loads((model / "card.json").read_text())
    (model / "card.json").write_text(json.dumps({**card, "metrics": metrics}))
    status, _, err = nexpr("models", "show", model)
    assert status == 2
    assert "metrics of the model tiny are not understood" in err
    assert err.count("\n") == 1


def test_what_is_no_checkpoint_is_not_exported(nexpr, tmp_path):
    (tmp_path / "x.ckpt").write_bytes(b"nothing")
    for path, said in (("x.ckpt", "is no checkpoint of nexpr train"), ("y.ckpt", "There is no file")):
        status, _, err = nexpr("models", "export", tmp_path / path, "-o", tmp_path / "model")
        assert (status, said in err, err.count("\n")) == (2, True, 1)
    assert not (tmp_path / "model").exists()
