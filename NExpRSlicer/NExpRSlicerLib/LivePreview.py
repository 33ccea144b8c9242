"""Live preview in the scene: watches the view and the volume, and draws the current slice super-resolved."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from NExpRLib.memory import WORKING_BYTES_PER_PIXEL, available_memory, is_out_of_memory
from NExpRLib.volumes.measured_grid import MeasuredGrid
from NExpRLib.volumes.noise import noise_of
from NExpRLib.volumes.plan import Plan
from NExpRLib.volumes.run import stack_options
from NExpRLib.volumes.volume import Volume

from .Acquisitions import headerFacts, recognizing
from .Choices import planOf
from .Models import ModelCache, cardOf, cardOfSlices, modelKey, recognizes
from .Parameters import NExpRSlicerParameterNode, Settings
from .PreviewGrid import (
    NotShowable,
    PreviewGrid,
    Remedy,
    ShownPlane,
    shownPlanes,
    sliceIndex,
    slicePosition,
    visibleGrid,
    wholeSliceGrid,
)
from .PreviewNode import DETAIL_CLEAR, DETAIL_WINDOW, DETAIL_WINDOW_THROUGH, PreviewNode
from .SliceEncoder import EncodedSlice, NoiseMix, Seen, SliceContent, SliceEncoder, VolumeRange, encodeSlice
from .SliceViews import CornerText, View, rotateToPlane, showsSlab, viewNodes, viewOf, viewSize, viewsOf, xyToWorld
from .Volumes import ijkToWorld, volumeOf
from .Worker import Worker

LARGEST_PREVIEW = 2**25  # pixels, drawn in about a second
_BESIDE = 0.05  # slices between the view and the slice that it shows, from which on it is said


class LivePreview(VTKObservationMixin):
    """All methods are called in the main thread; only encoding runs in the worker's.

    :ivar text: what the preview shows, or why it shows nothing.
    :ivar shown: whether it shows a slice, or would but for showInput.
    :ivar showInput: whether to show the input instead, to compare.
    :ivar remedy: what applyRemedy() would do about it, or None.
    """

    def __init__(self, worker: Worker, models: ModelCache, onChanged: Callable[[], None]):
        """
        :param onChanged: called when something changed in the scene that update() should look at.
        """
        super().__init__()
        self._onChanged = onChanged
        self._panes = [_Pane(worker, models, onChanged) for _index in range(2)]
        self._range: tuple = (None, None)  # (of which volume and model, and whether of its noise; VolumeRange)
        self._observed = []
        self.text = ""
        self.showInput = False

    @property
    def encoding(self) -> bool:
        """Whether poll() should be called, because slices are being encoded."""
        return any(pane.encoder.pending for pane in self._panes)

    @property
    def shown(self) -> bool:
        return any(pane.shown for pane in self._panes)

    @property
    def remedy(self) -> Remedy | None:
        return next((pane.remedy for pane in self._panes if pane.remedy is not None), None)

    def update(self, parameterNode: NExpRSlicerParameterNode) -> None:
        """Bring the preview into line with the parameters and the scene."""
        for pane in self._panes:
            pane.remedy, pane.shown = None, False
        if not parameterNode.livePreview or parameterNode.inputVolume is None:
            self.stop()
            return
        self._observe(parameterNode.inputVolume)
        try:
            self.text = self._update(parameterNode, parameterNode.inputVolume)
            self._observe(parameterNode.inputVolume)
        except NotShowable as reason:
            self._showNothing(str(reason))
            self._panes[0].remedy = reason.remedy
        except ValueError as error:
            self._showNothing(str(error))
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            self._showNothing(_("There is not enough memory to draw the slice."))

    def poll(self, timeout: float = 0) -> None:
        """Take over encoded slices; update() draws. See Worker.poll."""
        for pane in self._panes:
            pane.encoder.poll(timeout)
            timeout = 0

    def applyRemedy(self, parameterNode: NExpRSlicerParameterNode) -> None:
        """Change the slice views so that they show the preview."""
        planes = shownPlanes(planOf(parameterNode)[1])
        for pane, plane in zip(self._panes, planes):
            if pane.remedy is not None:
                pane.applyRemedy(parameterNode.inputVolume, plane, len(planes) > 1)

    def stop(self) -> None:
        """Leave nothing behind."""
        self.removeObservers()
        self._observed = []
        for pane in self._panes:
            pane.stop()
        self._range = (None, None)
        self.text = ""
        self.showInput = False

    def _update(self, parameterNode: NExpRSlicerParameterNode, inputVolume: slicer.vtkMRMLScalarVolumeNode) -> str:
        settings, plan = planOf(parameterNode)
        planes = shownPlanes(plan)
        source, ofPlanes = self._source(inputVolume, settings, plan), len(planes) > 1
        matrix = ijkToWorld(inputVolume)
        views = [viewOf([inputVolume], matrix, plane.across, ofPlanes) for plane in planes]
        # Before any is drawn: no pane may remember the preview of another one as what the user chose for a view.
        for pane in self._panes[len(planes) :]:
            pane.stop()
        for pane, view in zip(self._panes, views):
            pane.leaveUnless(view)
        if not any(views):  # One of two is enough.
            raise _noView(inputVolume, ofPlanes)
        texts = []
        for pane, plane, view in zip(self._panes, planes, views):
            if view is None:
                pane.showNothing()
                continue
            try:
                texts.append(pane.update(parameterNode, source, plane, view, self.showInput, ofPlanes))
            except NotShowable as reason:
                pane.showNothing()
                pane.remedy = reason.remedy
                texts.append(str(reason))
        if self.shown and not self.showInput:
            texts += _remarks(parameterNode, settings, self._panes, ofPlanes)
        return " ".join(dict.fromkeys(texts))

    def _source(self, inputVolume: slicer.vtkMRMLScalarVolumeNode, settings: Settings, plan: Plan) -> _Source:
        card = cardOf(settings) if plan.through is None else cardOfSlices(settings)
        key = (
            (inputVolume.GetID(), inputVolume.GetImageData().GetMTime()),
            modelKey(settings, card),
            plan.slice_axis,
            settings.measured,
            inputVolume.GetSpacing(),
            (plan.through is not None, settings.thickness),
        )
        # What was encoded with and without noise serves every share of it, also none.
        noise = plan.through is None and (settings.noiseReduction > 0 or self._range[0] == (key, True))
        if self._range[0] != (key, noise):
            facts, measuring = headerFacts(inputVolume), _measuring(inputVolume, settings, plan)
            self._range = (key, noise), VolumeRange(volumeOf(inputVolume), card, measuring, facts, plan.slice_axis)
        return _Source(inputVolume, settings, key, noise, self._range[1])

    def _showNothing(self, text: str) -> None:
        for pane in self._panes:
            pane.showNothing()
        self.text = text

    def _observe(self, inputVolume: slicer.vtkMRMLScalarVolumeNode) -> None:
        """Follow the input volume, all slice views, and the displays of the preview, which the user may change."""
        displays = [pane.node.displayNode for pane in self._panes if pane.node.present]
        nodes = [inputVolume, *viewNodes(), *displays]
        if nodes == self._observed:
            return
        self.removeObservers()
        self._observed = nodes
        for node in nodes:
            self.addObserver(node, vtk.vtkCommand.ModifiedEvent, self._onEvent)
            if node.IsA("vtkMRMLVolumeNode"):
                for event in (
                    slicer.vtkMRMLVolumeNode.ImageDataModifiedEvent,
                    slicer.vtkMRMLTransformableNode.TransformModifiedEvent,
                    slicer.vtkMRMLDisplayableNode.DisplayModifiedEvent,
                ):
                    self.addObserver(node, event, self._onEvent)

    def _onEvent(self, _caller, _event):
        self._onChanged()


@dataclass(frozen=True)
class _Source:
    """What slices are encoded from.

    :ivar key: changes when their functions would.
    :ivar noise: whether they are encoded without their noise, too.
    """

    inputVolume: slicer.vtkMRMLScalarVolumeNode
    settings: Settings
    key: tuple
    noise: bool
    volumeRange: VolumeRange

    def content(self, plane: ShownPlane, index: int) -> SliceContent:
        pixels = plane.of(volumeOf(self.inputVolume), index)
        return SliceContent(np.array(pixels), self.volumeRange, self.settings, plane)


class _Pane:
    """The preview in one slice view."""

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
        source: _Source,
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

    def _request(self, source: _Source, plane: ShownPlane, index: int, count: int) -> tuple:
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


def _noView(inputVolume: slicer.vtkMRMLScalarVolumeNode, ofPlanes: bool) -> NotShowable:
    """
    :param ofPlanes: through the slices.
    """
    if not ofPlanes:
        return NotShowable(_("No slice view shows the input volume in its background."), Remedy.SHOW_INPUT)
    text = _("No slice view shows planes through the slices of the input.")
    return NotShowable(text, Remedy.ROTATE_VIEW if viewsOf([inputVolume]) else Remedy.SHOW_INPUT)


def _measuring(
    inputVolume: slicer.vtkMRMLScalarVolumeNode, settings: Settings, plan: Plan
) -> Callable[[Volume], dict[int, Seen]]:
    """A function for the worker thread: how the network sees planes of the volume."""
    planes, axes = shownPlanes(plan), plan.plane_axes
    recognized = recognizing(inputVolume) if recognizes(settings) else None

    def seen(volume: Volume) -> dict[int, Seen]:
        acquisition = recognized() if recognized else None
        sizes = settings.measuredSizes(volume.geometry, acquisition)
        slices = volume.slices(plan.slice_axis)
        grid = MeasuredGrid.of(slices, (sizes[axes[0]], sizes[axes[1]]))
        if plan.through is None:
            noise = noise_of(volume, plan.slice_axis, grid)[0] if settings.noiseReduction else None
            return {plan.slice_axis: Seen(grid, noise=noise)}
        stack, ofPlanes = stack_options(volume.geometry, plan, grid, settings.thickness), {}
        for plane in planes:
            along = axes.index(plane.column)
            stored, measured = ((len(slices), size[along]) for size in (grid.stored, grid.measured))
            ofPlane = MeasuredGrid(stored, measured, (True, grid.continues[along]), grid.margin)
            ofPlanes[plane.across] = Seen(ofPlane, stack)
        return ofPlanes

    return seen


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


def _remarks(
    parameterNode: NExpRSlicerParameterNode, settings: Settings, panes: list[_Pane], ofPlanes: bool
) -> list[str]:
    """
    :param ofPlanes: through the slices.
    """
    remarks = []
    if ofPlanes:
        remarks.append(_("Apply takes the mean of the planes along rows and along columns."))
    if parameterNode.inferredDetail:
        window = next(pane.node.displayNode.GetWindow() for pane in panes if pane.shown)
        remarks.append(
            _(
                "Full blue: {value:.3g} or more darker than measured, full orange: brighter; clear below {least:.2g}."
            ).format(value=window / 2, least=DETAIL_CLEAR * window / 2)
        )
    if ofPlanes and settings.noiseReduction:
        remarks.append(_("The preview of planes keeps the noise."))
    if parameterNode.liveZoom and settings.dataConsistency:
        remarks.append(_("Live zoom is shown without data consistency."))
    return remarks
