"""What the live preview shows, on a real MRML scene with real slice nodes."""

import sys
import threading

import numpy as np
import pytest

pytest.importorskip("slicer_core", reason="needs the wheel slicer-core")
import SimpleITK as sitk
import slicer
import slicer.util

from NExpRLib.kspace import zero_fill
from NExpRSlicer import NExpRSlicerLogic
from NExpRSlicerLib.Parameters import MeasuredMode, Plane, TargetMode
from NExpRSlicerLib.PreviewGrid import Remedy

from .stage import Stage
from .volumes import add_volume, matrix_of, matrix_of_node, matrix_of_sitk, scene_content, smooth_pixels


def test_shows_the_current_slice_as_the_library_computes_it(stage):
    node = stage.settle()
    assert stage.shownIn() == ["Red"]
    assert np.allclose(slicer.util.arrayFromVolume(node)[0], stage.result(2, scale=2), atol=1e-2)
    expected = matrix_of_node(stage.volume)
    origin = expected @ [-0.25, -0.25, 2, 1]
    expected[:, :2] /= 2
    expected[:, 3] = origin
    assert np.allclose(matrix_of_node(node), expected)
    assert "Slice 3 of 5" in stage.preview.text
    assert "48 x 40" in stage.preview.text


@pytest.mark.parametrize("name", ["brain_t1w_oms-patient04-study1", "prostate_t2_cor_prostatex-0000"])
def test_real_oblique_volume(stage, real_data, name):
    image = sitk.ReadImage(str(real_data / "test" / f"{name}.nii.gz"))
    stage.pixels = sitk.GetArrayFromImage(image)
    volume = add_volume(stage.pixels, matrix_of_sitk(image), "Real")
    stage.showEverywhere(volume)
    stage.center(volume, 7)
    stage.parameters.inputVolume = volume
    stage.parameters.measuredMode = MeasuredMode.STORED
    stage.settle()
    assert stage.preview.remedy == Remedy.ROTATE_VIEW
    stage.preview.applyRemedy(stage.parameters)
    node = stage.settle()
    assert np.allclose(slicer.util.arrayFromVolume(node)[0], stage.result(7, scale=2), rtol=1e-3, atol=0.1)


def test_preview_equals_apply(stage):
    stage.parameters.dataConsistency = True
    node = stage.settle()
    logic = NExpRSlicerLogic()
    output = logic.process(stage.volume, scale=2, model=stage.parameters.modelPath, dataConsistency=True)
    assert np.allclose(slicer.util.arrayFromVolume(node)[0], slicer.util.arrayFromVolume(output)[2], atol=1e-2)


def test_moving_the_slider_never_encodes(stage, monkeypatch):
    stage.settle()
    monkeypatch.setattr(stage.worker, "submit", None)
    for scale in (1.5, 3.0, 4.2):
        stage.parameters.scale = scale
        node = stage.settle()
        assert np.allclose(slicer.util.arrayFromVolume(node)[0], stage.result(2, scale=scale), atol=1e-2)


def test_an_update_without_change_draws_nothing(stage):
    node = stage.settle()
    before = scene_content(stage.scene)
    stage.preview.update(stage.parameters)
    stage.preview.update(stage.parameters)
    assert scene_content(stage.scene) == before
    assert node is stage.node


def test_changing_slices_faster_than_encoding_shows_the_newest(stage):
    for k in (0, 1, 3, 4):
        stage.center(stage.volume, k)
        stage.preview.update(stage.parameters)
    node = stage.settle()
    assert np.allclose(slicer.util.arrayFromVolume(node)[0], stage.result(4, scale=2), atol=1e-2)


def test_preview_comes_between_two_slices_of_a_run(stage):
    end, between = threading.Event(), []

    def run():
        while not end.wait(0.01):
            stage.worker.makeRoom()

    stage.worker.submit(run, lambda value, error: between.append(error))
    stage.preview.update(stage.parameters)
    assert stage.preview.text == "Encoding slice 3..."
    assert stage.settle() is not None
    assert stage.preview.text.startswith("Slice 3 of 5")
    assert between == [], "the run goes on"
    end.set()


def test_neighbors_of_a_slice_and_slices_seen_before_appear_at_once(stage):
    stage.settle()
    for k in (3, 1, 2):
        stage.center(stage.volume, k)
        stage.preview.update(stage.parameters)
        expected = stage.result(k, scale=2)
        assert np.allclose(slicer.util.arrayFromVolume(stage.node)[0], expected, atol=1e-2)


def test_scene_events_ask_for_an_update(stage):
    stage.settle()
    for change in (
        lambda: stage.views["Red"][0].SetSliceOffset(3),
        lambda: stage.views["Red"][0].SetFieldOfView(30, 20, 1),
        lambda: stage.views["Red"][1].SetBackgroundVolumeID(None),
        lambda: stage.volume.GetDisplayNode().SetWindowLevel(50, 60),
        lambda: slicer.util.updateVolumeFromArray(stage.volume, stage.pixels + 1),
        lambda: stage.volume.SetSpacing(1, 1, 3),
    ):
        before = stage.changes
        change()
        assert stage.changes > before


def test_preview_comes_when_a_view_shows_the_volume(stage):
    stage.views["Red"][1].SetBackgroundVolumeID(None)
    stage.settle()
    assert stage.shownIn() == []
    before = stage.changes
    stage.views["Red"][1].SetBackgroundVolumeID(stage.volume.GetID())
    assert stage.changes > before
    stage.settle()
    assert stage.shownIn() == ["Red"]


def test_hidden_views_are_left_alone(stage):
    stage.views["Red"][0].SetMappedInLayout(0)
    stage.settle()
    assert stage.shownIn() == []
    before = stage.changes
    stage.views["Red"][0].SetMappedInLayout(1)
    assert stage.changes > before
    stage.settle()
    assert stage.shownIn() == ["Red"]


def test_layout_without_slice_views_offers_no_remedy(stage):
    for sliceNode, _compositeNode in stage.views.values():
        sliceNode.SetMappedInLayout(0)
    stage.settle()
    assert "layout" in stage.preview.text
    assert stage.preview.remedy is None


@pytest.mark.parametrize("direction", ["oblique", "left-handed"])
def test_oblique_volume_needs_a_turn_of_the_view(scene, tiny_model_folder, direction):
    stage = Stage(scene, tiny_model_folder, direction)
    stage.settle()
    assert stage.shownIn() == []
    assert stage.preview.remedy == Remedy.ROTATE_VIEW
    assert "not parallel" in stage.preview.text
    stage.preview.applyRemedy(stage.parameters)
    stage.settle()
    assert len(stage.shownIn()) == 1
    assert stage.preview.remedy != Remedy.ROTATE_VIEW
    stage.preview.stop()
    stage.worker.stop()


def test_chosen_plane_is_shown_in_its_view(stage):
    stage.parameters.plane = Plane.CORONAL
    stage.settle()
    assert stage.shownIn() == ["Green"]
    stage.parameters.plane = Plane.SAGITTAL
    stage.settle()
    assert stage.shownIn() == ["Yellow"]


@pytest.mark.parametrize("direction", ["axial", "sagittal", "coronal"])
def test_live_zoom_has_the_pixels_of_the_view(scene, tiny_model_folder, direction):
    stage = Stage(scene, tiny_model_folder, direction)
    stage.parameters.liveZoom = True
    node = stage.settle()
    (name,) = stage.shownIn()
    sliceNode = stage.views[name][0]
    xyToRAS = slicer.util.arrayFromVTKMatrix(sliceNode.GetXYToRAS())
    pixels = slicer.util.arrayFromVolume(node)[0]
    inverse = np.linalg.inv(matrix_of_node(stage.volume))
    for i, j in [(0, 0), (pixels.shape[1] - 1, pixels.shape[0] - 1), (17, 5)]:
        point = matrix_of_node(node) @ [i, j, 0, 1]
        xy = np.linalg.inv(xyToRAS) @ point
        assert np.allclose(xy[:2], np.round(xy[:2]), atol=1e-6)
        column, row, k, _one = inverse @ point
        expected = stage.result(round(k), rows=[row], columns=[column])
        assert pixels[j, i] == pytest.approx(expected.item(), abs=1e-2)
    stage.preview.stop()
    stage.worker.stop()


def test_zooming_and_panning_never_encodes(stage, monkeypatch):
    stage.parameters.liveZoom = True
    stage.settle()
    monkeypatch.setattr(stage.worker, "submit", None)
    sliceNode = stage.views["Red"][0]
    for width in (40, 12, 3):
        sliceNode.SetFieldOfView(width, width * 2 / 3, 1)
        node = stage.settle()
        spacing = np.linalg.norm(matrix_of_node(node)[:3, :2], axis=0)
        assert np.allclose(spacing, width / 300)


def test_inferred_detail_is_the_result_minus_the_band_limited_input(stage):
    stage.parameters.inferredDetail = True
    node = stage.settle()
    mirrored = np.pad(stage.pixels[2], ((0, 20), (0, 24)), mode="symmetric")
    band_limited = zero_fill(mirrored, (80, 96), (-0.25, -0.25))[:40, :48]
    expected = stage.result(2, scale=2) - band_limited
    assert np.allclose(slicer.util.arrayFromVolume(node)[0], expected, atol=1e-2)
    assert node.GetDisplayNode().GetLevel() == 0
    assert 0 < stage.views["Red"][1].GetForegroundOpacity() < 1
    stage.parameters.inferredDetail = False
    stage.settle()
    assert node.GetDisplayNode().GetLevel() == stage.volume.GetDisplayNode().GetLevel()
    assert stage.views["Red"][1].GetForegroundOpacity() == 1


def test_parent_transform_moves_the_preview(stage):
    transform = stage.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = np.eye(4)
    matrix[:3, 3] = 5, -4, 0
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    stage.volume.SetAndObserveTransformNodeID(transform.GetID())
    node = stage.settle()
    origin = matrix @ matrix_of_node(stage.volume) @ [-0.25, -0.25, 2, 1]
    assert np.allclose(matrix_of_node(node)[:, 3], origin)


@pytest.mark.parametrize("matrix", [np.diag([1.0, 1, 0, 1]), np.full((4, 4), np.nan)], ids=["singular", "NaN"])
def test_transform_that_cannot_be_inverted_is_explained(stage, matrix):
    stage.settle()
    transform = stage.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    stage.volume.SetAndObserveTransformNodeID(transform.GetID())
    stage.settle()
    assert "cannot be inverted" in stage.preview.text
    assert stage.shownIn() == []


def test_rotated_view_stays_rectangular_where_a_transform_shears(stage):
    transform = stage.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    shear = np.eye(4)
    shear[0, 1], shear[2, 0] = 0.3, 0.2
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(shear))
    stage.volume.SetAndObserveTransformNodeID(transform.GetID())
    stage.settle()
    assert stage.preview.remedy == Remedy.ROTATE_VIEW
    stage.preview.applyRemedy(stage.parameters)
    axes = slicer.util.arrayFromVTKMatrix(stage.views["Red"][0].GetSliceToRAS())[:3, :3]
    assert np.allclose(axes.T @ axes, np.eye(3), atol=1e-9)
    stage.settle()
    assert stage.shownIn() == ["Red"]
    stage.parameters.liveZoom = True
    stage.settle()
    assert "shears" in stage.preview.text
    assert stage.preview.remedy is None


@pytest.mark.parametrize(
    ("change", "remedy"),
    [
        (lambda s: [composite.SetBackgroundVolumeID(None) for _node, composite in s.views.values()], "show input"),
        (lambda s: s.views["Red"][0].SetSliceOffset(500), "go to volume"),
        (lambda s: s.views["Red"][0].SetSliceToRASByNTP(0.1, 0, 1, 1, 0, 0, 0, 0, 0, 0), "rotate view"),
        (
            lambda s: (setattr(s.parameters, "liveZoom", True), s.views["Red"][0].SetXYZOrigin(99, 0, 0)),
            "go to volume",
        ),
        (lambda s: s.views["Red"][0].SetSliceOffset(6.9), "go to slice"),
    ],
)
def test_one_click_shows_the_preview(stage, change, remedy):
    stage.settle()
    change(stage)
    stage.settle()
    assert stage.preview.remedy == Remedy(remedy)
    assert stage.shownIn() == (["Red"] if remedy == "go to slice" else [])
    stage.preview.applyRemedy(stage.parameters)
    stage.settle()
    assert stage.preview.remedy in (None, Remedy.GO_TO_SLICE)
    assert stage.shownIn() == ["Red"]


def test_view_beside_its_slice_is_said_and_moved_there(stage):
    stage.views["Red"][0].SetSliceOffset(6.9)
    stage.settle()
    assert "Slice 3 of 5" in stage.preview.text
    assert "0.9 mm beside" in stage.preview.text
    before = slicer.util.arrayFromVTKMatrix(stage.views["Red"][0].GetSliceToRAS())
    stage.preview.applyRemedy(stage.parameters)
    after = slicer.util.arrayFromVTKMatrix(stage.views["Red"][0].GetSliceToRAS())
    before[2, 3] = 6
    assert np.allclose(after, before)
    stage.settle()
    assert "beside" not in stage.preview.text
    assert stage.preview.remedy is None


def test_input_is_shown_to_compare(stage):
    stage.settle()
    assert stage.preview.shown
    stage.preview.showInput = True
    stage.settle()
    assert stage.preview.shown
    assert stage.shownIn() == []
    stage.center(stage.volume, 3)
    stage.settle()
    assert stage.shownIn() == []
    stage.preview.showInput = False
    node = stage.settle()
    assert stage.shownIn() == ["Red"]
    assert np.allclose(slicer.util.arrayFromVolume(node)[0], stage.result(3, scale=2), atol=1e-2)


def test_nonlinear_transform_is_explained(stage):
    transform = stage.scene.AddNewNodeByClass("vtkMRMLGridTransformNode")
    stage.volume.SetAndObserveTransformNodeID(transform.GetID())
    stage.settle()
    assert stage.shownIn() == []
    assert "harden" in stage.preview.text


@pytest.mark.parametrize("encoding", [False, True])
def test_input_removed(stage, encoding):
    stage.preview.update(stage.parameters) if encoding else stage.settle()
    stage.scene.RemoveNode(stage.volume)
    stage.settle()
    assert stage.node is None
    stage.preview.poll(timeout=1)
    assert stage.settle() is None


@pytest.mark.parametrize("encoding", [False, True])
def test_scene_closed(stage, encoding):
    stage.preview.update(stage.parameters) if encoding else stage.settle()
    stage.preview.stop()
    stage.scene.Clear(0)
    stage.preview.poll(timeout=10)
    assert stage.node is None
    assert not stage.preview.encoding


def test_switching_volumes_while_encoding(stage):
    stage.preview.update(stage.parameters)
    stage.pixels = smooth_pixels((5, 16, 18), seed=9)
    other = add_volume(stage.pixels, matrix_of("axial", origin=(0, 0, 0)), "Other")
    stage.showEverywhere(other)
    stage.parameters.inputVolume = other
    node = stage.settle()
    assert np.allclose(slicer.util.arrayFromVolume(node)[0], stage.result(2, scale=2), atol=1e-2)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda s: setattr(s.parameters, "modelPath", "nowhere"), "There is no model"),
        (lambda s: setattr(s.parameters, "modelPath", "."), "Select the folder of a model"),
        (
            lambda s: (setattr(s.parameters, "targetMode", TargetMode.SPACING), setattr(s.parameters, "spacing", 9)),
            "refines",
        ),
        (lambda s: [composite.SetBackgroundVolumeID(None) for _node, composite in s.views.values()], "background"),
        (lambda s: s.views["Red"][0].SetSliceOffset(500), "no slice"),
        (lambda s: slicer.util.updateVolumeFromArray(s.volume, np.full((5, 20, 24), np.nan, np.float32)), "NaN"),
    ],
)
def test_says_why_nothing_is_shown(stage, change, text):
    stage.settle()
    change(stage)
    stage.settle()
    assert stage.shownIn() == []
    assert text in stage.preview.text


def test_worker_thread_touches_no_mrml(stage):
    calls = []

    def profile(_frame, event, argument):
        if event == "c_call":
            owner = type(getattr(argument, "__self__", None)).__module__ or ""
            calls.append(owner.split(".")[0])

    threading.setprofile(profile)
    try:
        stage.settle()
    finally:
        threading.setprofile(None)
    assert "torch" in sys.modules
    assert len(calls) > 100, "the worker thread was watched"
    assert not {"slicer_core", "vtkmodules", "vtk"} & set(calls)


def test_slice_too_large_to_draw_is_refused(stage, monkeypatch):
    """At a spacing of 0.01 mm, drawing it in the main thread would end Slicer."""
    stage.settle()
    monkeypatch.setattr("NExpRSlicerLib.PreviewPane.LARGEST_PREVIEW", 40 * 48 - 1)
    stage.settle()
    assert "48 x 40 pixels, too many for a preview" in stage.preview.text
    assert stage.shownIn() == []
    stage.parameters.liveZoom = True
    stage.settle()
    assert stage.shownIn() == ["Red"]


def test_lack_of_memory_is_said(stage, monkeypatch):
    stage.settle()

    def fails(*_arguments):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 6080233472 bytes.")

    monkeypatch.setattr("NExpRSlicerLib.SliceEncoder.EncodedSlice.draw", fails)
    stage.parameters.scale = 3
    stage.settle()
    assert "not enough memory" in stage.preview.text
    assert stage.shownIn() == []


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (KeyError("decoder"), "could not be encoded ('decoder')"),
        (RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB."), "not enough memory to encode"),
    ],
    ids=["defect", "memory"],
)
def test_unexpected_error_of_the_network_is_said_and_logged(stage, monkeypatch, caplog, error, text):
    def fails(*_arguments):
        raise error

    monkeypatch.setattr("NExpRLib.model.Model.represent", fails)
    stage.settle()
    assert text in stage.preview.text
    assert stage.shownIn() == []
    assert [record.exc_info[1] for record in caplog.records] == [error]
    assert "NExpR:" in caplog.text


def test_view_of_a_slab_is_left_alone(stage):
    """The preview would hide what a maximum intensity projection shows of other slices."""
    sliceNode = stage.views["Red"][0]
    stage.settle()
    sliceNode.SetSlabReconstructionThickness(10)
    sliceNode.SetSlabReconstructionEnabled(True)
    stage.settle()
    assert "slab reconstruction" in stage.preview.text
    assert stage.shownIn() == []
    sliceNode.SetSlabReconstructionThickness(2)  # Within one slice.
    stage.settle()
    assert stage.shownIn() == ["Red"]


def test_voxels_without_data_elsewhere_are_held_out(stage):
    """The intensity range of the volume would make every slice NaN."""
    stage.settle()
    expected = slicer.util.arrayFromVolume(stage.node).copy()
    pixels = stage.pixels.copy()
    pixels[4, 3, 3] = np.nan
    slicer.util.updateVolumeFromArray(stage.volume, pixels)
    stage.settle()
    assert stage.shownIn() == ["Red"]
    np.testing.assert_allclose(slicer.util.arrayFromVolume(stage.node), expected, atol=1e-2 * np.ptp(stage.pixels))
