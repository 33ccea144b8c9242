"""Slicer's libraries for tests: the MRML libraries are real (wheel slicer-core), the application is a stand-in.

The wheel lacks the Python parts of Slicer that need its application; ``slicer_stand_ins`` fills the gaps.
"""

import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
MODULE_FOLDER = REPOSITORY / "NExpRSlicer"

from . import slicer_stand_ins  # noqa: E402

slicer_stand_ins.install()
sys.path.insert(0, str(MODULE_FOLDER))


@pytest.fixture
def scene():
    """An empty MRML scene that the module sees as slicer.mrmlScene."""
    slicer = pytest.importorskip("slicer")
    if not hasattr(slicer, "vtkMRMLScene"):
        pytest.skip("the wheel slicer-core is not installed (pip install slicer-core)")
    scene = slicer.vtkMRMLScene()
    sequencesLogic = slicer.vtkSlicerSequencesLogic()  # replays sequences as long as it exists
    sequencesLogic.SetMRMLScene(scene)
    previous, slicer.mrmlScene = getattr(slicer, "mrmlScene", None), scene
    yield scene
    scene.Clear(1)
    sequencesLogic.SetMRMLScene(None)
    slicer.mrmlScene = previous


@pytest.fixture
def stage(scene, tiny_model_folder):
    """A scene with three slice views, a volume in all of them, and the preview of it."""
    from .stage import Stage

    stage = Stage(scene, tiny_model_folder)
    yield stage
    stage.preview.stop()
    stage.worker.stop()


@pytest.fixture
def logic(scene):
    from NExpRSlicer import NExpRSlicerLogic

    return NExpRSlicerLogic()


@pytest.fixture
def volume(scene):
    """A small axial volume."""
    from .volumes import add_volume, matrix_of, smooth_pixels

    return add_volume(smooth_pixels((3, 12, 10)), matrix_of("axial"))


@pytest.fixture
def widget(scene, tiny_model_folder):
    """The module as the user finds it after loading a volume and choosing a model."""
    import slicer.util

    from .gui_stand_ins import Shortcut, Timer
    from .opened_widget import opened
    from .stage import add_view
    from .volumes import add_volume, matrix_of, smooth_pixels

    Timer.active.clear()
    Shortcut.present.clear()
    add_view(scene, "Red", "Axial")
    volume = add_volume(smooth_pixels((4, 20, 24)), matrix_of("axial", origin=(0, 0, 0)))
    slicer.util.setSliceViewerLayers(background=volume)
    widget = opened(scene, tiny_model_folder)
    yield widget
    widget.cleanup()
