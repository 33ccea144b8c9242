"""Every public function of the library has hints and an example, and the examples run as they are printed."""

import doctest
import importlib
import inspect
import pkgutil

import pytest

import NExpRLib

MODULES = [info.name for info in pkgutil.walk_packages(NExpRLib.__path__, "NExpRLib.")]
NEEDS_A_GPU = {"draw_on_gpu"}


def public_functions(module):
    return [
        function
        for name, function in vars(module).items()
        if callable(inspect.unwrap(function)) and not inspect.isclass(function) and not name.startswith("_")
        if getattr(function, "__module__", None) == module.__name__
    ]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize("name", MODULES)
def test_public_functions_have_an_example_and_hints(name):
    for function in public_functions(importlib.import_module(name)):
        assert function.__name__ in NEEDS_A_GPU or ">>>" in function.__doc__, function
        signature = inspect.signature(function)
        hints = [parameter.annotation for parameter in signature.parameters.values()] + [signature.return_annotation]
        assert inspect.Signature.empty not in hints, function


def test_examples_are_found():
    functions = [f.__name__ for name in MODULES for f in public_functions(importlib.import_module(name))]
    assert {"upsample", "load_model", "interpolate", "robust_range", "prefilter_matrix"} <= set(functions)
