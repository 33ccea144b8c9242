"""Live preview in the scene: watches the view and the volume, and draws the current slice super-resolved."""

from __future__ import annotations

from collections.abc import Callable

import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from NExpRLib.memory import is_out_of_memory
from NExpRLib.volumes.measured_grid import MeasuredGrid
from NExpRLib.volumes.noise import noise_of
from NExpRLib.volumes.plan import Plan
from NExpRLib.volumes.run import stack_options
from NExpRLib.volumes.volume import Volume

from .Acquisitions import headerFacts, recognizing
from .Choices import planOf
from .Models import ModelCache, cardOf, cardOfSlices, modelKey, recognizes
from .Parameters import NExpRSlicerParameterNode, Settings
from .PreviewGrid import NotShowable, Remedy, shownPlanes
from .PreviewNode import DETAIL_CLEAR
from .PreviewPane import PreviewPane, PreviewSource
from .SliceEncoder import Seen, VolumeRange
from .SliceViews import layoutViews, viewNodes, viewOf, viewsOf
from .Volumes import ijkToWorld, volumeOf
from .Worker import Worker


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
        self._panes = [PreviewPane(worker, models, onChanged) for _index in range(2)]
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

    def _source(self, inputVolume: slicer.vtkMRMLScalarVolumeNode, settings: Settings, plan: Plan) -> PreviewSource:
        card = cardOf(settings) if plan.through is None else cardOfSlices(settings)
        key = (
            (inputVolume.GetID(), inputVolume.GetImageData().GetMTime()),
            modelKey(settings, card),
            plan.slice_axis,
            settings.measured,
            inputVolume.GetSpacing(),
            (plan.through is not None, settings.thicknessIn(plan)),
        )
        # What was encoded with and without noise serves every share of it, also none.
        noise = plan.through is None and (settings.noiseReduction > 0 or self._range[0] == (key, True))
        if self._range[0] != (key, noise):
            facts, measuring = headerFacts(inputVolume), _measuring(inputVolume, settings, plan)
            self._range = (key, noise), VolumeRange(volumeOf(inputVolume), card, measuring, facts, plan.slice_axis)
        return PreviewSource(inputVolume, volumeOf(inputVolume), settings, key, noise, self._range[1])

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


def _noView(inputVolume: slicer.vtkMRMLScalarVolumeNode, ofPlanes: bool) -> NotShowable:
    """
    :param ofPlanes: through the slices.
    """
    if not layoutViews():
        return NotShowable(_("The layout has no slice view: choose another one."))
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
        grid = MeasuredGrid.of(volume, plan.slice_axis, sizes)
        if plan.through is None:
            noise = noise_of(volume, plan.slice_axis, grid)[0] if settings.noiseReduction else None
            return {plan.slice_axis: Seen(grid, noise=noise)}
        stack, ofPlanes = stack_options(volume.geometry, plan, grid, settings.thicknessIn(plan)), {}
        for plane in planes:
            along = axes.index(plane.column)
            count = volume.geometry.size[plan.slice_axis]
            stored, measured = ((count, size[along]) for size in (grid.stored, grid.measured))
            ofPlane = MeasuredGrid(stored, measured, (True, grid.continues[along]), grid.margin)
            ofPlanes[plane.across] = Seen(ofPlane, stack)
        return ofPlanes

    return seen


def _remarks(
    parameterNode: NExpRSlicerParameterNode, settings: Settings, panes: list[PreviewPane], ofPlanes: bool
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
