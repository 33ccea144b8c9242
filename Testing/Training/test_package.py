"""What ``pip install`` installs is all that the folders hold."""

import tomllib
from pathlib import Path

import pytest

import NExpRLib

REPOSITORY = Path(__file__).parents[2]
FOLDERS = {"NExpRLib": REPOSITORY / "NExpRLib", "NExpRTraining": REPOSITORY / "Training"}


@pytest.fixture(scope="module")
def settings():
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]


def packages_below(name, folder):
    """{package: its folder} of all folders with modules."""
    folders = {path.parent for path in folder.rglob("*.py")}
    return {".".join([name, *path.relative_to(folder).parts]): path for path in folders}


def test_packages_are_all_folders_with_modules(settings):
    assert settings["package-dir"] == {"NExpRTraining": "Training"}
    found = [package for name, folder in FOLDERS.items() for package in packages_below(name, folder)]
    assert sorted(settings["packages"]) == sorted(found)


def test_data_travel_with_the_packages(settings):
    for name, folder in FOLDERS.items():
        files = {path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
        data = {path for path in files if path.suffix != ".py" and path.name != "CMakeLists.txt"}
        places = packages_below(name, folder)
        globs = [(places[package], glob) for package in places for glob in settings["package-data"].get(package, [])]
        installed = {path for place, glob in globs for path in place.glob(glob)}
        assert {path for path in installed if path.is_file()} == data


def test_version_is_that_of_the_library(nexpr):
    assert nexpr("--version")[1] == f"nexpr {NExpRLib.__version__}\n"
