"""Comparing a result with its input: one in place of the other, or both side by side."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import slicer

from .SliceViews import View, isShown, rotateToPlane, viewOf, viewSize

_INPUT = "NExpR.Input"  # node reference of a result


def rememberInput(result: slicer.vtkMRMLScalarVolumeNode, inputVolume: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Let a result know what it was computed from, also in a scene that is saved and loaded."""
    result.SetNodeReferenceID(_INPUT, inputVolume.GetID())


def resultOf(inputVolume: slicer.vtkMRMLScalarVolumeNode | None) -> slicer.vtkMRMLScalarVolumeNode | None:
    """The newest result of a volume among those that are shown, or of all in the scene if none is."""
    results = resultsOf(inputVolume) if inputVolume is not None else []
    return next(reversed([result for result in results if isShown(result)] or results), None)


def resultsOf(inputVolume: slicer.vtkMRMLScalarVolumeNode) -> list[slicer.vtkMRMLScalarVolumeNode]:
    """All results of a volume in the scene, the oldest first."""
    nodes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    return [node for node in nodes if node.GetNodeReference(_INPUT) is inputVolume]


class SideBySide:
    """Two slice views beside each other that move together, and the way back to the layout before."""

    _NAMES = ("Red", "Yellow")

    def __init__(self):
        self._before = None  # arrangement of the layout, maximized views, states of the two views
        self._compared: list[str] = []  # IDs of volumes, the one to show rather last

    @property
    def shown(self) -> bool:
        return self._before is not None and self._layout().GetViewArrangement() == self._arrangement

    def show(
        self,
        volumes: tuple[slicer.vtkMRMLVolumeNode, slicer.vtkMRMLVolumeNode],
        ijkToWorld: np.ndarray,
        sliceAxis: int,
    ) -> None:
        """Where a view shows that plane enlarged, both show the same part of it.

        :param volumes: left and right.
        :param ijkToWorld: 4x4 array of the input.
        :param sliceAxis: volume axis across the plane that is shown.
        """
        layout, views = self._layout(), [_view(name) for name in self._NAMES]
        maximized = [layout.GetMaximizedViewNode(n) for n in range(layout.GetNumberOfMaximizedViewNodes())]
        self._before = layout.GetViewArrangement(), maximized, [_stateOf(*view) for view in views]
        self._compared = [volume.GetID() for volume in reversed(volumes)]
        start = (viewOf(volumes, ijkToWorld, sliceAxis) or views[0])[0]
        place, mmPerPixel = _placeOf(start), start.GetFieldOfView()[0] / viewSize(start)[0]
        self._arrange(self._arrangement)
        for (_sliceNode, compositeNode), volume in zip(views, volumes):
            compositeNode.SetLinkedControl(False)
            compositeNode.SetBackgroundVolumeID(volume.GetID())
        left, right = (sliceNode for sliceNode, _compositeNode in views)
        _moveTo(left, place)
        width, height = viewSize(left)
        left.SetFieldOfView(mmPerPixel * width, mmPerPixel * height, left.GetFieldOfView()[2])
        rotateToPlane(left, ijkToWorld, sliceAxis)
        enlarged = _placeOf(left)
        layoutManager = slicer.app.layoutManager()
        if layoutManager is not None:
            layoutManager.sliceWidget(self._NAMES[0]).sliceLogic().FitSliceToBackground()
        if mmPerPixel * width < left.GetFieldOfView()[0]:
            _moveTo(left, enlarged)
        _moveTo(right, _placeOf(left))
        for _sliceNode, compositeNode in views:
            compositeNode.SetHotLinkedControl(True)
            compositeNode.SetLinkedControl(True)

    def showLeft(self, volume: slicer.vtkMRMLVolumeNode) -> None:
        """Show another volume beside the one on the right."""
        _view(self._NAMES[0])[1].SetBackgroundVolumeID(volume.GetID())
        self._compared.append(volume.GetID())

    def align(self) -> None:
        """Let the right view follow where a program moved the left one: only what users move is linked."""
        if not self.shown:
            return
        (left, compositeNode), (right, _compositeNode) = [_view(name) for name in self._NAMES]
        if compositeNode.GetLinkedControl():
            _moveTo(right, _placeOf(left))

    def forgetViews(self) -> None:
        """The scene closes: of what was before, the layout is left."""
        if self._before is not None:
            self._before = self._before[0], [], []

    def end(self) -> None:
        """Back to the layout before, where the user has not left it.

        A view whose volume was removed shows what is left of those that were compared.
        """
        if self.shown:
            *before, states = self._before
            self._arrange(*before)
            for name, (place, background, *linked) in zip(self._NAMES, states):
                if background is not None and not _present(background):
                    background = next(filter(_present, reversed(self._compared)), None)
                _restore(*_view(name), (place, background, *linked))
        self._before = None

    def _arrange(self, arrangement: int, maximized: Iterable[slicer.vtkMRMLAbstractViewNode] = ()) -> None:
        layout = self._layout()
        layout.RemoveAllMaximizedViewNodes()  # It would hide the others in any arrangement.
        layout.SetViewArrangement(arrangement)
        for viewNode in maximized:
            layout.AddMaximizedViewNode(viewNode)
        if slicer.app.layoutManager() is not None:
            slicer.app.processEvents()  # Views that take their new size change their field of view.

    @property
    def _arrangement(self) -> int:
        return slicer.vtkMRMLLayoutNode.SlicerLayoutSideBySideView

    def _layout(self) -> slicer.vtkMRMLLayoutNode:
        return slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLLayoutNode")


def _view(name: str) -> View:
    sliceNodes = slicer.util.getNodesByClass("vtkMRMLSliceNode")
    sliceNode = next(node for node in sliceNodes if node.GetLayoutName() == name)
    return sliceNode, slicer.vtkMRMLSliceLogic.GetSliceCompositeNode(sliceNode)


def _present(volumeID: str) -> bool:
    return slicer.mrmlScene.GetNodeByID(volumeID) is not None


def _placeOf(sliceNode: slicer.vtkMRMLSliceNode) -> tuple:
    """What part of which plane a view shows."""
    sliceToRAS = slicer.util.arrayFromVTKMatrix(sliceNode.GetSliceToRAS())
    return sliceToRAS, sliceNode.GetFieldOfView(), sliceNode.GetXYZOrigin()


def _moveTo(sliceNode: slicer.vtkMRMLSliceNode, place: tuple) -> None:
    sliceToRAS, fieldOfView, origin = place
    sliceNode.GetSliceToRAS().DeepCopy(slicer.util.vtkMatrixFromArray(sliceToRAS))
    sliceNode.SetFieldOfView(*fieldOfView)
    sliceNode.SetXYZOrigin(*origin)
    sliceNode.UpdateMatrices()


def _stateOf(sliceNode: slicer.vtkMRMLSliceNode, compositeNode: slicer.vtkMRMLSliceCompositeNode) -> tuple:
    return (
        _placeOf(sliceNode),
        compositeNode.GetBackgroundVolumeID(),
        compositeNode.GetLinkedControl(),
        compositeNode.GetHotLinkedControl(),
    )


def _restore(sliceNode: slicer.vtkMRMLSliceNode, compositeNode: slicer.vtkMRMLSliceCompositeNode, state: tuple) -> None:
    place, background, linked, hotLinked = state
    compositeNode.SetLinkedControl(False)
    _moveTo(sliceNode, place)
    compositeNode.SetBackgroundVolumeID(background)
    compositeNode.SetHotLinkedControl(hotLinked)
    compositeNode.SetLinkedControl(linked)
