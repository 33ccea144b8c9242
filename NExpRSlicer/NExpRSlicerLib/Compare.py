"""Comparing a result with its input: one in place of the other, or both side by side."""

from __future__ import annotations

import numpy as np
import slicer

from .SliceViews import rotateToPlane

_INPUT = "NExpR.Input"  # node reference of a result


def rememberInput(result: slicer.vtkMRMLScalarVolumeNode, inputVolume: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Let a result know what it was computed from, also in a scene that is saved and loaded."""
    result.SetNodeReferenceID(_INPUT, inputVolume.GetID())


def resultOf(inputVolume: slicer.vtkMRMLScalarVolumeNode | None) -> slicer.vtkMRMLScalarVolumeNode | None:
    """The newest result of a volume in the scene."""
    return next(reversed(resultsOf(inputVolume)), None) if inputVolume is not None else None


def resultsOf(inputVolume: slicer.vtkMRMLScalarVolumeNode) -> list[slicer.vtkMRMLScalarVolumeNode]:
    """All results of a volume in the scene, the oldest first."""
    nodes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    return [node for node in nodes if node.GetNodeReference(_INPUT) is inputVolume]


class SideBySide:
    """Two slice views beside each other that move together, and the way back to the layout before."""

    _NAMES = ("Red", "Yellow")

    def __init__(self):
        self._before = None

    @property
    def shown(self) -> bool:
        return self._before is not None and self._layout().GetViewArrangement() == self._arrangement

    def show(
        self,
        volumes: tuple[slicer.vtkMRMLVolumeNode, slicer.vtkMRMLVolumeNode],
        ijkToWorld: np.ndarray,
        sliceAxis: int,
    ) -> None:
        """
        :param volumes: left and right.
        :param ijkToWorld: 4x4 array of the input.
        :param sliceAxis: volume axis across the plane that is shown.
        """
        layout = self._layout()
        self._before = layout.GetViewArrangement(), [_stateOf(*_view(name)) for name in self._NAMES]
        layout.SetViewArrangement(self._arrangement)
        first = _view(self._NAMES[0])[0]
        rotateToPlane(first, ijkToWorld, sliceAxis)
        for name, volume in zip(self._NAMES, volumes):
            sliceNode, compositeNode = _view(name)
            compositeNode.SetLinkedControl(False)
            compositeNode.SetBackgroundVolumeID(volume.GetID())
            sliceNode.GetSliceToRAS().DeepCopy(first.GetSliceToRAS())
            sliceNode.UpdateMatrices()
        layoutManager = slicer.app.layoutManager()
        for name in self._NAMES:
            if layoutManager is not None:
                layoutManager.sliceWidget(name).sliceLogic().FitSliceToBackground()
            compositeNode = _view(name)[1]
            compositeNode.SetHotLinkedControl(True)
            compositeNode.SetLinkedControl(True)

    def end(self) -> None:
        """Back to the layout before, where the user has not left it."""
        if self.shown:
            arrangement, states = self._before
            self._layout().SetViewArrangement(arrangement)
            for name, state in zip(self._NAMES, states):
                _restore(*_view(name), state)
        self._before = None

    @property
    def _arrangement(self) -> int:
        return slicer.vtkMRMLLayoutNode.SlicerLayoutSideBySideView

    def _layout(self) -> slicer.vtkMRMLLayoutNode:
        return slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLLayoutNode")


def _view(name: str) -> tuple[slicer.vtkMRMLSliceNode, slicer.vtkMRMLSliceCompositeNode]:
    sliceNodes = slicer.util.getNodesByClass("vtkMRMLSliceNode")
    sliceNode = next(node for node in sliceNodes if node.GetLayoutName() == name)
    return sliceNode, slicer.vtkMRMLSliceLogic.GetSliceCompositeNode(sliceNode)


def _stateOf(sliceNode: slicer.vtkMRMLSliceNode, compositeNode: slicer.vtkMRMLSliceCompositeNode) -> tuple:
    return (
        slicer.util.arrayFromVTKMatrix(sliceNode.GetSliceToRAS()),
        sliceNode.GetFieldOfView(),
        compositeNode.GetBackgroundVolumeID(),
        compositeNode.GetLinkedControl(),
        compositeNode.GetHotLinkedControl(),
    )


def _restore(sliceNode: slicer.vtkMRMLSliceNode, compositeNode: slicer.vtkMRMLSliceCompositeNode, state: tuple) -> None:
    sliceToRAS, fieldOfView, background, linked, hotLinked = state
    compositeNode.SetLinkedControl(False)
    sliceNode.GetSliceToRAS().DeepCopy(slicer.util.vtkMatrixFromArray(sliceToRAS))
    sliceNode.SetFieldOfView(*fieldOfView)
    sliceNode.UpdateMatrices()
    compositeNode.SetBackgroundVolumeID(background)
    compositeNode.SetHotLinkedControl(hotLinked)
    compositeNode.SetLinkedControl(linked)
