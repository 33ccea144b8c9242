"""A scene with slice views and the live preview of a volume, for tests."""

import numpy as np
import slicer
import slicer.util

from NExpRLib import load_model
from NExpRSlicer import NExpRSlicerLogic
from NExpRSlicerLib.LivePreview import LivePreview
from NExpRSlicerLib.Models import ModelCache
from NExpRSlicerLib.Parameters import MODEL_FROM_FOLDER
from NExpRSlicerLib.Worker import Worker

from .volumes import add_volume, matrix_of, matrix_of_node, smooth_pixels

PREVIEW = "NExpR preview"


def add_view(scene, name, orientation):
    """A slice view of the usual orientations, 300 x 200 pixels."""
    sliceToRAS = {
        "Axial": [[-1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
        "Sagittal": [[0, 0, 1, 0], [-1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]],
        "Coronal": [[-1, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]],
    }[orientation]
    sliceNode = slicer.vtkMRMLSliceNode()
    sliceNode.SetName(name)
    sliceNode.SetLayoutName(name)
    sliceNode.SetMappedInLayout(1)
    sliceNode = scene.AddNode(sliceNode)
    sliceNode.GetSliceToRAS().DeepCopy(slicer.util.vtkMatrixFromArray(np.array(sliceToRAS, float)))
    sliceNode.SetDimensions(300, 200, 1)
    sliceNode.SetFieldOfView(60, 40, 1)
    sliceNode.UpdateMatrices()
    compositeNode = slicer.vtkMRMLSliceCompositeNode()
    compositeNode.SetLayoutName(name)
    compositeNode = scene.AddNode(compositeNode)
    return sliceNode, compositeNode


class Stage:
    """A scene with three slice views, a volume in all of them, and the preview of it."""

    def __init__(self, scene, model, direction="axial", shape=(5, 20, 24)):
        self.scene = scene
        self.views = {
            name: add_view(scene, name, orientation)
            for name, orientation in (("Red", "Axial"), ("Yellow", "Sagittal"), ("Green", "Coronal"))
        }
        self.pixels = smooth_pixels(shape)
        self.volume = add_volume(self.pixels, matrix_of(direction, origin=(0, 0, 0)))
        self.parameters = NExpRSlicerLogic().getParameterNode()
        self.parameters.model, self.parameters.modelPath = MODEL_FROM_FOLDER, model
        self.parameters.inputVolume = self.volume
        self.parameters.livePreview = True
        self.model = load_model(model, "cpu")
        self.changes = 0
        self.worker = Worker()
        self.preview = LivePreview(self.worker, ModelCache(), self.onChanged)
        self.showEverywhere(self.volume)
        self.center(self.volume)

    def onChanged(self):
        self.changes += 1

    def showEverywhere(self, volume):
        for _sliceNode, compositeNode in self.views.values():
            compositeNode.SetBackgroundVolumeID(volume.GetID())

    def center(self, volume, k=None):
        """Move the views to the center of the volume, or to slice k."""
        index = [(n - 1) / 2 for n in volume.GetImageData().GetDimensions()]
        index[2] = index[2] if k is None else k
        for sliceNode, _compositeNode in self.views.values():
            sliceNode.JumpSliceByCentering(*(matrix_of_node(volume) @ [*index, 1])[:3])

    def settle(self):
        """What the widget's timers do, until nothing is left to do."""
        for _ in range(20):
            self.preview.update(self.parameters)
            if not self.preview.encoding:
                return self.node
            self.preview.poll(timeout=10)
        raise AssertionError("the preview does not settle")

    @property
    def node(self):
        return slicer.util.getFirstNodeByName(PREVIEW, "vtkMRMLScalarVolumeNode")

    def shownIn(self):
        node = self.node
        return [
            name
            for name, (_sliceNode, composite) in self.views.items()
            if node is not None and composite.GetForegroundVolumeID() == node.GetID()
        ]

    def result(self, k, **target):
        """The slice by the library alone."""
        low, high = self.model.intensity_range(self.pixels)
        return self.model.represent(self.pixels[k], (low, high)).rasterize(**target)
