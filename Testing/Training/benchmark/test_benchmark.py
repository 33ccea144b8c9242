"""``nexpr benchmark``: what is timed is the right thing, and the report says all of it."""

import csv
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from NExpRLib.function.interpolant import interpolate, prefilter
from NExpRLib.function.samples import Samples
from NExpRTraining.benchmark.cases import QUICK, measure_rescaling
from NExpRTraining.benchmark.report import Row, report
from NExpRTraining.benchmark.rescale_methods import COPY_OF_NEW, NEXPR, PaperFunction, RescaleCase, rescale_methods
from NExpRTraining.benchmark.timing import Effort, Measured, in_turns

CPU = torch.device("cpu")
METHODS = [
    NEXPR,
    "NExpR, first time at a scale",
    "NExpR with the paper's network, prepared",
    "Paper's network, pixel by pixel",
    "LIIF",
    "LTE",
    "SRNO",
    "PyTorch bicubic",
    "SimpleITK cubic B-spline",
    "Copy of the result",
]


class FakeClock:
    """Time passes only where a function says so."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def function_of(self, *durations):
        """A function whose calls take these durations, the last one over and over."""
        remaining = list(durations)

        def function():
            self.now += remaining.pop(0) if len(remaining) > 1 else remaining[0]

        return function


def test_median_and_quartiles():
    clock = FakeClock()
    function = clock.function_of(9, 1, 2, 3, 4, 10)
    measured = in_turns({"f": function}, Effort(rounds=1, turn=15, budget=100), clock)["f"]
    assert measured.values == (1, 2, 3, 4, 10)  # 9 warmed up
    assert measured.median == 3
    assert measured.quartiles == (2, 4)
    assert measured.per(2).median == 1.5


def test_an_interruption_does_not_decide_the_median():
    clock = FakeClock()
    measured = in_turns({"f": clock.function_of(1, 1, 70, 1)}, Effort(rounds=1, turn=3, budget=100), clock)["f"]
    assert measured.median == 1


def test_slow_functions_get_fewer_turns_and_are_measured_in_between():
    clock, order = FakeClock(), []
    functions = {"slow": clock.function_of(5), "fast": clock.function_of(0.25)}
    measured = in_turns(functions, Effort(rounds=4, turn=2, budget=8), clock, announce=order.append)
    assert measured["slow"].values == (5, 5)
    assert measured["fast"].values == (0.25,) * 32
    assert order == ["slow", "fast", "slow", "fast", "fast", "fast"]


def test_what_comes_before_a_call_is_not_timed():
    clock = FakeClock()
    functions, before = {"f": clock.function_of(1)}, {"f": clock.function_of(3)}
    measured = in_turns(functions, Effort(rounds=1, turn=40, budget=100), clock, before=before)["f"]
    assert measured.values == (1,) * 10


@pytest.mark.parametrize("size", [6, 7])
@pytest.mark.parametrize("scale", [1, 2, 3.14159])
def test_pixel_by_pixel_is_the_function_that_the_rasterizer_evaluates(size, scale):
    function = PaperFunction(size, CPU)
    case = RescaleCase.whole_slice(size, scale)
    expected = function.image.rasterize(scale)
    assert function.per_pixel(case)().shape == expected.shape
    torch.testing.assert_close(function.per_pixel(case)(), expected, rtol=0, atol=1e-4)


def test_pixel_by_pixel_beyond_the_border():
    function = PaperFunction(6, CPU)
    case = RescaleCase("", 6, Samples(-3, 0.5, 25), Samples(-2.2, 0.72, 14))
    expected = function.image.rasterize(rows=case.rows, columns=case.columns)
    torch.testing.assert_close(function.per_pixel(case)(), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    "case", [RescaleCase.whole_slice(8, 3.14159), RescaleCase.view(16, (27, 48))], ids=lambda case: case.name
)
def test_every_method_fills_the_grid(tiny_model, case):
    with torch.inference_mode():
        methods = rescale_methods(tiny_model, CPU)
        images = {name: np.squeeze(np.asarray(prepare(case)())) for name, prepare in methods.items()}
    assert list(images) == METHODS
    assert {image.shape for image in images.values()} == {case.shape}
    np.testing.assert_allclose(images["NExpR, first time at a scale"], images[NEXPR], atol=1e-4)


def test_spline_lies_on_the_grid(tiny_model):
    case = RescaleCase.view(16, (27, 48))
    pixels = torch.rand(16, 16, generator=torch.Generator().manual_seed(0))
    expected = interpolate(prefilter(pixels.double(), "bspline"), case.rows, case.columns, "bspline")
    spline = rescale_methods(tiny_model, CPU)["SimpleITK cubic B-spline"](case)()
    np.testing.assert_allclose(spline, expected, atol=1e-4)


def test_view_lies_inside_the_slice():
    case = RescaleCase.view(512, (1080, 1920))
    for positions in (case.rows, case.columns):
        assert 0 < positions.min() < positions.max() < 511


def test_peak_memory_counts_what_was_taken():
    """And not the memory of the larger process that starts another one."""
    program = (
        "import numpy as np; from NExpRTraining.benchmark.volume_cost import peak_memory; before = peak_memory()\n"
        "if before is not None: np.ones(20_000_000, np.uint8); print(peak_memory() - before)"
    )
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    if not finished.stdout:
        pytest.skip("this system does not say")
    assert 19e6 < int(finished.stdout) < 30e6


@pytest.fixture
def results(nexpr, tmp_path):
    """Standard output and folder of a quick run of a model that is told the noise level."""
    folder = tmp_path / "new" / "folder"
    status, out, err = nexpr("benchmark", "--quick", "--model", "mri-fast", "-o", folder)
    assert (status, err) == (0, "")
    return out, folder


def test_quick_run(results):
    out, folder = results
    assert sorted(path.name for path in folder.iterdir()) == ["benchmark.csv", "benchmark.md", "benchmark.png"]
    assert (folder / "benchmark.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "benchmark.md").read_text(encoding="utf-8") in out
    for said in ("Processor", "Cores", "Date", torch.__version__):
        assert said in out

    section = out.split("## Rescaling: cpu")[1].split("##")[0]
    for part in section.split("Milliseconds"):
        header, *lines = table(part)
        assert header == ["", *(case.name for case in QUICK.rescale)]
        assert [line[0] for line in lines] == [*METHODS, COPY_OF_NEW]

    with open(folder / "benchmark.csv", newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["device"].startswith("cpu")]
    for row in rows:
        lower, median, upper = (float(row[name]) for name in ("lower_quartile", "median", "upper_quartile"))
        assert (0 if row["section"] == "memory" else 1e-9) <= lower <= median <= upper
        assert int(row["repetitions"]) >= 1
    rescale = [row for row in rows if row["section"] == "rescale"]
    assert {row["method"] for row in rescale} == {*METHODS, COPY_OF_NEW}
    reference = {row["case"]: float(row["median"]) for row in rescale if row["method"] == NEXPR}
    for row in rescale:
        assert float(row["relative"]) == pytest.approx(float(row["median"]) / reference[row["case"]], rel=1e-4)
        assert int(row["output_pixels"]) in [case.pixels for case in QUICK.rescale]
    assert {row["section"] for row in rows} >= {"rescale", "encode", "volume"}
    seconds = {row["case"]: float(row["median"]) for row in rows if row["section"] == "volume"}
    whole, *per_slice = ("3 x 16 x 16", *(f"{count} x 16 x 16, per slice" for count in (3, 2, 8)))
    assert list(seconds) == [whole, *per_slice]
    assert seconds[per_slice[0]] == pytest.approx(seconds[whole] / 3, rel=1e-3)


def table(text):
    """Cells of the lines of a Markdown table, without the rule."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[:1] + lines[2:]]


def test_report_puts_ratios_first_and_a_dash_for_what_was_not_measured():
    def row(case, method, *seconds):
        return Row("rescale", "cpu", case, method, Measured(seconds), reference=0.002, output_pixels=16)

    rows = [row("small", "A", 0.001, 0.002, 0.003), row("large", "A", 0.002), row("small", "B", 5)]
    text = report([("Date", "today")], rows, {"rescale": "What a dash means."})
    ratios, times = (table(part) for part in text.split("Milliseconds"))
    assert ratios == [["", "small", "large"], ["A", "1.00", "1.00"], ["B", "2,500", "-"]]
    assert times[1:] == [["A", "2.00 (1.50-2.50)", "2.00 (2.00-2.00)"], ["B", "5,000 (5,000-5,000)", "-"]]
    assert "What a dash means." in text


def test_methods_that_would_take_too_long_are_left_out(tiny_model):
    plan = replace(QUICK, longest=0.0)
    with torch.inference_mode():
        rows = measure_rescaling(plan, CPU, tiny_model, announce=lambda *_: None)
    for case in plan.rescale:
        expected = METHODS if case is plan.rescale[0] else [NEXPR]
        assert [row.method for row in rows if row.case == case.name] == [*expected, COPY_OF_NEW]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--model", "nowhere"], 'no model "nowhere"'),
        (["--scale", "2"], "--scale"),
        (["--model", "mri-slices"], "choose another one for their pixels"),
        (["-o"], "expected one argument"),
        (["-o", "file/results"], "cannot be made or written"),
    ],
    ids=" ".join,
)
def test_bad_options(nexpr, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    status, _, err = nexpr("benchmark", "--quick", *arguments)
    assert status == 2
    assert said in err
    assert err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
