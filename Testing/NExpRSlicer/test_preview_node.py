"""How the preview is displayed, and that it leaves nothing behind."""

import numpy as np
import pytest

pytest.importorskip("slicer_core", reason="needs the wheel slicer-core")
import slicer
import slicer.util
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from .stage import PREVIEW
from .volumes import add_volume, matrix_of


def test_preview_is_not_part_of_the_users_data(stage):
    stage.parameters.inferredDetail = True
    colors = stage.settle().GetDisplayNode().GetColorNode()
    stage.parameters.inferredDetail = False
    node = stage.settle()
    for each in (node, node.GetDisplayNode(), colors):
        assert each.GetHideFromEditors()
        assert not each.GetSaveWithScene()
    assert not stage.scene.GetSubjectHierarchyNode().GetItemByDataNode(node)
    composite = stage.views["Red"][1]
    assert composite.GetForegroundOpacity() == 1


@pytest.mark.parametrize("interpolate", [False, True])
def test_preview_is_interpolated_as_the_input_is_but_not_where_it_has_the_pixels_of_the_screen(stage, interpolate):
    """A result is, too: zoomed in, a preview in blocks would look worse than the input beside it."""
    stage.volume.GetDisplayNode().SetInterpolate(interpolate)
    assert stage.settle().GetDisplayNode().GetInterpolate() == interpolate
    stage.parameters.liveZoom = True
    assert not stage.settle().GetDisplayNode().GetInterpolate()
    stage.parameters.liveZoom = False
    assert stage.settle().GetDisplayNode().GetInterpolate() == interpolate


@pytest.mark.parametrize("inferredDetail", [False, True])
def test_linked_views_keep_the_opacity_of_their_overlays(stage, inferredDetail):
    """Slicer passes on what is written while a view is linked."""
    composites = [composite for _sliceNode, composite in stage.views.values()]
    overlay = add_volume(stage.pixels, matrix_of("axial"), "Overlay")
    for composite, opacity in zip(composites, (0.1, 0.5, 0.9)):
        composite.SetForegroundVolumeID(overlay.GetID())
        composite.SetForegroundOpacity(opacity)
        composite.SetLinkedControl(True)
    opacities = []  # that the others would get

    def onModified(caller, _event):
        if caller.GetLinkedControl() and caller.GetForegroundOpacity() != composites[0].shown:
            opacities.append(caller.GetForegroundOpacity())
        composites[0].shown = caller.GetForegroundOpacity()

    composites[0].shown = 0.1
    composites[0].AddObserver("ModifiedEvent", onModified)
    stage.parameters.inferredDetail = inferredDetail
    stage.settle()
    assert composites[0].GetForegroundOpacity() == pytest.approx(0.6 if inferredDetail else 1)
    stage.preview.stop()
    assert composites[0].GetForegroundOpacity() == pytest.approx(0.1)
    assert opacities == []
    assert all(composite.GetLinkedControl() for composite in composites)


def test_window_follows_the_input_and_the_input_follows_the_preview(stage):
    node = stage.settle()
    inputDisplay = stage.volume.GetDisplayNode()
    inputDisplay.SetAutoWindowLevel(False)
    inputDisplay.SetWindowLevel(111, 222)
    stage.settle()
    assert (node.GetDisplayNode().GetWindow(), node.GetDisplayNode().GetLevel()) == (111, 222)
    node.GetDisplayNode().SetWindowLevel(77, 88)
    stage.settle()
    assert (inputDisplay.GetWindow(), inputDisplay.GetLevel()) == (77, 88)


def test_inferred_detail_is_shown_at_a_scale_that_its_text_names(stage):
    stage.volume.GetDisplayNode().SetAutoWindowLevel(False)
    stage.volume.GetDisplayNode().SetWindowLevel(1000, 400)
    stage.parameters.inferredDetail = True
    display = stage.settle().GetDisplayNode()
    assert (display.GetWindowLevelMin(), display.GetWindowLevelMax()) == (-25, 25)
    assert "25 or more darker" in stage.preview.text


def test_inferred_detail_is_blue_and_orange_and_nothing_is_clear(stage):
    """In the colors that Slicer's slice views get: the anatomy beneath is not dimmed where nothing was added."""
    stage.parameters.inferredDetail = True
    node = stage.settle()
    display = node.GetDisplayNode()
    full = display.GetWindow() / 2
    slicer.util.updateVolumeFromArray(node, np.array([[[-full, -full / 2, -0.1 * full, 0, 0.1 * full, full]]], "f4"))
    producer = display.GetOutputImageDataConnection().GetProducer()
    producer.Update()
    colors = vtk_to_numpy(producer.GetOutput().GetPointData().GetScalars()).reshape(-1, 4)
    assert [bool(color[3]) for color in colors] == [True, True, False, False, False, True]
    assert colors[0, 2] == colors[-1, 0] == 255
    assert max(colors[0, 0], colors[-1, 2]) < 60


def test_nothing_is_removed_twice(stage, scene):
    """Slicer removes the display of a volume along with the volume."""
    display = stage.settle().GetDisplayNode()
    removed = []

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def onRemove(_caller, _event, node):
        removed.append((node.GetName(), node.GetScene() is not None))
        if node.GetName() == PREVIEW:
            scene.RemoveNode(display)

    tag = scene.AddObserver(scene.NodeAboutToBeRemovedEvent, onRemove)
    stage.parameters.livePreview = False
    stage.settle()
    scene.RemoveObserver(tag)
    assert sorted(removed) == [(PREVIEW, True), (f"{PREVIEW} display", True)]


def test_window_of_inferred_detail_stays_its_own(stage):
    stage.parameters.inferredDetail = True
    node = stage.settle()
    inputDisplay = stage.volume.GetDisplayNode()
    before = (inputDisplay.GetWindow(), inputDisplay.GetLevel())
    node.GetDisplayNode().SetWindowLevel(5, 1)
    stage.settle()
    stage.parameters.inferredDetail = False
    stage.settle()
    assert (inputDisplay.GetWindow(), inputDisplay.GetLevel()) == before


@pytest.mark.parametrize("inferredDetail", [False, True])
def test_stop_leaves_nothing_behind(stage, inferredDetail):
    stage.parameters.inferredDetail = inferredDetail
    composite = stage.views["Red"][1]
    other = add_volume(stage.pixels, matrix_of("axial"), "Other")
    composite.SetForegroundVolumeID(other.GetID())
    composite.SetForegroundOpacity(0.3)
    composite.SetCompositing(composite.Subtract)
    nodes = stage.scene.GetNumberOfNodes()
    stage.settle()
    assert stage.scene.GetNumberOfNodes() == nodes + 2 + inferredDetail
    assert composite.GetCompositing() == composite.Alpha
    stage.preview.stop()
    assert stage.scene.GetNumberOfNodes() == nodes
    assert composite.GetForegroundVolumeID() == other.GetID()
    assert composite.GetForegroundOpacity() == pytest.approx(0.3)
    assert composite.GetCompositing() == composite.Subtract
    before = stage.changes
    stage.views["Red"][0].SetSliceOffset(1)
    assert stage.changes == before, "nothing is observed any more"


def test_preview_node_removed_by_someone_else(stage):
    composite = stage.views["Red"][1]
    other = add_volume(stage.pixels, matrix_of("axial"), "Other")
    composite.SetForegroundVolumeID(other.GetID())
    stage.scene.RemoveNode(stage.settle())
    stage.parameters.scale = 3
    assert stage.settle() is not None
    assert stage.shownIn() == ["Red"]
    stage.preview.stop()
    assert composite.GetForegroundVolumeID() == other.GetID()


@pytest.mark.parametrize("inferredDetail", [False, True])
def test_preview_is_displayed_by_its_own_voxels(stage, inferredDetail):
    """With those of the input, an automatic window would be that of the input."""
    stage.parameters.inferredDetail = inferredDetail
    node = stage.settle()
    assert node.GetDisplayNode().GetInputImageData() is node.GetImageData()


def test_colors_of_inferred_detail_do_not_depend_on_the_mapping_of_the_input(stage):
    """Inverted, what is brighter than measured would be blue."""
    inputDisplay = stage.volume.GetDisplayNode()
    inputDisplay.SetInvertDisplayScalarRange(True)
    inputDisplay.SetScalarRangeFlag(slicer.vtkMRMLDisplayNode.UseDirectMapping)
    if hasattr(inputDisplay, "SetWindowMappingMethod"):
        inputDisplay.SetWindowMappingMethod(1)
    assert stage.settle().GetDisplayNode().GetInvertDisplayScalarRange()
    stage.parameters.inferredDetail = True
    display = stage.settle().GetDisplayNode()
    assert not display.GetInvertDisplayScalarRange()
    assert display.GetScalarRangeFlag() != slicer.vtkMRMLDisplayNode.UseDirectMapping
    if hasattr(display, "GetWindowMappingMethod"):
        assert display.GetWindowMappingMethod() == 0


def test_nothing_added_stays_clear_when_the_user_changes_the_level(stage):
    stage.parameters.inferredDetail = True
    display = stage.settle().GetDisplayNode()
    display.SetWindowLevel(8, 3)
    stage.settle()
    assert (display.GetWindow(), display.GetLevel()) == (8, 0)
    assert "4 or more darker" in stage.preview.text


def test_overlay_that_is_chosen_meanwhile_comes_back_as_it_was(stage):
    composite = stage.views["Red"][1]
    first, second = (add_volume(stage.pixels, matrix_of("axial"), name) for name in ("First", "Second"))
    composite.SetForegroundVolumeID(first.GetID())
    composite.SetForegroundOpacity(0.3)
    composite.SetCompositing(composite.Subtract)
    stage.settle()
    composite.SetForegroundVolumeID(second.GetID())
    stage.settle()
    assert stage.shownIn() == ["Red"], "the text says that the preview is shown"
    stage.preview.stop()
    assert composite.GetForegroundVolumeID() == second.GetID()
    assert composite.GetForegroundOpacity() == pytest.approx(0.3)
    assert composite.GetCompositing() == composite.Subtract


def test_new_overlay_is_shown_as_another_module_says(stage):
    """By default, a view without foreground has opacity 0: what is overlaid meanwhile would be invisible."""
    composite = stage.views["Red"][1]
    composite.SetForegroundOpacity(0)
    stage.settle()
    other = add_volume(stage.pixels, matrix_of("axial"), "Other")
    composite.SetForegroundVolumeID(other.GetID())
    composite.SetForegroundOpacity(1)
    composite.SetCompositing(composite.Add)
    stage.settle()
    assert stage.shownIn() == ["Red"]
    stage.preview.stop()
    assert composite.GetForegroundVolumeID() == other.GetID()
    assert (composite.GetForegroundOpacity(), composite.GetCompositing()) == (1, composite.Add)


def test_opacity_comes_back_when_the_foreground_was_emptied_meanwhile(stage):
    """As loading another volume does. The next overlay would hide the anatomy."""
    composite = stage.views["Red"][1]
    composite.SetForegroundOpacity(0)
    stage.settle()
    composite.SetForegroundVolumeID(None)
    stage.preview.stop()
    assert composite.GetForegroundOpacity() == 0
    stage.settle()
    composite.SetForegroundVolumeID(None)
    stage.settle()
    assert stage.shownIn() == ["Red"]
    stage.preview.stop()
    assert (composite.GetForegroundVolumeID(), composite.GetForegroundOpacity()) == (None, 0)


def test_fading_the_preview_does_not_fade_an_overlay(stage):
    composite = stage.views["Red"][1]
    first, second = (add_volume(stage.pixels, matrix_of("axial"), name) for name in ("First", "Second"))
    composite.SetForegroundVolumeID(first.GetID())
    composite.SetForegroundOpacity(0.3)
    stage.settle()
    composite.SetForegroundOpacity(0.6)
    stage.settle()
    composite.SetForegroundVolumeID(second.GetID())
    stage.settle()
    stage.preview.stop()
    assert composite.GetForegroundOpacity() == pytest.approx(0.3)


def test_what_the_user_adjusts_lasts_from_slice_to_slice(stage):
    stage.parameters.inferredDetail = True
    stage.settle().GetDisplayNode().SetWindowLevel(8, 0)
    stage.views["Red"][1].SetForegroundOpacity(0.4)
    stage.settle()
    stage.center(stage.volume, 4)
    display = stage.settle().GetDisplayNode()
    assert "Slice 5" in stage.preview.text
    assert stage.views["Red"][1].GetForegroundOpacity() == pytest.approx(0.4)
    assert display.GetWindow() == 8


def test_fading_the_preview_outlasts_a_change_of_the_window(stage):
    stage.settle()
    composite = stage.views["Red"][1]
    composite.SetForegroundOpacity(0.4)
    stage.settle()
    stage.volume.GetDisplayNode().SetAutoWindowLevel(False)
    stage.volume.GetDisplayNode().SetWindowLevel(111, 222)
    stage.settle()
    assert composite.GetForegroundOpacity() == pytest.approx(0.4)


def test_threshold_of_the_input_hides_nothing_of_the_preview(stage):
    """Where the preview is hidden, the input beneath would show."""
    inputDisplay = stage.volume.GetDisplayNode()
    inputDisplay.SetThreshold(300, 900)
    inputDisplay.SetApplyThreshold(True)
    assert not stage.settle().GetDisplayNode().GetApplyThreshold()
    stage.parameters.inferredDetail = True
    assert not stage.settle().GetDisplayNode().GetApplyThreshold()


@pytest.mark.parametrize("automaticBefore", [False, True])
def test_window_that_is_reset_is_that_of_the_whole_volume(stage, automaticBefore):
    stage.pixels[0, :4] = 5000  # not in the slice that is shown
    slicer.util.updateVolumeFromArray(stage.volume, stage.pixels)
    inputDisplay = stage.volume.GetDisplayNode()
    inputDisplay.SetAutoWindowLevel(False)
    inputDisplay.SetAutoWindowLevel(True)
    expected = inputDisplay.GetWindow(), inputDisplay.GetLevel()
    if not automaticBefore:
        inputDisplay.SetAutoWindowLevel(False)
        inputDisplay.SetWindowLevel(77, 88)
    display = stage.settle().GetDisplayNode()
    display.SetAutoWindowLevel(True)
    stage.settle()
    assert inputDisplay.GetAutoWindowLevel()
    assert (inputDisplay.GetWindow(), inputDisplay.GetLevel()) == expected
    assert (display.GetWindow(), display.GetLevel()) == expected
    assert not display.GetAutoWindowLevel()


def test_display_that_a_scene_view_holds_stays(stage):
    """If it were removed, Slicer would go back to the scene view."""
    display = stage.settle().GetDisplayNode()
    sequenceNode = stage.scene.AddNewNodeByClass("vtkMRMLSequenceNode")
    sequenceNode.SetDataNodeAtValue(display, "0")
    browserNode = stage.scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode")
    browserNode.SetAndObserveMasterSequenceNodeID(sequenceNode.GetID())
    browserNode.AddProxyNode(display, sequenceNode, False)
    display = browserNode.GetProxyNode(sequenceNode)
    stage.parameters.livePreview = False
    stage.settle()
    assert stage.node is None
    assert stage.scene.IsNodePresent(display)


def test_automatic_window_of_the_input_ends_when_the_user_changes_the_preview(stage):
    inputDisplay = stage.volume.GetDisplayNode()
    inputDisplay.SetAutoWindowLevel(True)
    stage.settle().GetDisplayNode().SetWindowLevel(77, 88)
    stage.settle()
    assert not inputDisplay.GetAutoWindowLevel()
    slicer.util.updateVolumeFromArray(stage.volume, 2 * stage.pixels)
    assert (inputDisplay.GetWindow(), inputDisplay.GetLevel()) == (77, 88)
