"""README.md says what the commands print and the model cards hold, and what it tells the user to type works."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import SimpleITK as sitk

README = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")


def rows_of_tables(text):
    """Tables in Markdown: a list of their rows for each, rows being lists of cells."""
    tables, rows = [], []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|"):
            rows.append([cell.strip() for cell in line.strip("|").split("|")])
        elif rows:
            tables.append(rows)
            rows = []
    return tables


def section(heading):
    return README.split(f"## {heading}\n")[1].split("\n## ")[0]


def code(heading, language):
    """The first block of code of a section."""
    return section(heading).split(f"```{language}\n")[1].split("```")[0]


@pytest.mark.parametrize(
    ("model", "columns"),
    [("mri", slice(1, 4)), ("mri-fast", slice(1, 4)), ("ct", slice(4, 7)), ("ct-fast", slice(4, 7))],
)
def test_quality_is_that_of_the_card(nexpr, model, columns):
    status, card, _ = nexpr("models", "show", model)
    assert status == 0
    psnr = rows_of_tables(card)[0]
    assert psnr[0] == ["Volume", "Method", "2x", "3x", "4x"]
    of_card = {method: values for volume, method, *values in psnr if volume == "all slices"}
    of_card[f"NExpR (`{model}`)"] = of_card.pop("NExpR")
    (table,) = rows_of_tables(section("Models"))
    shown = {row[0]: row[columns] for row in table}
    assert {method: shown[method] for method in of_card} == of_card


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """What ``nexpr demo`` leaves and prints: ``(folder, stdout)``."""
    pytest.importorskip("nilearn", reason="needs the extra demo")
    folder = tmp_path_factory.mktemp("readme")
    command = [Path(sys.executable).with_name("nexpr"), "demo", "--device", "cpu"]
    finished = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True, check=True)
    return folder / "nexpr-demo", finished.stdout


@pytest.mark.slow
def test_demo_prints_what_is_shown(demo):
    (table,) = rows_of_tables(demo[1])
    printed = {row[0].lower(): [float(cell) for cell in row[1:3]] for row in table[2:]}
    caption = " ".join(README.split("*Made by `make demo`")[1].split("*\n")[0].split())
    shown = re.findall(r"(zero-filling|cubic B-spline|NExpR) (\d+\.\d+) dB and (\d+\.\d+)", caption)
    assert len(shown) == 3
    for method, psnr, ssim in shown:
        assert float(psnr) == pytest.approx(printed[method.lower()][0], abs=0.02)
        assert float(ssim) == pytest.approx(printed[method.lower()][1], abs=2e-4)


@pytest.mark.slow
def test_every_line_for_the_shell_works_where_the_demo_ends(demo):
    first, activate, change, *lines = code("Use from the shell", "").splitlines()
    assert (first.split("#")[0].strip(), activate.split("#")[0].strip()) == ("make demo", ". .venv/bin/activate")
    assert change == f"cd {demo[0].name}"
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for line in lines:
        finished = subprocess.run(line, shell=True, cwd=demo[0], env={**os.environ, "PATH": path}, capture_output=True)
        assert finished.returncode == 0, (line, finished.stderr)
        words = shlex.split(line, comments=True)
        if words[:2] == ["nexpr", "upsample"] and words[2] != ".":
            assert sitk.ReadImage(demo[0] / words[3]).GetSize() > sitk.ReadImage(demo[0] / words[2]).GetSize()


@pytest.mark.slow
def test_the_lines_for_python_work_where_the_demo_ends(demo, monkeypatch):
    monkeypatch.chdir(demo[0])
    names = {}
    exec(code("Use from Python", "python"), names)
    height, width = names["volume"].GetHeight(), names["volume"].GetWidth()
    assert names["finer"].GetSize()[:2] == pytest.approx((2.5 * width, 2.5 * height), abs=0.5)
    assert names["large"].shape == pytest.approx((3.7 * height, 3.7 * width), abs=0.5)
    assert names["part"].shape == (2, 2)
    assert (abs(names["same"] - names["large"]) < 1e-4).all()
