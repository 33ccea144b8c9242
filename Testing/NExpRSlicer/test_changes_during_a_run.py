"""The scene changes, or the run ends, while slices are computed."""

import shutil

import numpy as np
import pytest
import vtk

pytest.importorskip("slicer_core", reason="needs the wheel slicer-core")
import slicer
import slicer.util

from NExpRSlicerLib.Apply import ApplyRun
from NExpRSlicerLib.BackgroundRun import Cancelled
from NExpRSlicerLib.Parameters import Settings

from .volumes import add_volume, matrix_of, matrix_of_node, scene_content, smooth_pixels


@pytest.mark.parametrize("withOutput", [False, True])
def test_cancel_half_way_leaves_the_scene_as_it_was(scene, logic, tiny_model_folder, volume, withOutput):
    chosen = add_volume(smooth_pixels((2, 3, 4)), matrix_of("axial"), "Mine") if withOutput else None
    before = scene_content(scene)

    def cancel(fraction, _remaining):
        if fraction > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        logic.process(volume, chosen, scale=2, model=tiny_model_folder, progress=cancel)
    assert scene_content(scene) == before


@pytest.mark.parametrize("remove", ["input", "scene"])
def test_input_removed_during_a_run(scene, logic, tiny_model_folder, volume, remove):
    def intervene(_fraction, remaining):
        if remaining is None:  # after the first slice
            scene.RemoveNode(volume) if remove == "input" else scene.Clear(0)

    assert logic.process(volume, scale=2, model=tiny_model_folder, progress=intervene) is None
    assert scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 0


def test_chosen_output_removed_during_a_run_gives_a_new_one(scene, logic, tiny_model_folder, volume):
    chosen = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Mine")

    def remove(_fraction, remaining):
        if remaining is None:  # after the first slice
            scene.RemoveNode(chosen)

    output = logic.process(volume, chosen, scale=2, model=tiny_model_folder, progress=remove)
    assert scene.IsNodePresent(output)
    assert output.GetImageData().GetDimensions() == (20, 24, 3)


def test_chosen_output_that_became_a_frame_during_a_run_gives_a_new_one(scene, logic, tiny_model_folder, volume):
    chosen = add_volume(smooth_pixels((2, 3, 4)), matrix_of("axial"), "Mine")
    before = slicer.util.arrayFromVolume(chosen).copy()

    def record(_fraction, remaining):
        if remaining is None:  # after the first slice
            sequenceNode = scene.AddNewNodeByClass("vtkMRMLSequenceNode")
            sequenceNode.SetDataNodeAtValue(chosen, "0")
            browserNode = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode")
            browserNode.SetAndObserveMasterSequenceNodeID(sequenceNode.GetID())
            browserNode.AddProxyNode(chosen, sequenceNode, False)

    output = logic.process(volume, chosen, scale=2, model=tiny_model_folder, progress=record)
    assert output is not chosen
    assert np.array_equal(slicer.util.arrayFromVolume(chosen), before)


def test_input_changed_during_a_run_does_not_change_the_result(scene, logic, tiny_model_folder, volume):
    expected = slicer.util.arrayFromVolume(logic.process(volume, scale=2, model=tiny_model_folder))

    def change(_fraction, _remaining):
        slicer.util.updateVolumeFromArray(volume, np.zeros((30, 40, 50), np.float32))

    output = logic.process(volume, scale=2, model=tiny_model_folder, progress=change)
    assert np.array_equal(slicer.util.arrayFromVolume(output), expected)


def add_transform(scene, volume, node):
    scene.AddNode(node)
    volume.SetAndObserveTransformNodeID(node.GetID())
    return node


@pytest.mark.parametrize("removed", [False, True])
def test_result_follows_when_the_transform_of_the_input_is_hardened_during_a_run(
    scene, logic, tiny_model_folder, volume, removed
):
    node = slicer.vtkMRMLLinearTransformNode()
    node.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix_of("oblique", (1, 1, 1), (50, -20, 3))))
    add_transform(scene, volume, node)
    expected = np.array(matrix_of("oblique", (1, 1, 1), (50, -20, 3))) @ matrix_of_node(
        logic.process(volume, scale=2, model=tiny_model_folder)
    )

    def harden(_fraction, remaining):
        if remaining is None:  # after the first slice
            volume.HardenTransform()
            if removed:
                scene.RemoveNode(node)

    output = logic.process(volume, scale=2, model=tiny_model_folder, progress=harden)
    assert output.GetParentTransformNode() is None
    assert np.allclose(matrix_of_node(output), expected, atol=1e-9)


def test_result_follows_when_the_input_is_moved_during_a_run(scene, logic, tiny_model_folder, volume):
    expected = matrix_of_node(logic.process(volume, scale=2, model=tiny_model_folder))

    def move(_fraction, remaining):
        if remaining is None:  # after the first slice
            volume.SetOrigin(*(np.array(volume.GetOrigin()) + (50, -20, 3)))

    output = logic.process(volume, scale=2, model=tiny_model_folder, progress=move)
    expected[:3, 3] += 50, -20, 3
    assert np.allclose(matrix_of_node(output), expected, atol=1e-9)


@pytest.mark.parametrize("how", ["transformed", "moved", "hardened"])
def test_result_follows_when_the_input_is_edited_and_moved_during_a_run(scene, logic, tiny_model_folder, volume, how):
    shift = np.eye(4)
    shift[0, 3] = 50
    before = matrix_of_node(logic.process(volume, scale=2, model=tiny_model_folder))

    def change(_fraction, remaining):
        if remaining is not None:
            return
        slicer.util.arrayFromVolume(volume)[0, 0, 0] = 1
        slicer.util.arrayFromVolumeModified(volume)
        if how == "moved":
            volume.SetOrigin(*(np.array(volume.GetOrigin()) + (50, 0, 0)))
            return
        node = slicer.vtkMRMLLinearTransformNode()
        node.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(shift))
        add_transform(scene, volume, node)
        if how == "hardened":
            volume.HardenTransform()

    output = logic.process(volume, scale=2, model=tiny_model_folder, progress=change)
    output.HardenTransform()
    assert np.allclose(matrix_of_node(output), shift @ before, atol=1e-9)


def test_result_stays_when_the_input_is_cropped_during_a_run(scene, logic, tiny_model_folder, volume):
    before = matrix_of_node(logic.process(volume, scale=2, model=tiny_model_folder))

    def crop(_fraction, remaining):
        if remaining is None:  # after the first slice
            volume.SetOrigin(*(np.array(volume.GetOrigin()) + (7, 0, 0)))
            slicer.util.updateVolumeFromArray(volume, slicer.util.arrayFromVolume(volume)[:, :, 2:].copy())

    output = logic.process(volume, scale=2, model=tiny_model_folder, progress=crop)
    assert np.allclose(matrix_of_node(output), before, atol=1e-9)


def test_result_stays_under_a_nonlinear_transform_that_is_hardened_into_the_input_during_a_run(
    scene, logic, tiny_model_folder, volume
):
    """The voxels of the input are resampled then; those of the result are not."""
    thinPlate = vtk.vtkThinPlateSplineTransform()
    for points, x in ((vtk.vtkPoints(), 0), (vtk.vtkPoints(), 3)):
        for place in ((0, 0, 0), (10, 0, x), (0, 10, x), (10, 10, 2 * x)):
            points.InsertNextPoint(place)
        thinPlate.SetTargetLandmarks(points) if x else thinPlate.SetSourceLandmarks(points)
    node = slicer.vtkMRMLTransformNode()
    node.SetAndObserveTransformToParent(thinPlate)
    add_transform(scene, volume, node)
    before = logic.process(volume, scale=2, model=tiny_model_folder)

    def harden(_fraction, remaining):
        if remaining is None:  # after the first slice
            volume.HardenTransform()

    output = logic.process(volume, scale=2, model=tiny_model_folder, progress=harden)
    assert volume.GetParentTransformNode() is None
    assert output.GetParentTransformNode() is node
    assert np.array_equal(matrix_of_node(output), matrix_of_node(before))
    assert np.array_equal(slicer.util.arrayFromVolume(output), slicer.util.arrayFromVolume(before))


def test_model_that_is_exchanged_during_a_run(scene, logic, tiny_model_folder, volume, tmp_path):
    """The result says by which weights it was computed, and is not lost with their folder."""
    folder = tmp_path / "model"
    shutil.copytree(tiny_model_folder, folder)
    expected = logic.process(volume, scale=2, model=str(folder)).GetAttribute("NExpR.ModelSHA256")
    remove = lambda *_state: shutil.rmtree(folder, ignore_errors=True)  # noqa: E731
    output = logic.process(volume, scale=2, model=str(folder), progress=remove)
    assert not folder.exists()
    assert output.GetAttribute("NExpR.ModelSHA256") == expected


def test_voxels_edited_during_a_run_do_not_change_the_result(scene, logic, tiny_model_folder, volume):
    """In place, as the effects of the Segment Editor do."""
    expected = slicer.util.arrayFromVolume(logic.process(volume, scale=2, model=tiny_model_folder))

    def edit(_fraction, _remaining):
        slicer.util.arrayFromVolume(volume)[:] = 0

    output = logic.process(volume, scale=2, model=tiny_model_folder, progress=edit)
    assert np.array_equal(slicer.util.arrayFromVolume(output), expected)


def test_result_that_cannot_be_stored_leaves_no_empty_volume(scene, logic, tiny_model_folder, volume, monkeypatch):
    def fails(*_arguments):
        raise MemoryError

    before = scene.GetNumberOfNodes()
    monkeypatch.setattr("NExpRSlicerLib.Apply.setVolume", fails)
    with pytest.raises(MemoryError):
        logic.process(volume, scale=2, model=tiny_model_folder)
    assert scene.GetNumberOfNodes() == before


def test_cancelled_job_ends_within_a_slice(scene, logic, tiny_model_folder, volume):
    run = ApplyRun(volume, None, Settings(scale=2, model=str(tiny_model_folder)), logic.models)
    with pytest.raises(Cancelled):
        run.job.run(lambda *_state: run.job.cancel())
    assert run.job.fraction == pytest.approx(1 / 3), "not even the second was finished"


def test_remaining_time_is_that_of_the_slices_left(scene, logic, tiny_model_folder, volume, monkeypatch):
    clock = iter([110.0, 120.0, 130.0])
    monkeypatch.setattr("NExpRSlicerLib.BackgroundRun.time.monotonic", lambda: next(clock))
    calls = []
    logic.process(volume, scale=2, model=tiny_model_folder, progress=lambda *state: calls.append(state[1]))
    assert calls == [None, pytest.approx(10), pytest.approx(0)]
