"""Live preview in the scene: watches the view and the volume, and draws the current slice super-resolved."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from NExpRLib.memory import WORKING_BYTES_PER_PIXEL, available_memory, is_out_of_memory
from NExpRLib.volumes.measured_grid import MeasuredGrid
from NExpRLib.volumes.plan import Plan, plane_axes

from .Acquisitions import acquisitionOf, headerFacts, recognizing
from .Models import ModelCache, cardOf, modelKey, recognizes
from .Parameters import NExpRSlicerParameterNode, Settings, settingsFromParameterNode
from .PreviewGrid import NotShowable, PreviewGrid, Remedy, sliceIndex, slicePosition, visibleGrid, wholeSliceGrid
from .PreviewNode import DETAIL_CLEAR, PreviewNode
from .SliceEncoder import EncodedSlice, SliceContent, SliceEncoder, VolumeRange, encodeSlice
from .SliceViews import CornerText, rotateToPlane, showsSlab, viewNodes, viewOf, viewSize, xyToWorld
from .Volumes import geometryOf, ijkToWorld, modalityOf, volumeOf, volumeProblem
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
        self._encoder = SliceEncoder(worker, partial(encodeSlice, models), onChanged)
        self._onChanged = onChanged
        self._node = PreviewNode()
        self._corner = CornerText()
        self._drawn = ()  # (what the pixels depend on, in which view, where) or nothing
        self._range: tuple = (None, None)  # (of which volume and model, VolumeRange)
        self._index = 0  # of the slice that was shown last
        self._forward = 1  # or -1: where the user scrolls to
        self._observed = []
        self.text = ""
        self.shown = self.showInput = False
        self.remedy: Remedy | None = None

    @property
    def encoding(self) -> bool:
        """Whether poll() should be called, because slices are being encoded."""
        return self._encoder.pending

    def update(self, parameterNode: NExpRSlicerParameterNode) -> None:
        """Bring the preview into line with the parameters and the scene."""
        self.remedy, self.shown = None, False
        if not parameterNode.livePreview or parameterNode.inputVolume is None:
            self.stop()
            return
        self._observe(parameterNode.inputVolume)
        try:
            self.text = self._update(parameterNode, parameterNode.inputVolume)
            self._observe(parameterNode.inputVolume)
        except NotShowable as reason:
            self._showNothing(str(reason))
            self.remedy = reason.remedy
        except ValueError as error:
            self._showNothing(str(error))
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            self._showNothing(_("There is not enough memory to draw the slice."))

    def poll(self, timeout: float = 0) -> None:
        """Take over encoded slices; update() draws. See Worker.poll."""
        self._encoder.poll(timeout)

    def applyRemedy(self, parameterNode: NExpRSlicerParameterNode) -> None:
        """Change the slice view so that it shows the preview."""
        inputVolume = parameterNode.inputVolume
        plan = self._plan(parameterNode)[2]
        matrix = ijkToWorld(inputVolume)
        view = viewOf(inputVolume, matrix, plan.slice_axis)
        if view is None:
            slicer.util.setSliceViewerLayers(background=inputVolume, fit=True)
        elif self.remedy == Remedy.ROTATE_VIEW:
            rotateToPlane(view[0], matrix, plan.slice_axis)
        elif self.remedy == Remedy.GO_TO_VOLUME:
            center = [(size - 1) // 2 for size in inputVolume.GetImageData().GetDimensions()]
            view[0].JumpSliceByCentering(*(matrix @ [*center, 1])[:3])
        elif self.remedy == Remedy.GO_TO_SLICE:
            xyToIJK = np.linalg.inv(matrix) @ xyToWorld(view[0])
            width, height = viewSize(view[0])
            there = xyToIJK @ [(width - 1) / 2, (height - 1) / 2, 0, 1]
            there[plan.slice_axis] = round(there[plan.slice_axis])
            view[0].JumpSliceByOffsetting(*(matrix @ there)[:3])

    def stop(self) -> None:
        """Leave nothing behind."""
        self.removeObservers()
        self._observed = []
        self._encoder.release()
        self._node.remove()
        self._corner.show("", "")
        self._drawn = ()
        self._range = (None, None)
        self.text = ""
        self.remedy, self.shown, self.showInput = None, False, False

    def _plan(self, parameterNode: NExpRSlicerParameterNode) -> tuple[Settings, dict, Plan]:
        """Settings, model card and plan."""
        problem = volumeProblem(parameterNode.inputVolume)
        if problem:
            raise ValueError(problem)
        geometry = geometryOf(parameterNode.inputVolume)
        thickness = headerFacts(parameterNode.inputVolume).get("SliceThickness")
        settings = settingsFromParameterNode(parameterNode, geometry, modalityOf(parameterNode.inputVolume), thickness)
        acquisition = acquisitionOf(parameterNode.inputVolume) if recognizes(settings) else None
        return settings, cardOf(settings), settings.plan(geometry, acquisition)

    def _update(self, parameterNode: NExpRSlicerParameterNode, inputVolume: slicer.vtkMRMLScalarVolumeNode) -> str:
        settings, card, plan = self._plan(parameterNode)
        if plan.through is not None:
            raise ValueError(
                _("Isotropic volumes have no preview: apply, or choose another target to see slices refined.")
            )
        matrix = ijkToWorld(inputVolume)
        view = viewOf(inputVolume, matrix, plan.slice_axis)
        if view is None:
            raise NotShowable(_("No slice view shows the input volume in its background."), Remedy.SHOW_INPUT)
        sliceNode, compositeNode = view
        if showsSlab(sliceNode, matrix, plan.slice_axis):
            raise ValueError(_("The slice view shows a slab of several slices: switch slab reconstruction off there."))
        sizes = inputVolume.GetImageData().GetDimensions()
        xyToIJK = np.linalg.inv(matrix) @ xyToWorld(sliceNode)
        index = sliceIndex(xyToIJK, viewSize(sliceNode), plan.slice_axis, sizes[plan.slice_axis])
        key = self._request(inputVolume, settings, card, plan.slice_axis, index)
        error = self._encoder.error(key)
        if error is not None:
            raise ValueError(_encodingProblem(error))
        encoded = self._encoder.get(key)
        if encoded is None:
            self._hide()
            self._corner.show(sliceNode.GetLayoutName(), _("NExpR: encoding..."))
            return _("Encoding slice {number}...").format(number=index + 1)
        if parameterNode.liveZoom:
            shape = tuple(sizes[axis] for axis in plan.plane_axes)
            grid = visibleGrid(plan, shape, xyToIJK, xyToWorld(sliceNode), viewSize(sliceNode))
        else:
            _checkSize(plan.shape)
            grid = wholeSliceGrid(plan, matrix, index)
        self.shown = True
        if self.showInput:
            self._hide()
            self._corner.show(sliceNode.GetLayoutName(), _("NExpR: input"))
            return _("The input is shown, to compare.")
        self._draw(key, encoded, grid, compositeNode, parameterNode)
        self._node.showLike(inputVolume, parameterNode.inferredDetail, parameterNode.liveZoom)
        shown = _("NExpR: inferred detail") if parameterNode.inferredDetail else _("NExpR: preview")
        self._corner.show(sliceNode.GetLayoutName(), shown)
        text = _describe(grid, index, sizes[plan.slice_axis], parameterNode, self._node.displayNode.GetWindow())
        beside = abs(slicePosition(xyToIJK, viewSize(sliceNode), plan.slice_axis) - index)
        if beside > _BESIDE:
            self.remedy = Remedy.GO_TO_SLICE
            distance = beside * np.linalg.norm(matrix[:3, plan.slice_axis])
            text += " " + _("The view lies {distance:.2g} mm beside it.").format(distance=distance)
        return text

    def _request(
        self,
        inputVolume: slicer.vtkMRMLScalarVolumeNode,
        settings: Settings,
        card: dict,
        sliceAxis: int,
        index: int,
    ) -> tuple:
        """Ask for a slice, and for its neighbors: first those that the user scrolls to. Returns the slice's key."""
        volume = (inputVolume.GetID(), inputVolume.GetImageData().GetMTime())
        model = modelKey(settings, card)
        seen = (volume, model, sliceAxis, settings.measured, inputVolume.GetSpacing())
        if self._range[0] != seen:
            measuredGrid = _measuring(inputVolume, settings, sliceAxis)
            self._range = (
                seen,
                VolumeRange(volumeOf(inputVolume), card, measuredGrid, headerFacts(inputVolume), sliceAxis),
            )
        count = inputVolume.GetImageData().GetDimensions()[sliceAxis]
        if index != self._index:
            self._index, self._forward = index, 1 if index > self._index else -1
        forward = self._forward
        content = partial(self._content, inputVolume, settings, sliceAxis)
        requests = [
            ((*seen, each), partial(content, each))
            for each in (index, index + forward, index - forward, index + 2 * forward)
            if 0 <= each < count
        ]
        self._encoder.request(*requests[0], requests[1:])
        return requests[0][0]

    def _content(
        self, inputVolume: slicer.vtkMRMLScalarVolumeNode, settings: Settings, sliceAxis: int, index: int
    ) -> SliceContent:
        pixels = volumeOf(inputVolume).slices(sliceAxis)[index]
        return SliceContent(np.array(pixels), self._range[1], settings)

    def _draw(
        self,
        key: tuple,
        encoded: EncodedSlice,
        grid: PreviewGrid,
        compositeNode: slicer.vtkMRMLSliceCompositeNode,
        parameterNode: NExpRSlicerParameterNode,
    ) -> None:
        consistent = parameterNode.dataConsistency and not parameterNode.liveZoom
        pixelsOf = (key, replace(grid, ijkToWorld=()), consistent, parameterNode.inferredDetail)
        drawn = (pixelsOf, compositeNode.GetID(), grid.ijkToWorld)
        if drawn[:2] != self._drawn[:2] or not self._node.isShownIn(compositeNode):
            pixels = encoded.draw(grid, consistent, parameterNode.inferredDetail)
            self._node.show(compositeNode, pixels, grid.ijkToWorld)
        elif drawn != self._drawn:
            self._node.move(grid.ijkToWorld)
        self._drawn = drawn

    def _showNothing(self, text: str) -> None:
        self._hide()
        self._corner.show("", "")
        self._encoder.withdraw()  # The slice that was asked for may be gone.
        self.text = text

    def _hide(self) -> None:
        self._node.hide()
        self._drawn = ()

    def _observe(self, inputVolume: slicer.vtkMRMLScalarVolumeNode) -> None:
        """Follow the input volume, all slice views, and the display of the preview, which the user may change."""
        nodes = [inputVolume, *viewNodes(), *([self._node.displayNode] if self._node.present else [])]
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


def _measuring(
    inputVolume: slicer.vtkMRMLScalarVolumeNode, settings: Settings, sliceAxis: int
) -> Callable[[], MeasuredGrid]:
    """A function for the worker thread: the grid of slices that the network sees."""
    volume = volumeOf(inputVolume)
    recognized = recognizing(inputVolume) if recognizes(settings) else None

    def measuredGrid() -> MeasuredGrid:
        acquisition = recognized() if recognized else None
        sizes = settings.measuredSizes(volume.geometry, acquisition)
        rows, columns = plane_axes(volume.geometry, sliceAxis)
        return MeasuredGrid.of(volume.slices(sliceAxis), (sizes[rows], sizes[columns]))

    return measuredGrid


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


def _describe(
    grid: PreviewGrid, index: int, slices: int, parameterNode: NExpRSlicerParameterNode, window: float
) -> str:
    height, width = grid.rows.count, grid.columns.count
    if grid.transposed:
        height, width = width, height
    text = _("Slice {number} of {slices} with {width} x {height} pixels.").format(
        number=index + 1, slices=slices, width=width, height=height
    )
    if parameterNode.inferredDetail:
        text += " " + _(
            "Full blue: {value:.3g} or more darker than measured, full orange: brighter; clear below {least:.2g}."
        ).format(value=window / 2, least=DETAIL_CLEAR * window / 2)
    if parameterNode.liveZoom and parameterNode.dataConsistency:
        text += " " + _("Live zoom is shown without data consistency.")
    return text
