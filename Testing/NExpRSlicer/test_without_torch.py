"""Slicer loads the module on a computer without PyTorch: nothing fails until it is needed, and then it says so."""

import subprocess
import sys

import pytest

pytest.importorskip("slicer_core", reason="needs the wheel slicer-core")

from .conftest import MODULE_FOLDER, REPOSITORY

PREPARE = f"""
import importlib.abc, importlib.machinery, sys, types

class NoTorch(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")

sys.meta_path.insert(0, NoTorch())
sys.path[:0] = [{str(REPOSITORY)!r}]
from Testing.NExpRSlicer import gui_stand_ins, slicer_stand_ins, volumes
slicer_stand_ins.install()
sys.path = [{str(MODULE_FOLDER)!r}] + [path for path in sys.path if path != {str(REPOSITORY)!r}]
import slicer, slicer.util
before = set(sys.modules)
import NExpRSlicer
assert "NExpRLib" in sys.modules, "found beside the module's folder"
slicer.mrmlScene = slicer.vtkMRMLScene()
NExpRSlicer.NExpRSlicer(gui_stand_ins.Parent("x"))
widget = NExpRSlicer.NExpRSlicerWidget(gui_stand_ins.Parent())
widget.setup()
widget.enter()
volume = volumes.add_volume(volumes.smooth_pixels((2, 8, 9)), volumes.matrix_of("axial"))
widget._parameterNode.inputVolume = volume
widget._parameterNode.modelPath = sys.argv[1]
widget._parameterNode.model = "file"
gui_stand_ins.process_events(3)
"""


def run(code, tiny_model_folder):
    result = subprocess.run(
        [sys.executable, "-c", PREPARE + code, str(tiny_model_folder)], capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_nothing_fails_until_pytorch_is_needed(tiny_model_folder):
    run(
        """
assert "torch" not in sys.modules
assert widget.ui.applyButton.enabled, widget.ui.applyButton.toolTip
assert "18 x 16" in widget.ui.sizeLabel.text
""",
        tiny_model_folder,
    )


def test_apply_and_preview_say_which_extension_is_missing(tiny_model_folder):
    run(
        """
widget.ui.applyButton.click()
assert "extension PyTorch" in widget.ui.statusLabel.text, widget.ui.statusLabel.text
assert "Extensions Manager" in widget.ui.statusLabel.text
assert widget.ui.applyButton.text == "Apply"
widget._parameterNode.livePreview = True
widget.ui.statusLabel.text = ""
widget.ui.livePreviewCheckBox.click(True)
assert "extension PyTorch" in widget.ui.previewLabel.text
assert not widget._parameterNode.livePreview
gui_stand_ins.process_events(3)
assert "extension PyTorch" in widget.ui.previewLabel.text and widget.ui.previewLabel.visible
""",
        tiny_model_folder,
    )


def test_declining_to_install_changes_nothing(tiny_model_folder):
    run(
        """
asked = []
class PyTorchUtilsLogic:
    def installTorch(self, askConfirmation=False, forceComputationBackend=None, torchVersionRequirement=None,
                     torchvisionVersionRequirement=None):
        asked.append((askConfirmation, torchVersionRequirement, torchvisionVersionRequirement))
        return None
sys.modules["PyTorchUtils"] = types.SimpleNamespace(PyTorchUtilsLogic=PyTorchUtilsLogic)
nodes = slicer.mrmlScene.GetNumberOfNodes()
widget.ui.applyButton.click()
assert asked == [(True, ">=2.2", ">=0.17")]
assert "was not installed" in widget.ui.statusLabel.text
assert slicer.mrmlScene.GetNumberOfNodes() == nodes
""",
        tiny_model_folder,
    )


def test_failed_installation_is_explained(tiny_model_folder):
    run(
        """
class PyTorchUtilsLogic:
    def installTorch(self, **arguments):
        raise OSError("no connection")
sys.modules["PyTorchUtils"] = types.SimpleNamespace(PyTorchUtilsLogic=PyTorchUtilsLogic)
widget.ui.applyButton.click()
assert "could not be installed (no connection)" in widget.ui.statusLabel.text
assert widget.ui.applyButton.text == "Apply"
""",
        tiny_model_folder,
    )


@pytest.mark.parametrize("left", ["folder", "half"])
def test_rest_of_an_installation_of_pytorch(tiny_model_folder, tmp_path, left):
    """What an interrupted installation left is no PyTorch: a folder without code, or code that fails in any way."""
    (tmp_path / "torch").mkdir()
    if left == "half":
        (tmp_path / "torch" / "__init__.py").write_text("_C")
    said = {"folder": "NExpR needs the extension PyTorch", "half": "installed but does not start (name '_C'"}[left]
    run(
        f"""
sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, NoTorch)]
sys.path[:] = [{str(tmp_path)!r}] + [path for path in sys.path if "site-packages" not in path]
importlib.invalidate_caches()
widget._parameterNode.livePreview = True
gui_stand_ins.process_events(3)
assert widget.ui.previewLabel.text, "the preview says why it shows nothing"
assert widget.ui.applyButton.enabled
widget.ui.applyButton.click()
assert {said!r} in widget.ui.statusLabel.text, widget.ui.statusLabel.text
assert widget.ui.applyButton.text == "Apply"
""",
        tiny_model_folder,
    )


def test_pytorch_that_does_not_fit_numpy_is_explained(tiny_model_folder):
    run(
        """
class Tensor:
    def numpy(self):
        raise RuntimeError("Numpy is not available")
torch = types.ModuleType("torch")
torch.__spec__ = importlib.machinery.ModuleSpec("torch", None, origin="torch")
torch.__version__, torch.zeros = "2.2.2", lambda size: Tensor()
torch.cuda = torch.backends = types.SimpleNamespace(is_available=lambda: False)
torch.backends.mps = torch.cuda
sys.modules["torch"] = torch
widget.ui.applyButton.click()
assert 'slicer.util.pip_install("numpy<2")' in widget.ui.statusLabel.text, widget.ui.statusLabel.text
assert widget.ui.applyButton.text == "Apply"
widget._parameterNode.livePreview = True
gui_stand_ins.process_events(3)
assert "does not work with the NumPy" in widget.ui.previewLabel.text
""",
        tiny_model_folder,
    )


def test_script_gets_the_same_explanation(tiny_model_folder):
    run(
        """
try:
    widget.logic.process(volume, scale=2, model=sys.argv[1])
except RuntimeError as error:
    assert "extension PyTorch" in str(error)
else:
    raise AssertionError
""",
        tiny_model_folder,
    )
