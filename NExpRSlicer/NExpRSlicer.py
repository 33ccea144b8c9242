# ruff: noqa: E402, PT009
import logging
import math
import sys
import time
from pathlib import Path

import numpy as np
import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

# NExpRLib is installed beside this file; in the source tree it is one folder up.
for _folder in (Path(__file__).parent, Path(__file__).parent.parent):
    if str(_folder) not in sys.path:
        sys.path.append(str(_folder))

from NExpRLib.memory import available_memory
from NExpRLib.model_card import model_cards, model_for
from NExpRLib.volumes.acquisition import thickness_across
from NExpRSlicerLib.Acquisitions import Recognition, acquisitionOf, headerFacts, recognize
from NExpRSlicerLib.Apply import ApplyRun
from NExpRSlicerLib.BackgroundRun import BackgroundRun
from NExpRSlicerLib.Choices import planOf, settingsOf
from NExpRSlicerLib.Compare import SideBySide, resultOf, resultsOf
from NExpRSlicerLib.Dependencies import DependencyError, ensureTorch, torchInstalled
from NExpRSlicerLib.LivePreview import LivePreview
from NExpRSlicerLib.Models import ModelCache, recognizes
from NExpRSlicerLib.Panel import VolumeFacts, deviceText, panelState, progressText, visibleWidgets
from NExpRSlicerLib.Parameters import (
    MODEL_AUTO,
    MODEL_FROM_FOLDER,
    NExpRSlicerParameterNode,
    Region,
    Settings,
    TargetMode,
    forgetUnknownChoices,
)
from NExpRSlicerLib.PreviewGrid import shownPlanes
from NExpRSlicerLib.RegionPlan import visibleBox
from NExpRSlicerLib.Sequences import sequenceOf
from NExpRSlicerLib.SliceViews import acrossOf, isShown, showInstead, viewNodes, viewSize, viewsOf, xyToWorld
from NExpRSlicerLib.Volumes import (
    checkVolume,
    defaultVolume,
    geometryOf,
    ijkToWorld,
    looksLikeLabels,
    modalityOf,
    volumeProblem,
    voxelTypeOf,
)
from NExpRSlicerLib.Worker import Worker

#
# NExpRSlicer
#


class NExpRSlicer(ScriptedLoadableModule):
    """Super-resolution of MRI and CT at any scale."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("NExpR")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Filtering")]
        self.parent.dependencies = []
        self.parent.contributors = ["NExpR contributors"]
        self.parent.helpText = _("""
This module refines MRI and CT volumes to any resolution: in their acquisition plane, or to isotropic voxels. A neural
network turns each slice into an explicit function once; after that the slice is drawn at any scale without the network,
live while a slider moves. For research use only. See more information in the
<a href="https://github.com/NExpR/SlicerNExpR#readme">extension documentation</a>.
""")
        self.parent.acknowledgementText = _("""
The method is described by Pang et al., NExpR: Neural Explicit Representation for fast arbitrary-scale medical image
super-resolution, Computers in Biology and Medicine 184 (2025) 109354. Please cite this paper if you use the module in
your research.
""")
        # Additional initialization step after application startup is complete
        slicer.app.connect("startupCompleted()", registerSampleData)


def registerSampleData():
    """Add the volumes of the tutorial to the Sample Data module; nothing is downloaded before the user clicks."""
    import SampleData

    # Slicer's own, which therefore come with a thumbnail and are downloaded once for both categories; by other names,
    # because Slicer's are looked up by theirs.
    for modality, name, fileName, sha256 in (
        ("MRI", "MRHead", "MR-head.nrrd", "cc211f0dfd9a05ca3841ce1141b292898b2dd2d3f08286affadf823a7e58df93"),
        ("CT", "CTChest", "CT-chest.nrrd", "4507b664690840abb6cb9af2d919377ffc4ef75b167cb6fd0f747befdb12e38e"),
    ):
        SampleData.SampleDataLogic.registerCustomSampleDataSource(
            category="NExpR",
            sampleName=f"{modality} ({name})",
            uris=f"https://github.com/Slicer/SlicerTestingData/releases/download/SHA256/{sha256}",
            fileNames=fileName,
            checksums=f"SHA256:{sha256}",
            nodeNames=name,
        )


#
# NExpRSlicerWidget
#


class NExpRSlicerWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """Connects the panel with the logic; what it says and allows is decided in NExpRSlicerLib."""

    # The worker thread goes on while the main thread waits for it. It waits whenever it has nothing else to do, for at
    # most one frame of the screen.
    POLL_SECONDS = 0.015
    # A click so soon after "Apply" became "Cancel", or that became "Apply" again, was meant for what the button said
    # before: it is the second of a double click, or came just as the run ended.
    DOUBLE_CLICK_SECONDS = 0.5
    # At least 4.5:1 against the window in either of Slicer's themes (WCAG 2.1, AA).
    WARNING_ON_LIGHT, WARNING_ON_DARK = "#9a3f00", "#ffb060"

    def __init__(self, parent=None):
        """Called when the user opens the module the first time and the widget is initialized."""
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)  # needed for parameter node observation
        self.logic = None
        self._parameterNode = None
        self._parameterNodeGuiTag = None
        self._observedInput = None
        self._lastInputID = None  # of the volume that was selected last, also while the module is closed
        # Of its own, because removeObserver() would keep the volume in memory after it left the scene.
        self._inputObserver = VTKObservationMixin()
        self._viewObserver, self._observedViews = VTKObservationMixin(), []
        self._installing = False
        self._run = None
        self._runStart = self._runEnd = None
        self._applyProblem = ""
        self._previewRefusal = ""
        self._sideBySide = SideBySide()
        self._shortcut = None
        self._unseenOutput = None  # (input, output) of a run that ended while another module was open

    def setup(self):
        """Called when the user opens the module the first time and the widget is initialized."""
        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/NExpRSlicer.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)

        self.logic = NExpRSlicerLogic()
        self._worker = Worker()
        self._recognition = Recognition(self._worker, self._scheduleUpdate)
        self._preview = LivePreview(self._worker, self.logic.models, self._scheduleUpdate)

        # Many changes at once lead to one update.
        self._updateTimer = qt.QTimer()
        self._updateTimer.setSingleShot(True)
        self._updateTimer.setInterval(0)
        self._updateTimer.timeout.connect(self._update)
        # Runs only while the worker does.
        self._pollTimer = qt.QTimer()
        self._pollTimer.setInterval(0)
        self._pollTimer.timeout.connect(self._poll)

        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartImportEvent, self.onSceneStartImport)
        # After the selectors, which lose their selection while they list the nodes anew.
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndImportEvent, self.onSceneEndImport, priority=-1.0)
        # Before the selector, which would choose another volume as output, to be overwritten.
        self.addObserver(
            slicer.mrmlScene, slicer.mrmlScene.NodeAboutToBeRemovedEvent, self.onNodeAboutToBeRemoved, priority=1.0
        )

        # A result that is gone is nothing to compare with.
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.NodeRemovedEvent, self._scheduleUpdate)

        self.ui.applyButton.clicked.connect(self.onApplyButton)
        self.ui.livePreviewCheckBox.clicked.connect(self.onLivePreviewClicked)
        self.ui.remedyButton.clicked.connect(self.onRemedyButton)
        self.ui.compareButton.clicked.connect(self.onCompareButton)
        self.ui.sideBySideButton.clicked.connect(self.onSideBySideButton)
        self.ui.showResultButton.clicked.connect(self.onShowResultButton)
        self.ui.modelPathLineEdit.validInputChanged.connect(self.onModelPathValidChanged)
        self.ui.modelComboBox.connect("activated(int)", self.onModelActivated)
        slicer.app.connect("paletteChanged(QPalette)", self._scheduleUpdate)
        self.ui.progressBar.hide()
        self.ui.modelComboBox.addItem("", MODEL_AUTO)
        for name, card in model_cards().items():
            self.ui.modelComboBox.addItem(card.get("label", name), name)
        self.ui.modelComboBox.addItem(_("From folder or file"), MODEL_FROM_FOLDER)

        # Make sure parameter node is initialized (needed for module reload)
        self.initializeParameterNode()
        self._update()  # Before the panel is shown for the first time.

    def cleanup(self):
        """Called when the application closes and the module widget is destroyed."""
        self.setParameterNode(None)
        self._setShortcut(None)
        slicer.app.disconnect("paletteChanged(QPalette)", self._scheduleUpdate)
        self.removeObservers()
        self._updateTimer.stop()
        self._pollTimer.stop()
        if self._run:
            self._run.cancel()
        self._preview.stop()
        self._worker.stop()

    def enter(self):
        """Called each time the user opens this module."""
        self.initializeParameterNode()
        self._setShortcut("C")
        self._update()

    def exit(self):
        """Called each time the user opens a different module. A run goes on; the preview does not."""
        self._setShortcut(None)
        self.setParameterNode(None)

    def onReload(self):
        """Reload the module together with its helpers."""
        for name in list(sys.modules):
            if name.split(".")[0] in ("NExpRSlicerLib", "NExpRLib"):
                del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)

    def onSceneStartClose(self, caller, event):
        """Called just before the scene is closed."""
        if self._run:
            self._run.cancel()
        self.ui.statusLabel.text = ""
        self._unseenOutput = None
        self._sideBySide.forgetViews()
        self.setParameterNode(None)

    def onSceneEndClose(self, caller, event):
        """Called just after the scene is closed."""
        if self.parent.isEntered:
            self.initializeParameterNode()

    def onSceneStartImport(self, caller, event):
        """Called just before a scene is loaded or added: the selectors would write what they select meanwhile."""
        self.setParameterNode(None)

    def onSceneEndImport(self, caller, event):
        """Called just after a scene was loaded or added."""
        if self.parent.isEntered:
            self.initializeParameterNode()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def onNodeAboutToBeRemoved(self, caller, event, node):
        """When the output volume is removed, the next run creates a new one."""
        if self._parameterNode and node is self._parameterNode.outputVolume:
            self._parameterNode.outputVolume = None

    def initializeParameterNode(self):
        """Ensure parameter node exists and observed."""
        self.setParameterNode(self.logic.getParameterNode())
        # Select a default input volume to save a few clicks for the user
        if not self._parameterNode.inputVolume:
            self._parameterNode.inputVolume = defaultVolume()

    def setParameterNode(self, inputParameterNode):
        """Set and observe parameter node; without one, the preview ends."""
        if self._parameterNode:
            self._parameterNode.disconnectGui(self._parameterNodeGuiTag)
            self.removeObserver(self._parameterNode.parameterNode, vtk.vtkCommand.ModifiedEvent, self._scheduleUpdate)
            self._observeInput(None)
            self._observeViews(False)
        self._parameterNode = inputParameterNode
        if self._parameterNode:
            self._parameterNodeGuiTag = self._parameterNode.connectGui(self.ui)
            # The node, not its wrapper, which the list of observers would keep for good.
            self.addObserver(self._parameterNode.parameterNode, vtk.vtkCommand.ModifiedEvent, self._scheduleUpdate)
            self._scheduleUpdate()
        else:
            self._preview.stop()

    def onApplyButton(self, checked=False):
        """Run processing when user clicks "Apply" button, which is "Cancel" during a run."""
        changed = self._runStart if self._run else self._runEnd
        if changed is not None and time.monotonic() - changed < self.DOUBLE_CLICK_SECONDS:
            return
        if self._run:
            self._run.cancel()
            self._updateRun()
            return
        self._scheduleUpdate()  # What is said of free memory may be old.
        if not self._ensureTorch(self.ui.statusLabel) or self._parameterNode is None:
            return
        if self._parameterNode.model == MODEL_FROM_FOLDER:
            self.ui.modelPathLineEdit.addCurrentPathToHistory()
        with slicer.util.tryWithErrorDisplay(_("The volume could not be super-resolved.")):
            inputVolume = self._parameterNode.inputVolume
            settings = settingsOf(self._parameterNode)
            logging.info(f"NExpR: super-resolving {inputVolume.GetName()} with {settings}")
            box = self.logic.box(inputVolume, self._parameterNode.region)
            run = ApplyRun(inputVolume, self._parameterNode.outputVolume, settings, self.logic.models, box)
            self._run, self._runStart = BackgroundRun(run, self._worker), time.monotonic()
            self._pollTimer.start()
            self._updateRun()

    def onLivePreviewClicked(self, checked):
        """PyTorch is asked for when the user turns the preview on, not when a scene does."""
        if checked and not self._ensureTorch(self.ui.previewLabel) and self._parameterNode is not None:
            self._previewRefusal = self.ui.previewLabel.text
            self._parameterNode.livePreview = False

    def onRemedyButton(self, checked=False):
        """Change the slice view so that it shows the preview."""
        self._preview.applyRemedy(self._parameterNode)
        self._sideBySide.align()
        self._scheduleUpdate()

    def onCompareButton(self, checked=False):
        """Show the input instead of the preview or the result, or that again."""
        if self._parameterNode is None:
            return
        inputVolume = self._parameterNode.inputVolume
        result = resultOf(inputVolume)
        if self._preview.shown:
            self._preview.showInput = not self._preview.showInput
        elif isShown(result):
            self._showInstead(result, inputVolume)
        elif result is not None:
            self._showInstead(inputVolume, result)
        self._scheduleUpdate()

    def onSideBySideButton(self, checked=False):
        """Show preview or result, and the input, in two views that move together; or the layout before."""
        if self._parameterNode is None:
            return
        if self._sideBySide.shown:
            self._sideBySide.end()
        else:
            inputVolume = self._parameterNode.inputVolume
            result = inputVolume if self._preview.shown else resultOf(inputVolume)
            try:
                plane = shownPlanes(planOf(self._parameterNode)[1])[0]
                self._sideBySide.show((result, inputVolume), ijkToWorld(inputVolume), plane.across)
            except ValueError as error:
                self.ui.statusLabel.text = str(error)
        self._scheduleUpdate()

    def onShowResultButton(self, checked=False):
        """Show the result of a run that ended while another module was open."""
        (inputVolume, output), self._unseenOutput = self._unseenOutput, None
        self._showInstead(inputVolume, output)
        self._scheduleUpdate()

    def onModelActivated(self, index):
        """The user chose a model; the list of models is no enumeration, which the parameter node could connect."""
        if self._parameterNode:
            self._parameterNode.model = self.ui.modelComboBox.itemData(index)

    def onModelPathValidChanged(self, valid):
        """The field tells the parameter node of every path, but not when it is emptied."""
        if self._parameterNode and not self.ui.modelPathLineEdit.currentPath:
            self._parameterNode.modelPath = Path()

    def _ensureTorch(self, label):
        """
        :param label: beside what the user clicked on, to say what happens.
        """
        if self._installing:
            return False
        loading, installing = _("Loading PyTorch..."), _("Installing PyTorch, which may take some minutes...")
        label.text = loading if torchInstalled() else installing
        label.setVisible(True)
        label.repaint()
        # The installer lets the application handle events: clicks, and updates that must not load half of PyTorch.
        self._installing = True
        self._previewRefusal = ""
        try:
            ensureTorch()
        except DependencyError as error:
            logging.warning(f"NExpR: {error}")
            label.text = str(error)
            return False
        finally:
            self._installing = False
            self._scheduleUpdate()
        label.text = ""
        return True

    def _scheduleUpdate(self, caller=None, event=None):
        self._updateTimer.start()

    def _update(self):
        """Bring panel and preview into line with the parameter node and the scene."""
        if self._parameterNode is None:
            return
        self._observeInput(self._parameterNode.inputVolume)
        self._clearEmptyPath()
        self._observeViews(self._parameterNode.region == Region.VISIBLE)
        facts = self.logic.volumeFacts(self._parameterNode.inputVolume, self._parameterNode.region)
        chosen = model_cards()[model_for(facts.modality)]
        self.ui.modelComboBox.setItemText(0, _("Automatic ({model})").format(model=chosen.get("label", chosen["name"])))
        self.ui.modelComboBox.currentIndex = self.ui.modelComboBox.findData(self._parameterNode.model)
        state = panelState(self._parameterNode, facts, available_memory(), self.logic.models)
        for name, visible in visibleWidgets(self._parameterNode).items():
            getattr(self.ui, name).setVisible(visible)
        self.ui.measuredLabel.text = state.measuredText
        self.ui.measuredLabel.setVisible(bool(state.measuredText))
        self.ui.isotropicSpacingSpinBox.specialValueText = state.isotropicText
        self.ui.thicknessSpinBox.specialValueText = state.thicknessText
        # From 0, which stands for the default, the first step leads to its value.
        self.ui.isotropicSpacingSpinBox.singleStep = 0.05 if self._parameterNode.isotropicSpacing else state.finestPixel
        self.ui.thicknessSpinBox.singleStep = 0.05 if self._parameterNode.thickness else state.thickness
        for widget in (self.ui.noiseReductionLabel, self.ui.noiseReductionSliderWidget):
            widget.setVisible(state.canReduceNoise)
        self.ui.dataConsistencyCheckBox.enabled = self._parameterNode.targetMode != TargetMode.ISOTROPIC
        self._recognize()
        self.ui.sizeLabel.text = state.sizeText
        self.ui.sizeLabel.setVisible(bool(state.sizeText))
        self.ui.warningLabel.text = state.warning
        self.ui.warningLabel.setVisible(bool(state.warning))
        # Not of the label itself: with a style sheet, it keeps the palette of the theme before.
        isDark = self.ui.sizeLabel.palette.color(qt.QPalette.Window).lightness() < 128
        self.ui.warningLabel.styleSheet = f"color: {self.WARNING_ON_DARK if isDark else self.WARNING_ON_LIGHT};"
        self._applyProblem = state.problem
        self.ui.deviceLabel.text = deviceText(self._parameterNode.device.value)
        self.ui.deviceLabel.setVisible(bool(self.ui.deviceLabel.text))
        self.ui.liveZoomCheckBox.enabled = self.ui.inferredDetailCheckBox.enabled = self._parameterNode.livePreview
        self._updateRun()
        self._updatePreview()
        self._updateComparison()

    def _recognize(self):
        """Find out what the scanner measured of the input, if that matters."""
        inputVolume = self._parameterNode.inputVolume
        try:
            matters = not volumeProblem(inputVolume) and recognizes(settingsOf(self._parameterNode))
        except ValueError:
            return  # The panel says why.
        if matters:
            self._recognition.request(inputVolume)
        if self._recognition.pending:
            self._pollTimer.start()

    def _updateComparison(self):
        result = resultOf(self._parameterNode.inputVolume)
        possible = self._preview.shown or result is not None
        if self._preview.shown:
            showsInput = self._preview.showInput
        else:
            showsInput = possible and not isShown(result)
        self.ui.compareButton.enabled, self.ui.compareButton.checked = possible, showsInput
        self.ui.sideBySideButton.enabled = possible or self._sideBySide.shown
        self.ui.sideBySideButton.checked = self._sideBySide.shown
        if self._unseenOutput and not all(slicer.mrmlScene.IsNodePresent(node) for node in self._unseenOutput):
            self._unseenOutput = None
        self.ui.showResultButton.setVisible(self._unseenOutput is not None)

    def _setShortcut(self, key):
        """Let a key compare while the module is open."""
        if self._shortcut is not None:
            self._shortcut.setParent(None)
            self._shortcut = None
        if key is not None and slicer.util.mainWindow() is not None:
            self._shortcut = qt.QShortcut(qt.QKeySequence(key), slicer.util.mainWindow())
            self._shortcut.connect("activated()", self.onCompareButton)

    def _clearEmptyPath(self):
        """The parameter node shows an empty path as ".": what is typed behind it would be relative."""
        field = self.ui.modelPathLineEdit
        if field.currentPath == str(Path()):
            wasBlocked = field.blockSignals(True)
            field.currentPath = ""
            field.blockSignals(wasBlocked)

    def _observeInput(self, volumeNode):
        """Follow changes of the selected volume, for example of its spacing."""
        if volumeNode is self._observedInput:
            return
        self._inputObserver.removeObservers()
        self._observedInput = volumeNode
        if volumeNode is not None:
            last = slicer.mrmlScene.GetNodeByID(self._lastInputID or "")
            if not self._run and last not in (None, volumeNode):  # If it was removed, the status may say that.
                self.ui.statusLabel.text = ""
            self._lastInputID = volumeNode.GetID()
            for event in (
                vtk.vtkCommand.ModifiedEvent,
                slicer.vtkMRMLVolumeNode.ImageDataModifiedEvent,
                slicer.vtkMRMLTransformableNode.TransformModifiedEvent,  # moves what the views show of it
            ):
                self._inputObserver.addObserver(volumeNode, event, self._scheduleUpdate)

    def _observeViews(self, observe):
        """Follow the slice views, whose field of view says what is super-resolved."""
        nodes = viewNodes() if observe else []
        if nodes != self._observedViews:
            self._viewObserver.removeObservers()
            self._observedViews = nodes
            for node in nodes:
                self._viewObserver.addObserver(node, vtk.vtkCommand.ModifiedEvent, self._scheduleUpdate)

    def _updatePreview(self):
        if not self.parent.isEntered or self._installing:
            return
        problem = self._previewProblem() if self._parameterNode.livePreview else ""
        if problem:
            self._preview.stop()
        else:
            self._preview.update(self._parameterNode)
        text = problem or self._preview.text or self._previewRefusal
        self.ui.previewLabel.text = text
        self.ui.previewLabel.setVisible(bool(text) and text not in self.ui.warningLabel.text)
        remedy = self._preview.remedy
        self.ui.remedyButton.text = remedy.label() if remedy else ""
        self.ui.remedyButton.setVisible(remedy is not None)
        if self._preview.encoding:
            self._pollTimer.start()

    def _previewProblem(self):
        """Why a preview cannot be computed. PyTorch is imported here, in the main thread, but not installed."""
        if not torchInstalled():
            return _("Turn live preview off and on to install PyTorch.")
        try:
            ensureTorch()
        except DependencyError as error:
            return str(error)
        return ""

    def _poll(self):
        """Let the worker go on, and take over what it has done."""
        self._worker.poll(self.POLL_SECONDS)
        if self._run:
            self._run.advance()
        self._preview.poll()
        if not (self._run or self._preview.encoding or self._recognition.pending):
            self._pollTimer.stop()
        if self._run and self._run.finished:
            self._finishRun()
        elif self._run:
            self._updateRun()

    def _updateRun(self):
        """Show whether and how far a run is."""
        button = self.ui.applyButton
        self.ui.progressBar.setVisible(self._run is not None)
        if self._run is None:
            button.text = _("Apply")
            button.toolTip = self._applyProblem or _("Compute the super-resolved volume.")
            button.enabled = not self._applyProblem
            return
        button.text = _("Cancelling...") if self._run.cancelled else _("Cancel")
        button.toolTip = _("End the run; nothing is changed.")
        button.enabled = not self._run.cancelled
        fraction, remainingSeconds = self._run.progress
        self.ui.progressBar.value = math.floor(100 * fraction)
        # Not in the bar, because macOS shows no text there.
        self.ui.statusLabel.text = progressText(fraction, remainingSeconds)

    def _finishRun(self):
        run, self._run = self._run, None
        self._runEnd = time.monotonic()
        self._updateRun()
        self._scheduleUpdate()  # There is a result to compare with, and it is known how long such a run takes.
        seconds = f"{self._runEnd - self._runStart:.1f}"
        if run.inputRemoved:
            text = _("The input volume, or its sequence, was removed. Nothing was changed.")
        elif run.cancelled:
            text = _("Cancelled. Nothing was changed.")
        elif run.error:
            text = _("The run failed. Nothing was changed.")
        else:
            text = _("{name} was computed in {seconds} s.").format(name=run.output.GetName(), seconds=seconds)
            self._showOutput(run)
        logging.log(logging.ERROR if run.error else logging.INFO, f"NExpR: {text}", exc_info=run.error)
        self.ui.statusLabel.text = text
        if run.error:
            with slicer.util.tryWithErrorDisplay(_("The volume could not be super-resolved.")):
                raise run.error

    def _showOutput(self, run):
        """Show the result in place of the input; while the user works in another module, the views are theirs."""
        parameterNode = self.logic.getParameterNode()
        selected = parameterNode.inputVolume is run.inputVolume  # Otherwise the user is busy with another volume.
        if selected:
            parameterNode.livePreview = False
            self._preview.stop()
        if not self.parent.isEntered:
            self._unseenOutput = run.inputVolume, run.output
        elif selected:
            self._showInstead(run.inputVolume, run.output)
        else:
            showInstead(run.inputVolume, run.output)

    def _showInstead(self, volumeNode, otherNode):
        """Show another volume where a volume is shown, else in all views; of two side by side, in the left one."""
        if self._sideBySide.shown:
            self._sideBySide.showLeft(otherNode)
        elif not showInstead(volumeNode, otherNode):
            slicer.util.setSliceViewerLayers(background=otherNode)


#
# NExpRSlicerLogic
#


class NExpRSlicerLogic(ScriptedLoadableModuleLogic):
    """Everything that can be done without a graphical user interface."""

    def __init__(self):
        """Called when the logic class is instantiated. Can be used for initializing member variables."""
        ScriptedLoadableModuleLogic.__init__(self)
        self.models = ModelCache()

    def getParameterNode(self):
        node = super().getParameterNode()
        forgetUnknownChoices(node)
        return NExpRSlicerParameterNode(node)

    def volumeFacts(self, volumeNode, region=Region.WHOLE):
        """What the panel needs to know of the input volume."""
        problem = volumeProblem(volumeNode)
        if not problem and looksLikeLabels(volumeNode):
            problem = _("{name} looks like a label map: resample it with nearest neighbor instead.").format(
                name=volumeNode.GetName()
            )
        if problem:
            return VolumeFacts(problem)
        box, regionProblem = None, ""
        try:
            box = self.box(volumeNode, region)
        except ValueError as error:
            regionProblem = str(error)
        sequence = sequenceOf(volumeNode)
        frames = max(1, sequence[1].GetNumberOfDataNodes()) if sequence else 1
        return VolumeFacts(
            geometry=geometryOf(volumeNode),
            voxelType=voxelTypeOf(volumeNode),
            frames=frames,
            modality=modalityOf(volumeNode),
            thickness=headerFacts(volumeNode).get("SliceThickness"),
            acquisition=acquisitionOf(volumeNode),
            box=box,
            regionProblem=regionProblem,
        )

    def box(self, inputVolume, region):
        """Voxels of the input volume to super-resolve; None for all.

        :raises ValueError: if there are none, with what to do instead.
        """
        if region == Region.WHOLE:
            return None
        matrix = ijkToWorld(inputVolume)
        toIJK = np.linalg.inv(matrix)
        views = [
            (acrossOf(sliceNode, matrix), toIJK @ xyToWorld(sliceNode), viewSize(sliceNode))
            for sliceNode, _compositeNode in viewsOf([inputVolume, *resultsOf(inputVolume)])
        ]
        return visibleBox(inputVolume.GetImageData().GetDimensions(), views)

    def process(
        self,
        inputVolume,
        outputVolume=None,
        scale=None,
        spacing=None,
        plane="auto",
        model=MODEL_AUTO,
        device="auto",
        dataConsistency=False,
        progress=None,
        isotropic=None,
        thickness=None,
        measured="auto",
        slicesModel="auto",
        noiseReduction=0.0,
    ):
        """
        Super-resolve a volume in its acquisition plane, or along all axes. Can be used without GUI widget.

        :param inputVolume: scalar volume node. If it is a frame of a sequence, all frames are processed.
        :param outputVolume: volume node to overwrite; by default a new one is created.
        :param scale: number of output pixels per input pixel along rows and columns; give one of scale, spacing and
            isotropic.
        :param spacing: output pixel spacing in mm.
        :param plane: auto (the acquisition plane), axial, sagittal or coronal.
        :param model: auto (by what the volume is), mri, mri-fast, ct, ct-fast, or the path of a model's folder.
        :param device: auto, cuda, mps or cpu.
        :param dataConsistency: keep the measured spatial frequencies of each slice exactly.
        :param progress: called as progress(fraction, remainingSeconds) after every step; it may raise to cancel, which
            leaves the scene as it was. The time is None after the first step, which takes longer.
        :param isotropic: side of cubes in mm, or True for the finest measured pixel: the slice axis is refined, too.
        :param thickness: of the slices in mm, for isotropic; by default that of the DICOM header, else the spacing.
        :param measured: pixels that were measured, where the scanner stored more: auto (recognized, for models trained
            on k-space), stored, or (rows, columns) in mm.
        :param slicesModel: for isotropic: auto (that of the modality of the model), or a name or a folder.
        :param noiseReduction: share of the noise to remove, from 0 to 1, by models that can.
        :return: the output volume node, or None if the input was removed during the run.
        :raises ValueError: for a volume or a target that cannot be super-resolved, with what to do instead.
        :raises DependencyError: if PyTorch is missing, with how to get it.
        """
        checkVolume(inputVolume)
        if model == MODEL_AUTO:
            model = model_for(modalityOf(inputVolume))
        told = headerFacts(inputVolume).get("SliceThickness")
        settings = Settings(
            scale=scale,
            spacing=spacing,
            plane=plane,
            model=str(model),
            device=device,
            dataConsistency=dataConsistency,
            isotropic=isotropic or None,
            thickness=thickness,
            measured=measured,
            slicesModel=str(slicesModel),
            noiseReduction=noiseReduction,
            headerThickness=thickness_across(plane, geometryOf(inputVolume), told),
        )
        if recognizes(settings):
            recognize(inputVolume)
        run = ApplyRun(inputVolume, outputVolume, settings, self.models)
        ensureTorch()
        return run.finish(run.job.run(progress))


#
# NExpRSlicerTest
#


class NExpRSlicerTest(ScriptedLoadableModuleTest):
    """Tests in the application; everything that needs no application is tested in Testing/NExpRSlicer."""

    def setUp(self):
        """Reset the state."""
        slicer.mrmlScene.Clear()

    def runTest(self):
        """Run all tests."""
        for test in (
            self.test_panel,
            self.test_apply,
            self.test_outputRemoved,
            self.test_sceneLoaded,
            self.test_livePreview,
        ):
            self.setUp()
            test()

    def test_panel(self):
        """Apply follows the selection of volumes."""
        widget = self._widget()
        self._wait(lambda: _("Select an input volume.") in widget.ui.applyButton.toolTip)
        self.assertFalse(widget.ui.applyButton.enabled)
        widget._parameterNode.inputVolume = self._volume()
        self._wait(lambda: "64 x 48" in widget.ui.sizeLabel.text)
        widget._parameterNode.scale = 4
        self._wait(lambda: "128 x 96" in widget.ui.sizeLabel.text)
        self.delayDisplay("The panel follows the parameters.")

    def test_apply(self):
        """A run in the background gives the same volume as the logic."""
        if not self._ready():
            return
        widget = self._widget()
        volumeNode = self._volume()
        expected = widget.logic.process(volumeNode, scale=2)
        widget._parameterNode.inputVolume = volumeNode
        self._wait(lambda: widget.ui.applyButton.enabled)
        widget.ui.applyButton.click()
        self._wait(lambda: widget._run is None)
        output = slicer.util.getNode("Input NExpR 2x_1")
        self.assertEqual(output.GetImageData().GetDimensions(), (64, 48, 3))
        self.assertTrue((slicer.util.arrayFromVolume(output) == slicer.util.arrayFromVolume(expected)).all())
        self.delayDisplay("Apply works.")

    def test_outputRemoved(self):
        """No other volume becomes the output when that is removed."""
        widget = self._widget()
        for _index in range(3):
            self._volume()
        output = self._volume()
        self._volume()
        widget._parameterNode.outputVolume = output
        self._wait(lambda: widget.ui.outputSelector.currentNode() is output)
        slicer.mrmlScene.RemoveNode(output)
        slicer.app.processEvents()
        self.assertIsNone(widget._parameterNode.outputVolume)
        self.assertIsNone(widget.ui.outputSelector.currentNode())
        self.delayDisplay("A removed output stays removed.")

    def test_sceneLoaded(self):
        """The volumes that were selected are selected again when a scene is loaded."""
        widget = self._widget()
        for name in ("First", "Input", "Output"):
            self._volume().SetName(name)
        widget._parameterNode.inputVolume = slicer.util.getNode("Input")
        widget._parameterNode.outputVolume = slicer.util.getNode("Output")
        sceneFile = Path(slicer.app.temporaryPath) / "NExpRSlicerTest.mrb"
        slicer.util.saveScene(str(sceneFile))
        slicer.util.loadScene(str(sceneFile))
        sceneFile.unlink()
        slicer.app.processEvents()
        self.assertEqual(widget._parameterNode.inputVolume.GetName(), "Input")
        self.assertEqual(widget._parameterNode.outputVolume.GetName(), "Output")
        self.assertEqual(widget.ui.inputSelector.currentNode().GetName(), "Input")
        self.assertEqual(widget.ui.outputSelector.currentNode().GetName(), "Output")
        self.delayDisplay("A loaded scene brings its selection.")

    def test_livePreview(self):
        """The preview appears in the axial view and leaves nothing behind."""
        if not self._ready() or slicer.app.layoutManager() is None:
            return
        widget = self._widget()
        volumeNode = self._volume()
        slicer.util.setSliceViewerLayers(background=volumeNode, fit=True)
        widget._parameterNode.inputVolume = volumeNode
        nodes = slicer.mrmlScene.GetNumberOfNodes()
        widget._parameterNode.livePreview = True
        composite = slicer.app.layoutManager().sliceWidget("Red").mrmlSliceCompositeNode()
        self._wait(lambda: composite.GetForegroundVolumeID() is not None)
        widget._parameterNode.liveZoom = True
        self._wait(lambda: _("Slice") in widget.ui.previewLabel.text)
        widget._parameterNode.livePreview = False
        self._wait(lambda: slicer.mrmlScene.GetNumberOfNodes() == nodes)
        self.assertIsNone(composite.GetForegroundVolumeID())
        self.delayDisplay("Live preview works.")

    def _widget(self):
        slicer.util.selectModule("NExpRSlicer")
        return slicer.modules.NExpRSlicerWidget

    def _ready(self):
        if torchInstalled():
            return True
        self.delayDisplay("PyTorch is not installed: only the panel is tested.")
        return False

    def _volume(self):
        """A smooth axial volume of 32 x 24 x 3 voxels."""
        k, j, i = np.mgrid[:3, :24, :32]
        pixels = (500 + 200 * np.sin(0.4 * i + 0.1 * k) * np.cos(0.3 * j)).astype(np.int16)
        return slicer.util.addVolumeFromArray(pixels, np.diag([-1.0, -1.0, 4.0, 1.0]), "Input")

    def _wait(self, condition, seconds=60):
        """Let the application run until a condition holds."""
        end = time.monotonic() + seconds
        while not condition():
            self.assertLess(time.monotonic(), end, "timeout")
            slicer.app.processEvents()
            time.sleep(0.01)
