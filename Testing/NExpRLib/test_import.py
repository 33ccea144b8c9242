"""What loads without torch."""

import subprocess
import sys

import pytest

MODULES = [
    "",
    ".function.axis_operator",
    ".function.explicit_image",
    ".function.fourier_basis",
    ".volumes.plan",
    ".function.samples",
    ".intensity",
    ".function.interpolant",
    ".kspace",
    ".memory",
    ".model_card",
    ".volumes.upsampling",
]


def run_without_torch(program):
    blocked = "import sys; sys.modules['torch'] = None\n" + program
    return subprocess.run([sys.executable, "-c", blocked], capture_output=True, text=True)


def test_modules_that_need_no_torch():
    program = "\n".join(f"import NExpRLib{module}" for module in MODULES)
    finished = run_without_torch(program + "\nfrom NExpRLib import ExplicitImage")
    assert finished.returncode == 0, finished.stderr


def test_torch_is_really_absent_in_these_tests():
    finished = run_without_torch("from NExpRLib import load_model")
    assert finished.returncode != 0
    assert "torch" in finished.stderr


def test_public_names_are_listed():
    import NExpRLib

    assert set(NExpRLib.__all__) < set(dir(NExpRLib))


def test_public_names():
    import NExpRLib

    for name in NExpRLib.__all__:
        assert getattr(NExpRLib, name).__name__ == name
    with pytest.raises(AttributeError, match="no_such_name"):
        NExpRLib.no_such_name  # noqa: B018
