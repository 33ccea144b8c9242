"""The volume that shows the preview: one slice, in the foreground of one slice view, not part of the user's data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import slicer

from .Volumes import displayLike

NAME = "NExpR preview"
DETAIL_OPACITY = 0.6
# Of the input's window. In 99 of 100 pixels of MRI and CT, detail is within 1 to 4 % of it, in both directions.
DETAIL_WINDOW = 0.05
DETAIL_WINDOW_THROUGH = 0.3  # Between thick slices, detail is 4 to 8 times as large.
# Share of the color scale on both sides of zero where nothing is drawn. Slicer's slice views know no half transparency
# within one volume: any color that is drawn at all dims the anatomy beneath by the opacity of the volume.
DETAIL_CLEAR = 0.2
_DETAIL_COLORS = 255  # odd, so that the middle is zero
_DARKER = np.array([[0.35, 0.55, 0.75], [0.0, 0.45, 1.0]])  # little and much
_BRIGHTER = np.array([[0.75, 0.6, 0.35], [1.0, 0.5, 0.0]])


class PreviewNode:
    """Creates the volume when it is shown and removes it when it is hidden for good.

    :ivar compositeNode: of the slice view in whose foreground it was put, or None.
    """

    def __init__(self):
        self._node = None
        self._detailColors = None
        self.compositeNode = None
        self._previousForeground = None
        self._opacity = None  # as the user faded it, to last from slice to slice
        # (time stamp of the input's display, window of inferred detail or 0, window and level) last taken over
        self._display = None

    @property
    def present(self) -> bool:
        """Whether the volume is in the scene."""
        return self._node is not None and slicer.mrmlScene.IsNodePresent(self._node) and self.displayNode is not None

    @property
    def displayNode(self) -> slicer.vtkMRMLScalarVolumeDisplayNode:
        """Display node of the volume."""
        return self._node.GetDisplayNode()

    def isShownIn(self, compositeNode: slicer.vtkMRMLSliceCompositeNode) -> bool:
        """Whether the volume is the foreground of a slice view."""
        return self.present and compositeNode.GetForegroundVolumeID() == self._node.GetID()

    def show(
        self, compositeNode: slicer.vtkMRMLSliceCompositeNode, pixels: np.ndarray, ijkToWorld: tuple[float, ...]
    ) -> None:
        """Put pixels (rows, columns) into the foreground of a slice view."""
        self._ensureNode()
        matrix = np.reshape(ijkToWorld, (4, 4))
        with slicer.util.NodeModify(self._node):
            self._node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(matrix))
            slicer.util.updateVolumeFromArray(self._node, pixels[None])
        self._setForeground(compositeNode)

    def move(self, ijkToWorld: tuple[float, ...]) -> None:
        """Show the same pixels elsewhere."""
        self._node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(np.reshape(ijkToWorld, (4, 4))))

    def showLike(
        self,
        inputVolume: slicer.vtkMRMLScalarVolumeNode,
        inferredDetail: bool,
        ofScreen: bool,
        detailWindow: float,
    ) -> None:
        """Take over the display of the input volume, or set a symmetric color scale for inferred detail.

        If the user changed the window of the preview, the input volume follows.

        :param ofScreen: the pixels are those of the screen, where interpolating them would only blur.
        :param detailWindow: width of the color scale, as a share of the input's window.
        """
        detail = detailWindow if inferredDetail else 0.0
        if not self._display or bool(self._display[1]) != inferredDetail:
            _setOpacity(self.compositeNode, DETAIL_OPACITY if inferredDetail else 1)
        self._opacity = self.compositeNode.GetForegroundOpacity()
        inputDisplay, display = inputVolume.GetScalarVolumeDisplayNode(), self._node.GetDisplayNode()
        if inputDisplay is None:
            return
        windowLevel = (display.GetWindow(), display.GetLevel())
        if self._display and not self._display[1]:
            if display.GetAutoWindowLevel():  # The user reset the window; that of one slice is not that of the volume.
                inputDisplay.SetAutoWindowLevel(True)
                self._display = None
            elif windowLevel != self._display[-1]:
                inputDisplay.SetAutoWindowLevel(False)
                inputDisplay.SetWindowLevel(*windowLevel)
        if inferredDetail and (display.GetLevel() != 0 or display.GetAutoWindowLevel()):
            # The user's window may be another, but nothing added has to stay clear.
            display.SetAutoWindowLevel(False)
            display.SetWindowLevel(display.GetWindow(), 0)
        # Compare first: copying fires an event even if nothing changes.
        if not self._display or self._display[:-1] != (inputDisplay.GetMTime(), detail):
            with slicer.util.NodeModify(display):
                displayLike(self._node, inputDisplay)
                display.SetApplyThreshold(False)  # What it hides of the preview would show the input beneath.
                if inferredDetail:
                    self._setDetailColors(display, detail * inputDisplay.GetWindow())
        display.SetInterpolate(inputDisplay.GetInterpolate() and not ofScreen)
        self._display = (inputDisplay.GetMTime(), detail, (display.GetWindow(), display.GetLevel()))

    def hide(self) -> None:
        """Give the slice view back its foreground; the volume is kept for the next slice."""
        compositeNode, self.compositeNode = self.compositeNode, None
        if compositeNode is None or not slicer.mrmlScene.IsNodePresent(compositeNode):
            return
        volumeID, opacity, compositing = self._previousForeground
        shown = (compositeNode.GetForegroundOpacity(), compositeNode.GetCompositing())
        if self.isShownIn(compositeNode) or not self.present:
            with _unlinked(compositeNode):
                compositeNode.SetForegroundVolumeID(volumeID)
        elif compositeNode.GetForegroundVolumeID() is not None and (
            volumeID is None or shown != (self._opacity, slicer.vtkMRMLSliceCompositeNode.Alpha)
        ):
            return  # The user chose another foreground, and this is how it is to be shown.
        with _unlinked(compositeNode):
            compositeNode.SetForegroundOpacity(opacity)
            compositeNode.SetCompositing(compositing)

    def remove(self) -> None:
        """Leave the scene as if there had been no preview."""
        self.hide()
        node, self._node, self._display, self._opacity = self._node, None, None, None
        colors, self._detailColors = self._detailColors, None
        if node is not None and slicer.mrmlScene.IsNodePresent(node):
            displayNode = node.GetDisplayNode()
            if displayNode is not None and _isInSceneView(displayNode):
                # Removing it would bring back the scene view, and all that it holds.
                node.SetAndObserveDisplayNodeID(None)
                displayNode = None
            slicer.mrmlScene.RemoveNode(node)
            # The module Volumes removes it along with the volume.
            if displayNode is not None and slicer.mrmlScene.IsNodePresent(displayNode):
                slicer.mrmlScene.RemoveNode(displayNode)
        if colors is not None and slicer.mrmlScene.IsNodePresent(colors):
            slicer.mrmlScene.RemoveNode(colors)

    def _ensureNode(self) -> None:
        if self.present:
            return
        self.remove()
        display = slicer.vtkMRMLScalarVolumeDisplayNode()
        self._node = slicer.vtkMRMLScalarVolumeNode()
        display.SetName(f"{NAME} display")
        self._node.SetName(NAME)
        for node in (display, self._node):
            _addOwn(node)
        self._node.SetAndObserveDisplayNodeID(display.GetID())
        self._display = None

    def _setDetailColors(self, display: slicer.vtkMRMLScalarVolumeDisplayNode, window: float) -> None:
        """Clear where nothing was added, whatever the mapping of the input's intensities."""
        display.SetScalarRangeFlag(slicer.vtkMRMLDisplayNode.UseDataScalarRange)  # not direct mapping
        display.SetInvertDisplayScalarRange(False)
        if hasattr(display, "SetWindowMappingMethod"):  # Slicer 5.12 and later
            display.SetWindowMappingMethod(0)
        display.SetWindowLevel(window, 0)
        display.SetAndObserveColorNodeID(self._detailColorNodeID())

    def _detailColorNodeID(self) -> str:
        if self._detailColors is None or not slicer.mrmlScene.IsNodePresent(self._detailColors):
            self._detailColors = _createDetailColors()
            _addOwn(self._detailColors)
        return self._detailColors.GetID()

    def _setForeground(self, compositeNode: slicer.vtkMRMLSliceCompositeNode) -> None:
        if compositeNode is self.compositeNode and compositeNode.GetForegroundVolumeID() == self._node.GetID():
            return
        self.hide()  # Also where the user chose another foreground: its opacity is not that of the preview.
        self.compositeNode = compositeNode
        self._previousForeground = (
            compositeNode.GetForegroundVolumeID(),
            compositeNode.GetForegroundOpacity(),
            compositeNode.GetCompositing(),
        )
        with _unlinked(compositeNode):
            compositeNode.SetForegroundVolumeID(self._node.GetID())
            # Adding or subtracting the preview would show other intensities.
            compositeNode.SetCompositing(slicer.vtkMRMLSliceCompositeNode.Alpha)
        if self._opacity is not None:
            _setOpacity(compositeNode, self._opacity)


def _createDetailColors() -> slicer.vtkMRMLColorTableNode:
    """Color table from blue (darker) through nothing to orange (brighter), not in the scene yet."""
    colors = slicer.vtkMRMLColorTableNode()
    colors.SetName("NExpR inferred detail")
    colors.SetTypeToUser()
    colors.SetNumberOfColors(_DETAIL_COLORS)
    middle = _DETAIL_COLORS // 2
    for index in range(_DETAIL_COLORS):
        strength = (index - middle) / middle
        little, much = _BRIGHTER if strength > 0 else _DARKER
        color = little + abs(strength) * (much - little)
        colors.SetColor(index, f"{strength:+.0%}", *color, float(abs(strength) >= DETAIL_CLEAR))
    return colors


def _isInSceneView(node: slicer.vtkMRMLNode) -> bool:
    """Whether a scene view was stored while the node was in the scene."""
    browserNodes = slicer.util.getNodesByClass("vtkMRMLSequenceBrowserNode")
    return any(browserNode.GetSequenceNode(node) is not None for browserNode in browserNodes)


def _setOpacity(compositeNode: slicer.vtkMRMLSliceCompositeNode, opacity: float) -> None:
    if compositeNode.GetForegroundOpacity() != opacity:  # Unlinking fires events even if nothing changes.
        with _unlinked(compositeNode):
            compositeNode.SetForegroundOpacity(opacity)


@contextmanager
def _unlinked(compositeNode: slicer.vtkMRMLSliceCompositeNode) -> Iterator[None]:
    """Change this slice view only: those that are linked with it would follow."""
    linked = compositeNode.GetLinkedControl()
    compositeNode.SetLinkedControl(False)
    try:
        yield
    finally:
        compositeNode.SetLinkedControl(linked)


def _addOwn(node: slicer.vtkMRMLNode) -> None:
    """Add a node to the scene that is no data of the user."""
    # Before it is added, so that no list of nodes ever shows it.
    node.SetHideFromEditors(True)
    node.SetSaveWithScene(False)
    node.SetUndoEnabled(False)
    slicer.mrmlScene.AddNode(node)
