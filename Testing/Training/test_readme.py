"""The tables of README.md say what the commands print and the model cards hold."""

from pathlib import Path

import pytest

from NExpRLib.model_card import read_card

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def tables(text):
    """Tables in Markdown: list of ``{first cell of a row: its other cells}``, headings left out."""
    found, rows = [], []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|"):
            rows.append([cell.strip() for cell in line.strip("|").split("|")])
        elif rows:
            found.append({name: cells for name, *cells in rows[2:]})
            rows = []
    return found


def table_after(heading):
    return tables(README.split(heading)[1])[0]


@pytest.mark.parametrize(
    ("model", "heading"),
    [
        ("mri", "On four prostate"),
        ("mri-fast", "On four prostate"),
        ("ct", "On five CT volumes"),
    ],
)
def test_quality_is_that_of_the_card(model, heading):
    lines = read_card(model)["metrics"]["tables"]["PSNR"]
    of_card = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    of_all = {method: values for name, method, *values in of_card if name == "all slices"}
    of_all[f"NExpR (`{model}`)"] = of_all.pop("NExpR")
    shown = table_after(heading)
    assert {name: shown[name] for name in of_all} == of_all


@pytest.mark.slow
def test_demo_prints_what_is_shown(nexpr, tmp_path):
    pytest.importorskip("nilearn", reason="needs the extra demo")
    status, out, _ = nexpr("demo", "--device", "cpu", "--output", tmp_path)
    assert status == 0
    shown, (printed,) = table_after("make demo`: the MNI152"), tables(out)
    assert shown.keys() == printed.keys()
    for method, (psnr, ssim, consistency) in printed.items():
        exact = method == "Zero-filling"  # But for the rounding of float32, which depends on the computer.
        assert float(consistency) == pytest.approx(float(shown[method][2]), abs=20 if exact else 0.05)
        assert float(psnr) == pytest.approx(float(shown[method][0]), abs=0.02)
        assert float(ssim) == pytest.approx(float(shown[method][1]), abs=2e-4)
