"""The module's widget as the user opens it, with stand-ins for Qt, for tests."""

import time

import slicer
import slicer.util

import NExpRSlicer
from NExpRSlicerLib.Parameters import MODEL_FROM_FOLDER

from .gui_stand_ins import Parent, process_events
from .stage import PREVIEW


def opened(scene, model):
    widget = NExpRSlicer.NExpRSlicerWidget(Parent())
    widget.DOUBLE_CLICK_SECONDS = 0
    widget.setup()
    widget.enter()
    parameters = widget.logic.getParameterNode()
    parameters.model, parameters.modelPath = MODEL_FROM_FOLDER, model
    process_events()
    return widget


def wait(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "timeout"
        process_events()


def outputs(scene):
    return [node for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") if "NExpR 2x" in node.GetName()]


def preview():
    return slicer.util.getFirstNodeByName(PREVIEW, "vtkMRMLScalarVolumeNode")
