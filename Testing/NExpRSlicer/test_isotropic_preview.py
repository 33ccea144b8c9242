"""The preview of isotropic volumes in the two views of planes through thick slices."""

import numpy as np
import pytest

pytest.importorskip("slicer_core", reason="needs the wheel slicer-core")
import slicer
import slicer.util

from NExpRSlicer import NExpRSlicerLogic
from NExpRSlicerLib.Parameters import MeasuredMode, TargetMode
from NExpRSlicerLib.PreviewGrid import Remedy
from NExpRSlicerLib.SliceViews import rotateToPlane

from .opened_widget import wait
from .stage import PREVIEW, add_view
from .volumes import add_volume, matrix_of, matrix_of_node, smooth_pixels


@pytest.fixture
def thick(stage, slices_folder, monkeypatch):
    """The stage with a volume of thick axial slices, all views at the center of a voxel."""
    monkeypatch.setattr("NExpRSlicerLib.Models.slices_model_for", lambda card: str(slices_folder))
    stage.parameters.targetMode = TargetMode.ISOTROPIC
    stage.parameters.measuredMode = MeasuredMode.STORED
    matrix = matrix_of("axial", spacing=(0.9, 0.9, 3.0), origin=(0, 0, 0))
    show(stage, add_volume(smooth_pixels((7, 20, 24)), matrix, "Thick"), (11, 8, 3))
    return stage


def show(stage, volume, voxel):
    stage.parameters.inputVolume = volume
    stage.showEverywhere(volume)
    for sliceNode, _compositeNode in stage.views.values():
        sliceNode.JumpSliceByCentering(*(matrix_of_node(volume) @ [*voxel, 1])[:3])


def previews():
    """By the name of the view: the volume that is drawn in its foreground."""
    nodes = {node.GetID(): node for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")}
    shown = {}
    for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
        node = nodes.get(composite.GetForegroundVolumeID())
        if node is not None and node.GetName().startswith(PREVIEW):
            shown[composite.GetLayoutName()] = node
    return shown


def line_of(node, matrix, voxel):
    """Values and positions of a preview along the slice axis of the input, through a voxel."""
    toVoxels = np.linalg.inv(matrix) @ matrix_of_node(node)
    pixels = slicer.util.arrayFromVolume(node)[0]
    rows, columns = np.indices(pixels.shape)
    points = toVoxels @ [columns.ravel(), rows.ravel(), np.zeros(pixels.size), np.ones(pixels.size)]
    on = (np.abs(points[:2] - np.array(voxel)[:2, None]) < 1e-6).all(axis=0)
    order = np.argsort(points[2][on])
    return points[2][on][order], pixels.ravel()[on][order]


@pytest.mark.parametrize("sliceAxis", [0, 1, 2])
@pytest.mark.parametrize("thickness", [0, 2.5])
def test_where_both_planes_cross_their_mean_is_what_apply_computes(thick, slices_folder, sliceAxis, thickness):
    """The same volume, stored with its slices along each of the axes."""
    pixels, matrix, voxel = smooth_pixels((7, 20, 24)), np.diag([-0.9, -0.9, 3.0, 1.0]), [11, 8, 3]
    order = {0: [2, 0, 1], 1: [0, 2, 1], 2: [0, 1, 2]}[sliceAxis]  # which axis i, j and k were before
    stored = pixels.transpose([2 - axis for axis in order[::-1]])
    volume = add_volume(np.ascontiguousarray(stored), matrix[:, [*order, 3]], "Stored")
    show(thick, volume, [voxel[axis] for axis in order])
    thick.parameters.thickness = thickness
    thick.settle()
    shown = previews()
    assert sorted(shown) == ["Green", "Yellow"]
    (positions, yellow), (others, green) = (line_of(shown[name], matrix, voxel) for name in ("Yellow", "Green"))
    assert np.allclose(positions, others)
    assert len(positions) == 23
    logic = NExpRSlicerLogic()
    output = logic.process(
        volume,
        isotropic=True,
        thickness=thickness or None,
        model=thick.parameters.modelPath,
        slicesModel=slices_folder,
        measured="stored",
    )
    at = np.linalg.inv(matrix_of_node(output)) @ matrix @ [[voxel[0]] * 23, [voxel[1]] * 23, positions, [1] * 23]
    assert np.abs(at - np.rint(at)).max() < 1e-6
    i, j, k = np.rint(at[:3]).astype(int)
    expected = slicer.util.arrayFromVolume(output)[k, j, i]
    # Averages over the profile are taken of slightly other samples.
    assert np.abs((yellow + green) / 2 - expected).max() < 0.01 * np.ptp(pixels)
    assert np.ptp(yellow - green) > 0.02 * np.ptp(pixels), "each plane has a function of its own"


def test_a_finer_target_is_drawn_without_encoding(thick, monkeypatch):
    thick.settle()
    assert "Yellow: plane 12 of 24 with 20 x 23 pixels." in thick.preview.text
    assert "Green: plane 9 of 20 with 24 x 23 pixels." in thick.preview.text
    assert thick.preview.text.endswith("mean of the planes along rows and along columns.")
    monkeypatch.setattr(thick.worker, "submit", None)
    thick.parameters.isotropicSpacing = 0.5
    thick.preview.update(thick.parameters)
    assert "20 x 23" not in thick.preview.text
    assert "36 x 42 pixels" in thick.preview.text
    for node in previews().values():
        assert np.allclose(node.GetSpacing()[:2], 0.5)


def test_other_planes_and_other_targets(thick, scene):
    nodes = scene.GetNumberOfNodes()
    thick.settle()
    thick.views["Yellow"][0].SetSliceOffset(thick.views["Yellow"][0].GetSliceOffset() - 0.9)
    thick.settle()
    assert "Yellow: plane 13 of 24" in thick.preview.text
    thick.parameters.targetMode = TargetMode.SCALE
    thick.settle()
    assert list(previews()) == ["Red"]
    thick.parameters.targetMode = TargetMode.ISOTROPIC
    thick.settle()
    assert sorted(previews()) == ["Green", "Yellow"]
    thick.parameters.livePreview = False
    thick.preview.update(thick.parameters)
    assert scene.GetNumberOfNodes() == nodes


def test_one_of_the_views_is_enough(thick):
    thick.views["Green"][0].SetMappedInLayout(0)
    thick.settle()
    assert list(previews()) == ["Yellow"]
    assert thick.preview.remedy is None
    thick.views["Yellow"][0].SetMappedInLayout(0)
    thick.settle()
    assert thick.preview.text == "No slice view shows planes through the slices of the input."
    assert not thick.preview.shown


def test_only_view_is_turned_to_planes_through_the_slices(thick):
    for name in ("Yellow", "Green"):
        thick.views[name][0].SetMappedInLayout(0)
    thick.settle()
    assert "No slice view shows planes" in thick.preview.text
    assert thick.preview.remedy == Remedy.ROTATE_VIEW
    thick.preview.applyRemedy(thick.parameters)
    thick.settle()
    assert list(previews()) == ["Red"]
    thick.views["Red"][1].SetBackgroundVolumeID(None)
    thick.settle()
    assert thick.preview.remedy == Remedy.SHOW_INPUT


def test_overlay_is_given_back_by_a_view_that_is_turned_back_and_forth(thick):
    """Each of the two previews is in that view for a while, and the other one comes to where it was."""
    volume = thick.parameters.inputVolume
    overlay = add_volume(smooth_pixels((7, 20, 24)), matrix_of_node(volume), "PET")
    for _sliceNode, composite in thick.views.values():
        composite.SetForegroundVolumeID(overlay.GetID())
    for across in (0, 1, 0, 1, 0):
        rotateToPlane(thick.views["Yellow"][0], matrix_of_node(volume), across)
        thick.settle()
        assert "Yellow" in previews()
    thick.preview.stop()
    for _sliceNode, composite in thick.views.values():
        assert composite.GetForegroundVolumeID() == overlay.GetID()


def test_views_are_turned_to_an_oblique_volume(thick):
    matrix = matrix_of("oblique", spacing=(0.9, 0.9, 3.0), origin=(0, 0, 0))
    show(thick, add_volume(smooth_pixels((7, 20, 24)), matrix, "Oblique"), (11, 8, 3))
    thick.settle()
    assert thick.preview.remedy == Remedy.ROTATE_VIEW
    thick.preview.applyRemedy(thick.parameters)
    thick.settle()
    assert thick.preview.remedy is None
    assert sorted(previews()) == ["Green", "Yellow"]


def test_side_by_side_shows_a_plane_through_the_slices(widget, scene, slices_folder, monkeypatch):
    """The left view has the preview, the right one the input."""
    monkeypatch.setattr("NExpRSlicerLib.Models.slices_model_for", lambda card: str(slices_folder))
    add_view(scene, "Yellow", "Sagittal")
    layout = scene.AddNewNodeByClass("vtkMRMLLayoutNode")
    layout.AddLayoutDescription(layout.SlicerLayoutSideBySideView, "<layout/>")
    matrix = matrix_of("axial", spacing=(0.9, 0.9, 3.0), origin=(0, 0, 0))
    volume = add_volume(smooth_pixels((7, 20, 24)), matrix, "Thick")
    slicer.util.setSliceViewerLayers(background=volume)
    for name in ("Red", "Yellow"):
        slicer.util.getNode(name).JumpSliceByCentering(*(matrix @ [11, 8, 3, 1])[:3])
    widget._parameterNode.inputVolume, widget._parameterNode.targetMode = volume, TargetMode.ISOTROPIC
    widget._parameterNode.livePreview = True
    wait(lambda: "Yellow: plane 12 of 24" in widget.ui.previewLabel.text)
    widget.ui.sideBySideButton.click()
    wait(lambda: "Red: plane 12 of 24" in widget.ui.previewLabel.text)
    assert list(previews()) == ["Red"]
    assert "Yellow" not in widget.ui.previewLabel.text


def test_live_zoom_and_inferred_detail(thick):
    thick.parameters.liveZoom = True
    thick.settle()
    spacing = np.array(thick.views["Yellow"][0].GetFieldOfView()[:2]) / (300, 200)
    assert np.allclose(previews()["Yellow"].GetSpacing()[:2], spacing)
    thick.parameters.liveZoom, thick.parameters.inferredDetail = False, True
    thick.settle()
    for node in previews().values():
        detail = slicer.util.arrayFromVolume(node)
        assert 0 < np.abs(detail).max() < 0.5 * np.ptp(slicer.util.arrayFromVolume(thick.parameters.inputVolume))
