"""Slicer's libraries for tests: the MRML libraries are real (wheel slicer-core), the application is a stand-in.

The wheel lacks the Python parts of Slicer that need its application; ``slicer_stand_ins`` fills the gaps.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from NExpRLib.kspace import kspace_crop, zero_fill

from ..conftest import TINY, write_model

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


@pytest.fixture(scope="session")
def slices_folder(tmp_path_factory):
    """A model of random weights for stacks of slices, which sees the same in every range of intensities."""
    config = replace(TINY, conditions=2, equivariant=True)
    folder = write_model(tmp_path_factory.mktemp("slices") / "tiny-slices", config, 0.05)
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps({**card, "degradation": "slices", "scales": [1, 8]}))
    return folder


@pytest.fixture(scope="session")
def interpolated():
    """Slices of which two thirds of the rows and half of the columns were measured, with noise."""
    rng = np.random.default_rng(3)
    measured = rng.normal(size=(4, 80, 64)).cumsum(axis=1).cumsum(axis=2)
    measured = kspace_crop(measured - measured.mean(), (80, 64))
    measured = 500 + 100 * measured / measured.std() + rng.normal(scale=4, size=measured.shape)
    return np.abs(zero_fill(measured, (120, 128), (0.0, 0.0))).astype(np.float32)


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
