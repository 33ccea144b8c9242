"""Which slice views show a volume, which of them in the plane that is refined, and where."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import slicer
import vtk

View = tuple["slicer.vtkMRMLSliceNode", "slicer.vtkMRMLSliceCompositeNode"]


class CornerText:
    """A line of text in the bottom right corner of a slice view."""

    def __init__(self):
        self._layoutName = ""
        self._actor = vtk.vtkTextActor()
        style = self._actor.GetTextProperty()
        style.SetFontSize(14)
        style.SetColor(1.0, 1.0, 0.6)
        style.SetShadow(True)
        style.SetJustificationToRight()
        self._actor.GetPositionCoordinate().SetCoordinateSystemToNormalizedViewport()
        self._actor.SetPosition(0.98, 0.02)

    def show(self, layoutName: str, text: str) -> None:
        """Show a text in one view, and in no other; an empty text in none."""
        layoutName = layoutName if text else ""
        if (layoutName, text) == (self._layoutName, self._actor.GetInput()):
            return
        self._actor.SetInput(text)
        for name, change in ((self._layoutName, "RemoveActor2D"), (layoutName, "AddActor2D")):
            view = _sliceView(name)
            if view is not None:
                getattr(view.renderWindow().GetRenderers().GetFirstRenderer(), change)(self._actor)
                view.scheduleRender()
        self._layoutName = layoutName


def _sliceView(layoutName: str):
    """ctkVTKSliceView, or None if there is none of this name, or no application window."""
    layoutManager = slicer.app.layoutManager()
    sliceWidget = layoutManager.sliceWidget(layoutName) if layoutManager is not None and layoutName else None
    return sliceWidget.sliceView() if sliceWidget is not None else None


def viewOf(
    volumeNodes: Iterable[slicer.vtkMRMLVolumeNode], ijkToWorld: np.ndarray, sliceAxis: int, closestAxis: bool = False
) -> View | None:
    """The slice node whose view is closest to the plane, among those that show one of the volumes in the background.

    :param ijkToWorld: 4x4 array of a volume with these directions.
    :param sliceAxis: volume axis across the plane that is refined.
    :param closestAxis: only views to which no other plane of the volume is closer.
    :return: (slice node, slice composite node), or None if no view shows any.
    """
    normal = np.cross(*np.delete(ijkToWorld[:3, :3], sliceAxis, axis=1).T)
    views = viewsOf(volumeNodes)
    if closestAxis:
        views = [view for view in views if acrossOf(view[0], ijkToWorld) == sliceAxis]
    return max(views, key=lambda view: abs(normal @ _normal(view[0])), default=None)


def acrossOf(sliceNode: slicer.vtkMRMLSliceNode, ijkToWorld: np.ndarray) -> int:
    """The axis of a volume that lies across a slice view, or is closest to that.

    :param ijkToWorld: 4x4 array of the volume.
    """
    normals = np.linalg.inv(ijkToWorld)[:3, :3]
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return int(np.abs(normals @ _normal(sliceNode)).argmax())


def viewsOf(volumeNodes: Iterable[slicer.vtkMRMLVolumeNode]) -> list[View]:
    """(slice node, slice composite node) of the views that show one of these volumes in the background."""
    identifiers = [volumeNode.GetID() for volumeNode in volumeNodes]
    return [view for view in layoutViews() if view[1].GetBackgroundVolumeID() in identifiers]


def layoutViews() -> list[View]:
    """(slice node, slice composite node) of the views of the layout."""
    sliceNodes = [node for node in slicer.util.getNodesByClass("vtkMRMLSliceNode") if node.IsMappedInLayout()]
    views = [(node, slicer.vtkMRMLSliceLogic.GetSliceCompositeNode(node)) for node in sliceNodes]
    return [view for view in views if view[1] is not None]


def isShown(volumeNode: slicer.vtkMRMLVolumeNode | None) -> bool:
    """Whether a slice view of the layout shows a volume, in the background or the foreground."""
    if volumeNode is None:
        return False
    return any(
        volumeNode.GetID() in (compositeNode.GetBackgroundVolumeID(), compositeNode.GetForegroundVolumeID())
        for _sliceNode, compositeNode in layoutViews()
    )


def showInstead(volumeNode: slicer.vtkMRMLVolumeNode, outputVolume: slicer.vtkMRMLVolumeNode) -> bool:
    """Show another volume where a volume is shown, in the background or the foreground of slice views.

    :return: whether it was shown anywhere.
    """
    shown = False
    for compositeNode in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
        for layer in ("Background", "Foreground"):
            if getattr(compositeNode, f"Get{layer}VolumeID")() == volumeNode.GetID():
                getattr(compositeNode, f"Set{layer}VolumeID")(outputVolume.GetID())
                shown = True
    return shown


def viewNodes() -> list[slicer.vtkMRMLNode]:
    """All slice nodes and slice composite nodes."""
    classNames = ("vtkMRMLSliceNode", "vtkMRMLSliceCompositeNode")
    return [node for className in classNames for node in slicer.util.getNodesByClass(className)]


def xyToWorld(sliceNode: slicer.vtkMRMLSliceNode) -> np.ndarray:
    """4x4 array from the view's pixels to world coordinates."""
    return slicer.util.arrayFromVTKMatrix(sliceNode.GetXYToRAS())


def rotateToPlane(sliceNode: slicer.vtkMRMLSliceNode, ijkToWorld: np.ndarray, sliceAxis: int) -> None:
    """Turn a slice view so that it is parallel to the plane across a volume axis; its own axes stay perpendicular."""
    first, second = (axis for axis in range(3) if axis != sliceAxis)
    axes = np.eye(4)
    along, other = ijkToWorld[:3, first], ijkToWorld[:3, second]
    across = np.cross(along, other)
    perpendicular = np.cross(across, along)
    for axis, direction in ((first, along), (second, perpendicular), (sliceAxis, across)):
        axes[:3, axis] = np.copysign(1, direction @ ijkToWorld[:3, axis]) * direction / np.linalg.norm(direction)
    sliceNode.RotateToAxes(slicer.util.vtkMatrixFromArray(axes), sliceAxis)


def showsSlab(sliceNode: slicer.vtkMRMLSliceNode, ijkToWorld: np.ndarray, sliceAxis: int) -> bool:
    """Whether a slice view combines more than one slice of a volume, as maximum intensity projections do."""
    thickness = sliceNode.GetSlabReconstructionThickness()
    return bool(sliceNode.GetSlabReconstructionEnabled()) and thickness > np.linalg.norm(ijkToWorld[:3, sliceAxis])


def viewSize(sliceNode: slicer.vtkMRMLSliceNode) -> tuple[int, int]:
    """(width, height) in pixels."""
    return tuple(sliceNode.GetDimensions()[:2])


def _normal(sliceNode: slicer.vtkMRMLSliceNode) -> np.ndarray:
    return slicer.util.arrayFromVTKMatrix(sliceNode.GetSliceToRAS())[:3, 2]
