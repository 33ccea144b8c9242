"""Comparing with the input in one click, in place and side by side."""

import pytest

pytest.importorskip("slicer_core", reason="needs the wheel slicer-core")
import numpy as np
import slicer
import slicer.util

from NExpRSlicerLib.Parameters import Plane, TargetMode

from .gui_stand_ins import Shortcut, process_events
from .opened_widget import outputs, preview, wait
from .stage import add_view
from .volumes import add_volume, matrix_of, smooth_pixels


def background(scene):
    return scene.GetNodeByID(scene.GetFirstNodeByClass("vtkMRMLSliceCompositeNode").GetBackgroundVolumeID())


def press(key):
    (shortcut,) = (each for each in Shortcut.present if each.key == key)
    shortcut.press()
    process_events()


def applied(widget, scene):
    widget.ui.applyButton.click()
    wait(lambda: outputs(scene))
    process_events()
    return outputs(scene)[0]


def test_nothing_to_compare(widget):
    assert not widget.ui.compareButton.enabled
    assert not widget.ui.sideBySideButton.enabled
    press("C")
    assert not widget.ui.compareButton.checked


def test_preview_and_input_by_button_and_key(widget, scene):
    widget._parameterNode.livePreview = True
    wait(lambda: preview() is not None)
    foreground = scene.GetFirstNodeByClass("vtkMRMLSliceCompositeNode").GetForegroundVolumeID
    for compare in (widget.ui.compareButton.click, lambda: press("C")):
        compare()
        process_events()
        assert foreground() is None
        assert widget.ui.compareButton.checked
        compare()
        process_events()
        assert foreground() == preview().GetID()
        assert not widget.ui.compareButton.checked


def test_result_and_input(widget, scene):
    output = applied(widget, scene)
    assert background(scene) is output
    press("C")
    assert background(scene) is widget._parameterNode.inputVolume
    assert widget.ui.compareButton.checked
    press("C")
    assert background(scene) is output


def test_result_can_be_compared_as_soon_as_it_is_there(widget, scene):
    widget._parameterNode.livePreview = False  # As it is: no change of a parameter tells of the result.
    process_events(3)
    widget.ui.applyButton.click()
    wait(lambda: outputs(scene))
    process_events()
    assert widget.ui.compareButton.enabled
    assert widget.ui.sideBySideButton.enabled


def test_result_of_a_loaded_scene_knows_its_input(widget, scene):
    output = applied(widget, scene)
    assert output.GetNodeReference("NExpR.Input") is widget._parameterNode.inputVolume
    scene.RemoveNode(output)
    process_events()
    assert not widget.ui.compareButton.enabled


def test_key_belongs_to_the_open_module(widget):
    widget.exit()
    assert Shortcut.present == []
    widget.enter()
    assert [shortcut.key for shortcut in Shortcut.present] == ["C"]


def test_run_that_ends_in_another_module_offers_its_result(widget, scene):
    widget.ui.applyButton.click()
    widget.exit()
    widget.parent.isEntered = False
    wait(lambda: outputs(scene))
    widget.parent.isEntered = True
    widget.enter()
    process_events()
    assert widget.ui.showResultButton.visible
    assert outputs(scene)[0].GetName() in widget.ui.statusLabel.text
    assert background(scene) is widget._parameterNode.inputVolume
    widget.ui.showResultButton.click()
    process_events()
    assert background(scene) is outputs(scene)[0]
    assert not widget.ui.showResultButton.visible


def add_layout(scene):
    layout = scene.AddNewNodeByClass("vtkMRMLLayoutNode")
    for arrangement in (layout.SlicerLayoutFourUpView, layout.SlicerLayoutSideBySideView):
        layout.AddLayoutDescription(arrangement, "<layout/>")
    layout.SetViewArrangement(layout.SlicerLayoutFourUpView)
    add_view(scene, "Yellow", "Sagittal")
    return layout


def test_side_by_side_and_back(widget, scene):
    layout = add_layout(scene)
    output = applied(widget, scene)
    views = slicer.util.getNodesByClass("vtkMRMLSliceNode")
    composites = [slicer.vtkMRMLSliceLogic.GetSliceCompositeNode(view) for view in views]
    before = [slicer.util.arrayFromVTKMatrix(view.GetSliceToRAS()) for view in views]
    volumes = [composite.GetBackgroundVolumeID() for composite in composites]
    widget.ui.sideBySideButton.click()
    process_events()
    assert layout.GetViewArrangement() == layout.SlicerLayoutSideBySideView
    shown = [composite.GetBackgroundVolumeID() for composite in composites]
    assert shown == [output.GetID(), widget._parameterNode.inputVolume.GetID()]
    left, right = (slicer.util.arrayFromVTKMatrix(view.GetSliceToRAS()) for view in views)
    assert np.array_equal(left, right)
    assert all(composite.GetLinkedControl() for composite in composites)
    assert widget.ui.sideBySideButton.checked
    widget.ui.sideBySideButton.click()
    process_events()
    assert layout.GetViewArrangement() == layout.SlicerLayoutFourUpView
    assert [composite.GetBackgroundVolumeID() for composite in composites] == volumes
    for view, matrix in zip(views, before):
        assert np.allclose(slicer.util.arrayFromVTKMatrix(view.GetSliceToRAS()), matrix)
    assert not any(composite.GetLinkedControl() for composite in composites)


def test_side_by_side_from_a_maximized_view_and_back(widget, scene):
    layout = add_layout(scene)
    applied(widget, scene)
    red, _yellow = slicer.util.getNodesByClass("vtkMRMLSliceNode")
    layout.AddMaximizedViewNode(red)
    widget.ui.sideBySideButton.click()
    assert layout.GetNumberOfMaximizedViewNodes() == 0
    widget.ui.sideBySideButton.click()
    assert layout.GetViewArrangement() == layout.SlicerLayoutFourUpView
    assert layout.IsMaximizedViewNode(red)


def test_side_by_side_outlasts_its_scene_without_its_views(widget, scene):
    layout = add_layout(scene)
    applied(widget, scene)
    widget.ui.sideBySideButton.click()
    scene.InvokeEvent(scene.StartCloseEvent)  # Closing the scene of this test would remove its layout.
    for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"):
        scene.RemoveNode(node)
    scene.InvokeEvent(scene.EndCloseEvent)
    add_volume(smooth_pixels((4, 20, 24)), matrix_of("axial"), "Not shown")
    other = add_volume(smooth_pixels((4, 20, 24)), matrix_of("axial"), "Other")
    slicer.util.setSliceViewerLayers(background=other)
    (red, yellow) = slicer.util.getNodesByClass("vtkMRMLSliceNode")
    red.SetSliceOffset(55)
    process_events()
    widget.ui.sideBySideButton.click()
    assert layout.GetViewArrangement() == layout.SlicerLayoutFourUpView
    assert red.GetSliceOffset() == 55
    composites = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    assert [node.GetBackgroundVolumeID() for node in composites] == [other.GetID()] * 2


@pytest.mark.parametrize("keys", [0, 1], ids=["result on the left", "input on the left"])
def test_result_is_shown_after_side_by_side_if_the_input_was_removed(widget, scene, keys):
    add_layout(scene)
    output, volume = applied(widget, scene), widget._parameterNode.inputVolume
    slicer.util.setSliceViewerLayers(background=volume)
    widget.ui.sideBySideButton.click()
    process_events()
    for _press in range(keys):
        press("C")
    scene.RemoveNode(volume)
    process_events()
    widget.ui.sideBySideButton.click()
    process_events()
    composites = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    assert [node.GetBackgroundVolumeID() for node in composites] == [output.GetID()] * 2


def test_input_is_shown_after_side_by_side_if_the_result_was_removed(widget, scene):
    add_layout(scene)
    output, volume = applied(widget, scene), widget._parameterNode.inputVolume
    slicer.util.setSliceViewerLayers(background=output)
    widget.ui.sideBySideButton.click()
    scene.RemoveNode(output)
    widget.ui.sideBySideButton.click()
    composites = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    assert [node.GetBackgroundVolumeID() for node in composites] == [volume.GetID()] * 2


def test_side_by_side_shows_the_part_that_was_enlarged(widget, scene):
    add_layout(scene)
    output = applied(widget, scene)
    red, yellow = slicer.util.getNodesByClass("vtkMRMLSliceNode")
    for view in (red, yellow):
        slicer.vtkMRMLSliceLogic.GetSliceCompositeNode(view).SetBackgroundVolumeID(output.GetID())
    red.SetFieldOfView(9, 6, 1)
    red.SetXYZOrigin(2, -3, 0)
    before = [(view.GetFieldOfView(), view.GetXYZOrigin()) for view in (red, yellow)]
    widget.ui.sideBySideButton.click()
    for view in (red, yellow):
        assert (view.GetFieldOfView(), view.GetXYZOrigin()) == ((9, 6, 1), (2, -3, 0))
    widget.ui.sideBySideButton.click()
    assert [(view.GetFieldOfView(), view.GetXYZOrigin()) for view in (red, yellow)] == before


def test_key_side_by_side_changes_the_left_view(widget, scene):
    add_layout(scene)
    output, volume = applied(widget, scene), widget._parameterNode.inputVolume
    widget.ui.sideBySideButton.click()
    process_events()
    composites = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    for left in (volume, output, volume):
        press("C")
        assert [node.GetBackgroundVolumeID() for node in composites] == [left.GetID(), volume.GetID()]
        assert widget.ui.compareButton.checked == (left is volume)


def test_right_view_follows_where_a_remedy_moves_the_left_one(widget, scene):
    add_layout(scene)
    slicer.util.setSliceViewerLayers(background=widget._parameterNode.inputVolume)
    widget._parameterNode.livePreview = True
    wait(lambda: widget._preview.shown)
    widget.ui.sideBySideButton.click()
    widget._parameterNode.plane = Plane.SAGITTAL
    wait(lambda: widget.ui.remedyButton.visible)
    left, right = slicer.util.getNodesByClass("vtkMRMLSliceNode")
    before = slicer.util.arrayFromVTKMatrix(left.GetSliceToRAS())
    widget.ui.remedyButton.click()
    after = slicer.util.arrayFromVTKMatrix(left.GetSliceToRAS())
    assert not np.allclose(after, before)
    assert np.allclose(slicer.util.arrayFromVTKMatrix(right.GetSliceToRAS()), after)


def test_result_of_a_run_side_by_side_with_its_input(widget, scene):
    add_layout(scene)
    volume = widget._parameterNode.inputVolume
    widget._parameterNode.livePreview = True
    wait(lambda: preview() is not None)
    widget.ui.sideBySideButton.click()
    process_events()
    for _run in range(2):
        widget.ui.applyButton.click()
        wait(lambda: widget.ui.applyButton.text == "Apply")
        process_events()
        composites = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
        shown = [node.GetBackgroundVolumeID() for node in composites]
        assert shown == [outputs(scene)[-1].GetID(), volume.GetID()]
        assert [node.GetForegroundVolumeID() for node in composites] == [None, None]


def test_key_leads_from_an_older_result_to_the_input(widget, scene):
    for _run in range(2):
        widget.ui.applyButton.click()
        wait(lambda: widget.ui.applyButton.text == "Apply")
    slicer.util.setSliceViewerLayers(background=outputs(scene)[0])
    press("C")
    assert background(scene) is widget._parameterNode.inputVolume


def test_side_by_side_without_a_target_says_why_not(widget, scene):
    layout = add_layout(scene)
    applied(widget, scene)
    widget._parameterNode.targetMode, widget._parameterNode.spacing = TargetMode.SPACING, 10
    process_events()
    widget.ui.sideBySideButton.click()
    process_events()
    assert "coarser than the input" in widget.ui.statusLabel.text
    assert layout.GetViewArrangement() == layout.SlicerLayoutFourUpView
    assert not widget.ui.sideBySideButton.checked


def test_side_by_side_with_a_target_between_stored_and_measured_pixels(widget, scene, interpolated):
    """The preview shows it, so it can be compared."""
    layout = add_layout(scene)
    volume = add_volume(interpolated, matrix_of("axial", origin=(0, 0, 0)), "Interpolated")
    slicer.util.setSliceViewerLayers(background=volume)
    widget._parameterNode.inputVolume, widget._parameterNode.livePreview = volume, True
    widget._parameterNode.targetMode, widget._parameterNode.spacing = TargetMode.SPACING, 1.3
    wait(lambda: "Slice" in widget.ui.previewLabel.text)
    widget.ui.sideBySideButton.click()
    assert layout.GetViewArrangement() == layout.SlicerLayoutSideBySideView
