"""Gates of the Extensions Index, and rules for code that Slicer loads, read from the source."""

import ast
import struct
import sys

import pytest

from .conftest import MODULE_FOLDER, REPOSITORY

LOADED_BY_SLICER = sorted(MODULE_FOLDER.rglob("*.py"))
ALLOWED_AT_FILE_SCOPE = {"numpy", "scipy", "vtk", "SimpleITK", "slicer", "qt", "ctk", "NExpRLib", "NExpRSlicerLib"}


def file_scope_imports(tree):
    """Top-level names of packages that are imported when the file is; relative imports and translation are left out."""
    names = set()
    pending = list(tree.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(node.module)
        elif not isinstance(node, (ast.FunctionDef, ast.Lambda)):
            pending += [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)]
    return {name.split(".")[0] for name in names - {"slicer.i18n"}}


@pytest.mark.parametrize("path", LOADED_BY_SLICER, ids=lambda path: path.name)
def test_only_packages_of_slicer_are_imported_at_file_scope(path):
    imported = file_scope_imports(ast.parse(path.read_text(encoding="utf-8")))
    assert imported <= ALLOWED_AT_FILE_SCOPE | sys.stdlib_module_names


@pytest.mark.parametrize("path", LOADED_BY_SLICER, ids=lambda path: path.name)
def test_no_code_runs_when_a_file_is_loaded(path):
    allowed = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign)
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        path_setup = path.name == "NExpRSlicer.py" and isinstance(node, ast.For)
        for_types = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        assert isinstance(node, allowed) or docstring or path_setup or for_types, f"line {node.lineno}"


@pytest.mark.parametrize("path", LOADED_BY_SLICER, ids=lambda path: path.name)
def test_translated_texts_are_literals(path):
    """Translators only see literals: no f-string, concatenation or call inside _()."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "_":
            (argument,) = node.args
            assert isinstance(argument, ast.Constant), f"line {node.lineno}"
            assert isinstance(argument.value, str)


def test_only_dependencies_py_installs_anything():
    for path in LOADED_BY_SLICER:
        text = path.read_text(encoding="utf-8")
        called = {
            getattr(c.func, "attr", getattr(c.func, "id", ""))
            for c in ast.walk(ast.parse(text))
            if isinstance(c, ast.Call)
        }
        assert not called & {"pip_install", "pip_ensure", "executePythonModule", "system", "Popen"}
        assert "urllib" not in text
        assert ("PyTorchUtils" in text) == (path.name == "Dependencies.py")


def test_threads_are_given_no_mrml():
    """Files whose functions run in the worker thread import neither slicer nor vtk, except for translation."""
    for name in ("Worker.py", "SliceEncoder.py"):
        imported = file_scope_imports(ast.parse((MODULE_FOLDER / "NExpRSlicerLib" / name).read_text(encoding="utf-8")))
        assert not imported & {"slicer", "vtk", "qt"}


def test_icon_is_a_png_of_128_pixels():
    data = (MODULE_FOLDER / "Resources" / "Icons" / "NExpRSlicer.png").read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", data[16:24]) == (128, 128)


def test_licence_is_there():
    assert (REPOSITORY / "LICENSE").stat().st_size > 500
