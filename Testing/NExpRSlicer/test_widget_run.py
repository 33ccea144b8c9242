"""Apply from the panel: runs in the background, how they end, and where their results are shown."""

import time

import numpy as np
import pytest

pytest.importorskip("slicer_core", reason="needs the wheel slicer-core")
import slicer
import slicer.util

from .gui_stand_ins import Timer, process_events
from .opened_widget import outputs, preview, wait
from .stage import add_view
from .volumes import add_volume, matrix_of, smooth_pixels


def test_apply_creates_the_volume_of_the_logic_and_shows_it(widget, scene, tiny_model_folder):
    widget.ui.applyButton.click()
    assert widget.ui.applyButton.text == "Cancel"
    assert widget.ui.progressBar.visible
    assert widget.ui.statusLabel.text == "Starting..."
    wait(lambda: widget.ui.applyButton.text == "Apply")
    (output,) = outputs(scene)
    expected = widget.logic.process(widget._parameterNode.inputVolume, scale=2, model=tiny_model_folder)
    assert np.array_equal(slicer.util.arrayFromVolume(output), slicer.util.arrayFromVolume(expected))
    assert scene.GetFirstNodeByClass("vtkMRMLSliceCompositeNode").GetBackgroundVolumeID() == output.GetID()
    assert output.GetName() in widget.ui.statusLabel.text
    assert widget.ui.modelPathLineEdit.inHistory
    process_events(3)
    assert Timer.active == []


def test_chosen_output_is_overwritten(widget, scene):
    chosen = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Mine")
    widget._parameterNode.outputVolume = chosen
    process_events()
    widget.ui.applyButton.click()
    wait(lambda: widget.ui.applyButton.text == "Apply")
    assert chosen.GetImageData().GetDimensions() == (48, 40, 4)
    assert outputs(scene) == []


def test_two_runs(widget, scene):
    for _ in range(2):
        widget.ui.applyButton.click()
        wait(lambda: widget.ui.applyButton.text == "Apply")
    assert len(outputs(scene)) == 2


def test_cancel(widget, scene):
    nodes = scene.GetNumberOfNodes()
    widget.ui.applyButton.click()
    widget.ui.applyButton.click()
    wait(lambda: widget.ui.applyButton.text == "Apply")
    assert scene.GetNumberOfNodes() == nodes
    assert "Cancelled" in widget.ui.statusLabel.text
    widget.ui.applyButton.click()
    wait(lambda: widget.ui.applyButton.text == "Apply")
    assert len(outputs(scene)) == 1


def test_double_click_starts_one_run(widget, scene):
    widget.DOUBLE_CLICK_SECONDS = 1000
    widget.ui.applyButton.click()
    widget.ui.applyButton.click()
    wait(lambda: widget.ui.applyButton.text == "Apply")
    assert len(outputs(scene)) == 1


def test_click_on_cancel_as_the_run_ends_starts_no_other(widget, scene):
    widget.ui.applyButton.click()
    wait(lambda: widget.ui.applyButton.text == "Apply")
    widget.DOUBLE_CLICK_SECONDS = 1000
    widget.ui.applyButton.click()
    assert widget.ui.applyButton.text == "Apply"
    widget.DOUBLE_CLICK_SECONDS = 0
    widget.ui.applyButton.click()
    assert widget.ui.applyButton.text == "Cancel"


def test_run_that_waits_for_a_slice_is_cancelled_at_once(widget, scene):
    widget._worker.submit(lambda: time.sleep(0.2), lambda value, error: None)
    widget.ui.applyButton.click()
    widget.ui.applyButton.click()
    process_events()
    assert widget.ui.applyButton.text == "Apply"
    assert "Cancelled" in widget.ui.statusLabel.text


@pytest.mark.parametrize("event", ["close", "remove", "cleanup"])
def test_run_that_nobody_waits_for_is_cancelled(widget, scene, event):
    widget.ui.applyButton.click()
    run = widget._run
    if event == "close":
        scene.Clear(0)
    elif event == "cleanup":
        widget.cleanup()
    else:
        scene.RemoveNode(widget._parameterNode.inputVolume)
        run.advance()
    assert run.cancelled


@pytest.mark.parametrize("event", ["close", "remove"])
def test_scene_closed_or_input_removed_during_a_run(widget, scene, event):
    widget.ui.applyButton.click()
    scene.Clear(0) if event == "close" else scene.RemoveNode(widget._parameterNode.inputVolume)
    wait(lambda: widget.ui.applyButton.text == "Apply")
    process_events(3)
    assert slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") == []
    assert ("Cancelled" if event == "close" else "was removed") in widget.ui.statusLabel.text
    assert not widget.ui.applyButton.enabled
    assert "Select an input volume" in widget.ui.applyButton.toolTip


def test_input_removed_during_a_run_is_said_beside_the_next_volume(widget, scene):
    other = add_volume(smooth_pixels((4, 20, 24)), matrix_of("axial"), "Other")
    widget.ui.applyButton.click()
    scene.RemoveNode(widget._parameterNode.inputVolume)
    wait(lambda: widget.ui.applyButton.text == "Apply")
    widget._parameterNode.inputVolume = other  # as the selector does by itself
    process_events()
    assert "was removed" in widget.ui.statusLabel.text
    third = add_volume(smooth_pixels((4, 20, 24)), matrix_of("axial"), "Third")
    widget._parameterNode.inputVolume = third
    process_events()
    assert widget.ui.statusLabel.text == ""


def test_input_removed_when_all_slices_are_computed(widget, scene):
    widget.ui.applyButton.click()
    job = widget._run._applyRun.job
    end = time.monotonic() + 20
    while job.fraction < 1 - 1e-9 and time.monotonic() < end:
        time.sleep(0.01)
    time.sleep(0.1)  # Without events, nobody takes over the result.
    scene.RemoveNode(widget._parameterNode.inputVolume)
    wait(lambda: widget.ui.applyButton.text == "Apply")
    assert "was removed" in widget.ui.statusLabel.text
    assert slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") == []


def test_leaving_the_module_lets_a_run_finish(widget, scene):
    widget.ui.applyButton.click()
    widget.exit()
    wait(lambda: outputs(scene))
    widget.enter()
    process_events()
    assert widget.ui.applyButton.enabled


def test_result_is_shown_where_the_input_was(widget, scene):
    other = add_volume(smooth_pixels((4, 20, 24)), matrix_of("axial"), "Other patient")
    input = widget._parameterNode.inputVolume
    composites = [add_view(scene, name, "Axial")[1] for name in ("Overlay", "Other")]
    for composite, background, foreground in zip(composites, (other, other), (input, None)):
        composite.SetBackgroundVolumeID(background.GetID())
        composite.SetForegroundVolumeID(foreground.GetID() if foreground else None)
    widget.ui.applyButton.click()
    wait(lambda: outputs(scene))
    (output,) = outputs(scene)
    layers = [(c.GetBackgroundVolumeID(), c.GetForegroundVolumeID()) for c in composites]
    assert layers == [(other.GetID(), output.GetID()), (other.GetID(), None)]
    assert scene.GetFirstNodeByClass("vtkMRMLSliceCompositeNode").GetBackgroundVolumeID() == output.GetID()


def test_result_that_no_view_shows_is_shown_in_all(widget, scene):
    slicer.util.setSliceViewerLayers(background=None)
    widget.ui.applyButton.click()
    wait(lambda: outputs(scene))
    composite = scene.GetFirstNodeByClass("vtkMRMLSliceCompositeNode")
    assert composite.GetBackgroundVolumeID() == outputs(scene)[0].GetID()


def test_views_of_another_module_are_left_alone(widget, scene):
    widget._parameterNode.livePreview = True
    wait(lambda: preview() is not None)
    input = widget._parameterNode.inputVolume
    widget.ui.applyButton.click()
    widget.exit()
    widget.parent.isEntered = False
    wait(lambda: outputs(scene))
    composite = scene.GetFirstNodeByClass("vtkMRMLSliceCompositeNode")
    assert composite.GetBackgroundVolumeID() == input.GetID()
    assert not widget.logic.getParameterNode().livePreview


def test_preview_of_another_volume_outlasts_a_run(widget, scene):
    widget.ui.applyButton.click()
    other = add_volume(smooth_pixels((4, 20, 24)), matrix_of("axial", origin=(0, 0, 0)), "Other")
    slicer.util.setSliceViewerLayers(background=other)
    widget._parameterNode.inputVolume = other
    widget._parameterNode.livePreview = True
    wait(lambda: outputs(scene))
    wait(lambda: preview() is not None)
    assert widget._parameterNode.livePreview


def test_error_of_a_run_is_reported_and_the_module_goes_on(widget, scene, tiny_model_folder, tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    for file in tiny_model_folder.iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    (broken / "weights.pt").write_bytes(b"no weights")
    widget._parameterNode.modelPath = broken
    process_events()
    widget.ui.applyButton.click()
    with pytest.raises(ValueError, match="SHA-256"):
        wait(lambda: False)
    assert widget.ui.applyButton.text == "Apply"
    assert "failed" in widget.ui.statusLabel.text
    widget._parameterNode.modelPath = tiny_model_folder
    process_events()
    widget.ui.applyButton.click()
    wait(lambda: outputs(scene))


def test_apply_during_the_preview_waits_for_its_slice_and_ends_it(widget, scene):
    widget._parameterNode.livePreview = True
    process_events()
    widget.ui.applyButton.click()
    wait(lambda: outputs(scene))
    process_events(3)
    assert preview() is None
    assert not widget._parameterNode.livePreview
