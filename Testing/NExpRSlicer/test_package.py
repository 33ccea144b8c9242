"""The extension's package, made by CMake with a stand-in for Slicer's macros, against the files of the repository."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import REPOSITORY

PREFIX = "https://raw.githubusercontent.com/NExpR/SlicerNExpR/main/"
INSTALLED = Path("lib/Slicer/qt-scripted-modules")

# PyPI's CMake lies beside this Python.
CMAKE = shutil.which("cmake") or shutil.which("cmake", path=Path(sys.executable).parent)

if not (CMAKE and (shutil.which("cc") or shutil.which("cl"))):
    pytest.skip("needs CMake and a compiler", allow_module_level=True)


@pytest.fixture(scope="module")
def source(tmp_path_factory, tiny_model_folder):
    """A copy of the extension with one more model."""
    source = tmp_path_factory.mktemp("extension") / "NExpR"
    for folder in ("NExpRLib", "NExpRSlicer"):
        shutil.copytree(REPOSITORY / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(tiny_model_folder, source / "NExpRLib" / "Models" / "tiny")
    shutil.copy(REPOSITORY / "CMakeLists.txt", source)
    return source


@pytest.fixture(scope="module")
def build(source):
    """Build folder after configuring and installing."""
    build = source.parent / "build"
    cmake = Path(__file__).parent / "cmake"
    for command in (
        [CMAKE, "-S", str(source), "-B", str(build), f"-DSlicer_DIR={cmake}", "-DCMAKE_BUILD_TYPE=Release"],
        [CMAKE, "--install", str(build), "--prefix", str(build / "package")],
    ):
        result = subprocess.run(command, capture_output=True, text=True)
        assert result.returncode == 0, result.stdout + result.stderr
    return build


def files_in(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_package_holds_all_files_of_the_repository(source, build):
    expected = {f"NExpRLib/{name}" for name in files_in(source / "NExpRLib")} | files_in(source / "NExpRSlicer")
    expected = {name for name in expected if not name.endswith("CMakeLists.txt")}
    assert files_in(build / "package" / INSTALLED) == expected
    for name in (
        "NExpRSlicer.py",
        "NExpRSlicerLib/Panel.py",
        "Resources/UI/NExpRSlicer.ui",
        "Resources/Icons/NExpRSlicer.png",
        "NExpRLib/model.py",
        "NExpRLib/Models/tiny/card.json",
        "NExpRLib/Models/tiny/weights.pt",
    ):
        assert name in expected


def test_installed_library_works_from_the_package_alone(build):
    code = (
        "import NExpRLib, NExpRLib.model_card as c; print(NExpRLib.__file__); "
        "NExpRLib.load_model('tiny', 'cpu'); print(c.model_names())"
    )
    result = subprocess.run(
        [sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, {str(build / 'package' / INSTALLED)!r}); {code}"],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert str(build / "package") in result.stdout
    assert "'tiny'" in result.stdout


def description(build):
    lines = (build / "NExpR.description").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


def test_extensions_index_finds_what_it_needs(build):
    values = description(build)
    assert all(values.values()), values
    assert values["DEPENDS"] == "PyTorch"
    assert values["HOMEPAGE"].startswith("https://github.com/NExpR/SlicerNExpR")
    for url in [values["ICONURL"], *values["SCREENSHOTURLS"].split()]:
        assert url.startswith(PREFIX)
        assert (REPOSITORY / url.removeprefix(PREFIX)).is_file(), url


def test_index_entry_agrees(build):
    text = (REPOSITORY / "NExpR.json").read_bytes()
    assert b"\r" not in text
    entry = json.loads(text)
    assert entry["category"] == description(build)["CATEGORY"]
    assert entry["build_dependencies"] == ["PyTorch"]
    assert entry["scm_url"] == "https://github.com/NExpR/SlicerNExpR.git"
    assert entry["$schema"].endswith("#")
