"""The preview in one slice view."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import slicer
from slicer.i18n import tr as _

from NExpRLib.memory import WORKING_BYTES_PER_PIXEL, available_memory, is_out_of_memory
from NExpRLib.volumes.volume import Volume

from .Models import ModelCache
from .Parameters import NExpRSlicerParameterNode, Settings
from .PreviewGrid import (
    NotShowable,
    PreviewGrid,
    Remedy,
    ShownPlane,
    sliceIndex,
    slicePosition,
    visibleGrid,
    wholeSliceGrid,
)
from .PreviewNode import DETAIL_WINDOW, DETAIL_WINDOW_THROUGH, PreviewNode
from .SliceEncoder import EncodedSlice, NoiseMix, SliceContent, SliceEncoder, VolumeRange, encodeSlice
from .SliceViews import CornerText, View, rotateToPlane, showsSlab, viewOf, viewSize, xyToWorld
from .Volumes import ijkToWorld
from .Worker import Worker

LARGEST_PREVIEW = 2**25  # pixels, drawn in about a second
_BESIDE = 0.05  # slices between the view and the slice that it shows, from which on it is said


@dataclass(frozen=True)
class PreviewSource:
    """What slices are encoded from.

    :ivar volume: as it was when the key was made; by the time that a slice is encoded, the node may hold other voxels.
    :ivar key: changes when their functions would.
    :ivar noise: whether they are encoded without their noise, too.
    """

    inputVolume: slicer.vtkMRMLScalarVolumeNode
    volume: Volume
    settings: Settings
    key: tuple
    noise: bool
    volumeRange: VolumeRange

    def content(self, plane: ShownPlane, index: int) -> SliceContent:
        pixels = plane.of(self.volume, index)
        return SliceContent(np.array(pixels), self.volumeRange, self.settings, plane)


class PreviewPane:
    """All methods are called in the main thread; only encoding runs in the worker's.

    :ivar shown: whether it shows a slice, or would but for the input that is shown to compare.
    :ivar remedy: what applyRemedy() would do about what hinders it, or None.
    """

    def __init__(self, worker: Worker, models: ModelCache, onChanged: Callable[[], None]):
        self.encoder = SliceEncoder(worker, partial(encodeSlice, models), onChanged)
        self.node = PreviewNode()
        self._corner = CornerText()
        self._drawn = ()  # (what the pixels depend on, in which view, where) or nothing
        self._mix = NoiseMix()
        self._index = 0  # of the slice that was shown last
        self._forward = 1  # or -1: where the user scrolls to
        self.shown = False
        self.remedy: Remedy | None = None

    def update(
        self,
        parameterNode: NExpRSlicerParameterNode,
        source: PreviewSource,
        plane: ShownPlane,
        view: View,
        showInput: bool,
        oneOfSeveral: bool,
    ) -> str:
        """
        :param view: to show it in.
        :param oneOfSeveral: whether other views show other planes.
        :return: what is shown.
        :raises NotShowable: if nothing can be.
        """
        inputVolume = source.inputVolume
        matrix = ijkToWorld(inputVolume)
        sliceNode, compositeNode = view
        if showsSlab(sliceNode, matrix, plane.across):
            raise NotShowable(_("The slice view shows a slab of several slices: switch slab reconstruction off there."))
        sizes = inputVolume.GetImageData().GetDimensions()
        xyToIJK = np.linalg.inv(matrix) @ xyToWorld(sliceNode)
        index = sliceIndex(xyToIJK, viewSize(sliceNode), plane.across, sizes[plane.across])
        key = self._request(source, plane, index, sizes[plane.across])
        error = self.encoder.error(key)
        if error is not None:
            raise NotShowable(_encodingProblem(error))
        encoded = self.encoder.get(key)
        if encoded is None:  # Until it comes, its noise is better than nothing.
            key = (*key[:-1], False)
            encoded = self.encoder.get(key)
        if encoded is None:
            self._hide()
            self._corner.show(sliceNode.GetLayoutName(), _("NExpR: encoding..."))
            return _("Encoding slice {number}...").format(number=index + 1)
        if parameterNode.liveZoom:
            shape = sizes[plane.row], sizes[plane.column]
            grid = visibleGrid(plane, shape, xyToIJK, xyToWorld(sliceNode), viewSize(sliceNode))
        else:
            _checkSize((plane.rows.count, plane.columns.count))
            grid = wholeSliceGrid(plane, matrix, index)
        self.shown = True
        if showInput:
            self._hide()
            self._corner.show(sliceNode.GetLayoutName(), _("NExpR: input"))
            return _("The input is shown, to compare.")
        self._draw(key, encoded, grid, compositeNode, parameterNode, source.settings)
        detailWindow = DETAIL_WINDOW_THROUGH if oneOfSeveral else DETAIL_WINDOW
        self.node.showLike(inputVolume, parameterNode.inferredDetail, parameterNode.liveZoom, detailWindow)
        shown = _("NExpR: inferred detail") if parameterNode.inferredDetail else _("NExpR: preview")
        self._corner.show(sliceNode.GetLayoutName(), shown)
        text = _describe(grid, index, sizes[plane.across], sliceNode.GetLayoutName() if oneOfSeveral else "")
        if source.noise and source.settings.noiseReduction and encoded.withoutNoise is None:
            text += " " + _("Its noise is being removed...")
        beside = abs(slicePosition(xyToIJK, viewSize(sliceNode), plane.across) - index)
        if beside > _BESIDE and not oneOfSeveral:
            self.remedy = Remedy.GO_TO_SLICE
            distance = beside * np.linalg.norm(matrix[:3, plane.across])
            text += " " + _("The view lies {distance:.2g} mm beside it.").format(distance=distance)
        return text

    def applyRemedy(self, inputVolume: slicer.vtkMRMLScalarVolumeNode, plane: ShownPlane, oneOfSeveral: bool) -> None:
        """Change the slice view so that it shows the preview."""
        matrix = ijkToWorld(inputVolume)
        view = viewOf([inputVolume], matrix, plane.across, oneOfSeveral) or viewOf([inputVolume], matrix, plane.across)
        if view is None:
            slicer.util.setSliceViewerLayers(background=inputVolume, fit=True)
        elif self.remedy == Remedy.ROTATE_VIEW:
            rotateToPlane(view[0], matrix, plane.across)
        elif self.remedy == Remedy.GO_TO_VOLUME:
            center = [(size - 1) // 2 for size in inputVolume.GetImageData().GetDimensions()]
            view[0].JumpSliceByCentering(*(matrix @ [*center, 1])[:3])
        elif self.remedy == Remedy.GO_TO_SLICE:
            xyToIJK = np.linalg.inv(matrix) @ xyToWorld(view[0])
            width, height = viewSize(view[0])
            there = xyToIJK @ [(width - 1) / 2, (height - 1) / 2, 0, 1]
            there[plane.across] = round(there[plane.across])
            view[0].JumpSliceByOffsetting(*(matrix @ there)[:3])

    def leaveUnless(self, view: View | None) -> None:
        """Give back the foreground of any other view."""
        if self.node.compositeNode is not (view[1] if view else None):
            self._hide()

    def showNothing(self) -> None:
        self.remedy, self.shown = None, False
        self._hide()
        self._corner.show("", "")
        self.encoder.withdraw()  # The slice that was asked for may be gone.

    def stop(self) -> None:
        """Leave nothing behind."""
        self.encoder.release()
        self.node.remove()
        self._corner.show("", "")
        self._drawn = ()
        self._mix.clear()
        self.remedy, self.shown = None, False

    def _request(self, source: PreviewSource, plane: ShownPlane, index: int, count: int) -> tuple:
        """Ask for a slice, and for its neighbors: first those that the user scrolls to. Returns the slice's key."""
        if index != self._index:
            self._index, self._forward = index, 1 if index > self._index else -1
        forward = self._forward
        requests = [
            ((*source.key, plane.across, each, source.noise), partial(source.content, plane, each))
            for each in (index, index + forward, index - forward, index + 2 * forward)
            if 0 <= each < count
        ]
        self.encoder.request(*requests[0], requests[1:])
        return requests[0][0]

    def _draw(
        self,
        key: tuple,
        encoded: EncodedSlice,
        grid: PreviewGrid,
        compositeNode: slicer.vtkMRMLSliceCompositeNode,
        parameterNode: NExpRSlicerParameterNode,
        settings: Settings,
    ) -> None:
        consistent = settings.dataConsistency and not parameterNode.liveZoom
        share = settings.noiseReduction if encoded.withoutNoise is not None else 0.0
        options = (consistent, parameterNode.inferredDetail, share)
        pixelsOf = (key, replace(grid, ijkToWorld=()), *options)
        drawn = (pixelsOf, compositeNode.GetID(), grid.ijkToWorld)
        if drawn[:2] != self._drawn[:2] or not self.node.isShownIn(compositeNode):
            pixels = encoded.draw(grid, *options, self._mix)
            self.node.show(compositeNode, pixels, grid.ijkToWorld)
        elif drawn != self._drawn:
            self.node.move(grid.ijkToWorld)
        self._drawn = drawn

    def _hide(self) -> None:
        self.node.hide()
        self._drawn = ()
        self._mix.clear()


def _encodingProblem(error: Exception) -> str:
    if isinstance(error, ValueError):
        return str(error)
    if is_out_of_memory(error):
        return _("There is not enough memory to encode the slice: choose another device, or crop the volume.")
    return _("The slice could not be encoded ({error}).").format(error=error)


def _checkSize(shape: tuple[int, int]) -> None:
    """Refuse a slice that would take seconds to draw after every step of the slider, or more memory than there is."""
    pixels = math.prod(shape)
    available = available_memory()
    if pixels > LARGEST_PREVIEW or (available is not None and WORKING_BYTES_PER_PIXEL * pixels > available):
        raise ValueError(
            _(
                "The slice would have {width} x {height} pixels, too many for a preview: use live zoom, or a coarser "
                "target."
            ).format(width=shape[1], height=shape[0])
        )


def _describe(grid: PreviewGrid, index: int, slices: int, viewName: str) -> str:
    """
    :param viewName: of the view of one of several planes.
    """
    height, width = grid.rows.count, grid.columns.count
    if grid.transposed:
        height, width = width, height
    text = _("Slice {number} of {slices} with {width} x {height} pixels.")
    if viewName:
        text = _("{view}: plane {number} of {slices} with {width} x {height} pixels.")
    return text.format(view=viewName, number=index + 1, slices=slices, width=width, height=height)
