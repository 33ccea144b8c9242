"""The widget with stand-ins for Qt and the application, on a real MRML scene with a real model and thread."""

import gc
import sys
import types
import weakref

import numpy as np
import pytest

pytest.importorskip("slicer_core", reason="needs the wheel slicer-core")
import slicer
import slicer.util

import NExpRSlicer

from .conftest import MODULE_FOLDER
from .gui_stand_ins import Palette, Parent, Timer, process_events
from .opened_widget import opened, preview, wait
from .volumes import add_volume, matrix_of, smooth_pixels


def test_module_describes_itself():
    parent = Parent(str(MODULE_FOLDER / "NExpRSlicer.py"))
    NExpRSlicer.NExpRSlicer(parent)
    assert parent.title == "NExpR"
    assert parent.categories == ["Filtering"]
    assert "109354" in parent.acknowledgementText
    assert "research" in parent.helpText


def test_sample_data_is_offered_after_startup(monkeypatch):
    connected, offered = [], []
    monkeypatch.setattr(slicer.app, "connect", lambda signal, slot: connected.append((signal, slot)))
    logic = types.SimpleNamespace(registerCustomSampleDataSource=lambda **source: offered.append(source))
    monkeypatch.setitem(sys.modules, "SampleData", types.SimpleNamespace(SampleDataLogic=logic))
    NExpRSlicer.NExpRSlicer(Parent(str(MODULE_FOLDER / "NExpRSlicer.py")))
    ((signal, slot),) = connected
    assert (signal, offered) == ("startupCompleted()", [])
    slot()
    readme = (MODULE_FOLDER.parent / "README.md").read_text(encoding="utf-8")
    for source in offered:
        assert f"click *{source['sampleName']}*" in readme
        # Slicer's test data lies under its checksum.
        assert source["uris"].endswith(source["checksums"].replace(":", "/"))
    assert [source["nodeNames"] for source in offered] == ["MRHead", "CTChest"]


def test_first_volume_is_selected_and_apply_is_ready(widget):
    assert widget.ui.applyButton.enabled
    assert widget.ui.sizeLabel.text.startswith("4 slices of 48 x 40 pixels")
    assert not widget.ui.warningLabel.visible
    assert not widget.ui.progressBar.visible
    wait(lambda: Timer.active == [])  # Nothing runs while nothing happens.


def test_warnings_follow_the_theme(widget, monkeypatch):
    before = widget.ui.warningLabel.styleSheet
    monkeypatch.setattr(Palette, "lightness", 40)
    slicer.app.emit("paletteChanged", None)
    process_events()
    assert widget.ui.warningLabel.styleSheet != before


def test_volume_that_was_loaded_last_is_selected(scene, tiny_model_folder):
    Timer.active.clear()
    names = ("Empty", "First", "Last")
    empty, first, last = (scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name) for name in names)
    for node in (first, last):
        slicer.util.updateVolumeFromArray(node, smooth_pixels((2, 5, 6)))
    selection = scene.AddNewNodeByClass("vtkMRMLSelectionNode")
    for active, expected in ((last, last), (empty, first), (None, first)):
        selection.SetActiveVolumeID(active.GetID() if active else None)
        widget = opened(scene, tiny_model_folder)
        assert widget._parameterNode.inputVolume is expected
        widget._parameterNode.inputVolume = None
        widget.cleanup()


def test_output_that_is_removed_is_not_replaced_by_another_volume(widget, scene):
    """The selector would choose one, and the next run overwrite it."""
    chosen = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Mine")
    other = add_volume(smooth_pixels((2, 5, 6)), matrix_of("axial"), "Other patient")
    widget._parameterNode.outputVolume = chosen

    def choose_another(caller, event):
        if widget._parameterNode.outputVolume is not None:
            widget._parameterNode.outputVolume = other

    scene.AddObserver(scene.NodeAboutToBeRemovedEvent, choose_another)
    scene.RemoveNode(chosen)
    assert widget._parameterNode.outputVolume is None


def test_panel_follows_changes_of_the_volume(widget):
    volume = widget._parameterNode.inputVolume
    volume.SetSpacing(2.0, 2.0, 3.0)
    process_events()
    assert "1 x 1 mm" in widget.ui.sizeLabel.text
    slicer.util.updateVolumeFromArray(volume, smooth_pixels((6, 10, 8)))
    process_events()
    assert widget.ui.sizeLabel.text.startswith("6 slices of 16 x 20 pixels")


def test_live_preview_appears_and_goes(widget, scene):
    nodes = scene.GetNumberOfNodes()
    assert not widget.ui.liveZoomCheckBox.enabled
    widget._parameterNode.livePreview = True
    widget.ui.livePreviewCheckBox.click(True)
    wait(lambda: preview() is not None)
    assert widget.ui.liveZoomCheckBox.enabled
    wait(lambda: "Slice" in widget.ui.previewLabel.text and "48 x 40" in widget.ui.previewLabel.text)
    widget._parameterNode.scale = 3
    process_events()
    assert preview().GetImageData().GetDimensions() == (72, 60, 1)
    widget._parameterNode.livePreview = False
    process_events()
    assert scene.GetNumberOfNodes() == nodes
    process_events(3)
    assert Timer.active == []


def test_zooming_the_view_updates_the_preview(widget, scene):
    widget._parameterNode.livePreview = widget._parameterNode.liveZoom = True
    wait(lambda: preview() is not None)
    sliceNode = scene.GetFirstNodeByClass("vtkMRMLSliceNode")
    sliceNode.SetFieldOfView(6, 4, 1)
    process_events()
    assert preview().GetSpacing()[0] == pytest.approx(6 / 300)


def test_view_that_is_not_parallel_offers_rotation(widget, scene):
    widget._parameterNode.livePreview = True
    wait(lambda: preview() is not None)
    assert not widget.ui.remedyButton.visible
    sliceNode = scene.GetFirstNodeByClass("vtkMRMLSliceNode")
    sliceNode.SetSliceToRASByNTP(0.1, 0, 1, 1, 0, 0, 0, 0, 0, 0)
    process_events()
    assert widget.ui.remedyButton.visible
    assert scene.GetFirstNodeByClass("vtkMRMLSliceCompositeNode").GetForegroundVolumeID() is None
    widget.ui.remedyButton.click()
    wait(lambda: "48 x 40" in widget.ui.previewLabel.text)
    assert not widget.ui.remedyButton.visible


def test_preview_ends_with_the_module_and_comes_back(widget):
    widget._parameterNode.livePreview = True
    wait(lambda: preview() is not None)
    widget.exit()
    assert preview() is None
    widget.enter()
    wait(lambda: preview() is not None)


def test_scene_close_ends_the_preview(widget, scene):
    widget._parameterNode.livePreview = True
    process_events()
    scene.Clear(0)
    process_events(5)
    assert preview() is None
    assert not widget._parameterNode.livePreview


def test_selection_is_safe_while_a_scene_is_added(widget, scene):
    """Meanwhile the selectors list the nodes anew, and would write what they select to the parameter node."""
    selected = widget._parameterNode.inputVolume
    scene.StartState(scene.ImportState)
    assert widget._parameterNode is None
    scene.EndState(scene.ImportState)
    assert widget._parameterNode.inputVolume is selected


def test_empty_path_is_shown_as_empty(widget):
    widget.ui.modelPathLineEdit.currentPath = "."
    widget._parameterNode.scale = 3
    process_events()
    assert widget.ui.modelPathLineEdit.currentPath == ""


def test_path_that_is_emptied_leaves_no_model(widget):
    assert widget.ui.applyButton.enabled
    widget.ui.modelPathLineEdit.currentPath = ""
    widget.ui.modelPathLineEdit.validInputChanged.emit(False)
    process_events()
    assert not widget.ui.applyButton.enabled
    assert "model" in widget.ui.applyButton.toolTip


def test_choices_of_another_version_are_forgotten(widget):
    """As in a scene that a later version saved."""
    node = widget._parameterNode.parameterNode
    for name in ("model", "plane", "device", "targetMode"):
        node.SetParameter(name, "FROM_THE_FUTURE")
    node.SetParameter("scale", "3.5")
    parameters = widget.logic.getParameterNode()
    assert (parameters.model, parameters.plane.name, parameters.device.name) == ("auto", "AUTO", "AUTO")
    assert (parameters.targetMode.name, parameters.scale) == ("SCALE", 3.5)


@pytest.mark.parametrize(
    ("stored", "model"), [("MRI", "mri"), ("MRI_FAST", "mri-fast"), ("CT", "ct"), ("FILE", "file")]
)
def test_models_of_scenes_of_earlier_versions_are_known(widget, stored, model):
    widget._parameterNode.parameterNode.SetParameter("model", stored)
    assert widget.logic.getParameterNode().model == model


def test_models_are_listed_by_their_cards(widget):
    labels = ["MRI", "MRI, fast", "CT", "CT, fast"]
    combo = widget.ui.modelComboBox
    assert [text for text, _name in combo.items] == ["Automatic (MRI)", *labels, "From folder or file"]
    assert combo.items[combo.currentIndex][0] == "From folder or file"
    combo.choose("CT")
    assert widget._parameterNode.model == "ct"
    widget._parameterNode.model = "mri-fast"
    process_events()
    assert combo.items[combo.currentIndex][0] == "MRI, fast"


def test_ct_is_recognized(widget, scene):
    volume = widget._parameterNode.inputVolume
    widget._parameterNode.model = "auto"
    automatic = lambda: (process_events(), widget.ui.modelComboBox.items[0][0])[1]  # noqa: E731
    assert automatic() == "Automatic (MRI)"
    pixels = smooth_pixels((4, 20, 24), "int16")
    pixels[:, :4] = -1000
    slicer.util.updateVolumeFromArray(volume, pixels)
    assert automatic() == "Automatic (CT)"
    assert widget.logic.process(volume, scale=2).GetAttribute("NExpR.Model") == "ct"
    pixels[:, :4] = -1500  # As in a difference of two images.
    slicer.util.updateVolumeFromArray(volume, pixels)
    assert automatic() == "Automatic (MRI)"
    units = slicer.vtkCodedEntry()
    units.SetValueSchemeMeaning("[hnsf'U]", "UCUM", "Hounsfield unit")
    volume.SetVoxelValueUnits(units)
    assert automatic() == "Automatic (CT)"
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    hierarchy.SetItemAttribute(hierarchy.CreateItem(hierarchy.GetSceneItemID(), volume), "DICOM.Modality", "MR")
    volume.Modified()
    assert automatic() == "Automatic (MRI)"


def test_reload_twice(widget, scene, tiny_model_folder):
    """Slicer cleans up the old widget and sets up a new one."""
    for _ in range(2):
        widget._parameterNode.livePreview = True
        wait(lambda: preview() is not None)
        widget.cleanup()
        assert preview() is None
        assert Timer.active == []
        widget = opened(scene, tiny_model_folder)
    wait(lambda: preview() is not None)
    widget.cleanup()


def test_reload_forgets_the_helpers(widget):
    modules = dict(sys.modules)
    try:
        widget.onReload()
        assert not [name for name in sys.modules if name.startswith(("NExpRSlicerLib", "NExpRLib"))]
        assert widget.reloads == 1
    finally:
        sys.modules.update(modules)


def test_preview_starts_when_pytorch_was_installed_for_it(widget, monkeypatch):
    """Slicer handles events while it installs packages; the preview must not start with half of PyTorch."""
    installed = []

    def install():
        if not installed:
            process_events(3)
            assert not widget._preview.encoding
            widget.ui.applyButton.click()
            assert widget._run is None
            installed.append(True)

    monkeypatch.setattr(NExpRSlicer, "torchInstalled", lambda: bool(installed))
    monkeypatch.setattr(NExpRSlicer, "ensureTorch", install)
    widget._parameterNode.livePreview = True
    widget.ui.livePreviewCheckBox.click(True)
    wait(lambda: preview() is not None)


def test_removed_volume_is_not_kept_in_memory(widget, scene):
    gone = []
    volume = add_volume(smooth_pixels((2, 8, 9)), matrix_of("axial"))
    volume.AddObserver("DeleteEvent", lambda *_: gone.append(True))
    widget._parameterNode.inputVolume = volume
    widget._parameterNode.livePreview = True
    process_events()
    scene.RemoveNode(volume)
    del volume
    process_events(3)
    gc.collect()
    assert gone


def test_leaving_the_module_leaves_no_wrapper_of_the_parameter_node(widget):
    wrapper = weakref.ref(widget._parameterNode)
    widget.exit()
    gc.collect()
    assert wrapper() is None


def test_declined_installation_is_calm(widget, monkeypatch):
    def decline():
        raise NExpRSlicer.DependencyError("PyTorch was not installed.")

    monkeypatch.setattr(NExpRSlicer, "ensureTorch", decline)
    widget._parameterNode.livePreview = True
    widget.ui.livePreviewCheckBox.click(True)
    assert not widget._parameterNode.livePreview
    assert widget.ui.previewLabel.text == "PyTorch was not installed."
    widget.ui.applyButton.click()
    assert widget.ui.statusLabel.text == "PyTorch was not installed."
    assert widget.ui.applyButton.text == "Apply"


def test_preview_of_a_loaded_scene_does_not_ask_for_pytorch(widget, monkeypatch):
    monkeypatch.setattr(NExpRSlicer, "torchInstalled", lambda: False)
    widget._parameterNode.livePreview = True
    process_events()
    assert preview() is None
    assert "PyTorch" in widget.ui.previewLabel.text


def test_torch_that_is_too_old_is_explained(monkeypatch):
    import torch

    monkeypatch.setattr(torch, "__version__", "2.1.2+cpu")
    with pytest.raises(NExpRSlicer.DependencyError, match=r"2\.1\.2\+cpu is too old, 2\.2 or later"):
        NExpRSlicer.ensureTorch()


def test_label_map_is_not_selected_by_itself(scene, tiny_model_folder):
    Timer.active.clear()
    labels = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "Labels")
    slicer.util.updateVolumeFromArray(labels, np.ones((2, 5, 6), np.uint8))
    widget = opened(scene, tiny_model_folder)
    assert widget._parameterNode.inputVolume is None
    widget.cleanup()
