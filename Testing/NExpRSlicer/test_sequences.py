"""Apply on a frame of a sequence processes every frame."""

import numpy as np
import pytest

pytest.importorskip("slicer_core", reason="needs the wheel slicer-core")
import slicer
import slicer.util

from NExpRLib.volumes.box import Box
from NExpRSlicer import NExpRSlicerLogic
from NExpRSlicerLib.Apply import ApplyRun
from NExpRSlicerLib.Models import ModelCache
from NExpRSlicerLib.Parameters import Settings

from .volumes import add_volume, matrix_of, scene_content, smooth_pixels


@pytest.fixture
def sequence(scene):
    return add_sequence(scene, "Beating")


def add_sequence(scene, name):
    """A browser, its sequence of three frames, and the proxy volume node that shows the second one."""
    sequenceNode = scene.AddNewNodeByClass("vtkMRMLSequenceNode", name)
    sequenceNode.SetIndexName("time")
    sequenceNode.SetIndexUnit("ms")
    for seed in range(3):
        frame = slicer.vtkMRMLScalarVolumeNode()
        frame.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(matrix_of("oblique")))
        slicer.util.updateVolumeFromArray(frame, smooth_pixels((2, 8, 9), "int16", seed))
        sequenceNode.SetDataNodeAtValue(frame, str(40 * seed))
    browserNode = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", "Browser")
    browserNode.SetAndObserveMasterSequenceNodeID(sequenceNode.GetID())
    browserNode.SetSelectedItemNumber(1)
    proxy = browserNode.GetProxyNode(sequenceNode)
    proxy.CreateDefaultDisplayNodes()
    return browserNode, sequenceNode, proxy


def test_every_frame_is_processed_and_replayed_with_the_input(scene, sequence, tiny_model_folder):
    browserNode, sequenceNode, proxy = sequence
    calls = []
    logic = NExpRSlicerLogic()
    output = logic.process(proxy, scale=2, model=tiny_model_folder, progress=lambda *state: calls.append(state))

    outputSequence = browserNode.GetSequenceNode(output)
    assert outputSequence.GetNumberOfDataNodes() == 3
    assert slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") == [proxy, output]
    assert (outputSequence.GetIndexName(), outputSequence.GetIndexUnit()) == ("time", "ms")
    assert len(calls) == 6
    assert calls[-1][0] == pytest.approx(1)
    for index in range(3):
        frame = add_volume(smooth_pixels((2, 8, 9), "int16", index), matrix_of("oblique"), "Frame")
        expected = slicer.util.arrayFromVolume(logic.process(frame, scale=2, model=tiny_model_folder))
        assert outputSequence.GetNthIndexValue(index) == sequenceNode.GetNthIndexValue(index)
        assert np.array_equal(slicer.util.arrayFromVolume(outputSequence.GetNthDataNode(index)), expected)
        if index == 1:
            assert np.array_equal(slicer.util.arrayFromVolume(output), expected)

    browserNode.SetSelectedItemNumber(2)
    shown = slicer.util.arrayFromVolume(output)
    assert np.array_equal(shown, slicer.util.arrayFromVolume(outputSequence.GetNthDataNode(2)))
    assert output.GetAttribute("NExpR.InputVolume") == "Beating"


def test_second_run_into_the_same_output_replaces_its_frames(scene, sequence, tiny_model_folder):
    browserNode, _sequenceNode, proxy = sequence
    logic = NExpRSlicerLogic()
    output = logic.process(proxy, scale=2, model=tiny_model_folder)
    frames, changes = browserNode.GetSequenceNode(output), []
    # For each, Slicer copies a frame of every sequence.
    frames.AddObserver("ModifiedEvent", lambda *_event: changes.append(frames.GetNumberOfDataNodes()))
    assert logic.process(proxy, output, scale=3, model=tiny_model_folder) is output
    assert set(changes) == {3}
    assert len(changes) <= 3
    assert scene.GetNumberOfNodesByClass("vtkMRMLSequenceNode") == 2
    assert browserNode.GetSequenceNode(output) is frames
    assert frames.GetNumberOfDataNodes() == 3
    assert {frames.GetNthDataNode(i).GetImageData().GetDimensions() for i in range(3)} == {(27, 24, 2)}


def test_frames_that_follow_each_other_closely_are_kept(scene, sequence, tiny_model_folder):
    browserNode, sequenceNode, proxy = sequence
    values = ["0", "0.0004", "0.0008"]
    sequenceNode.SetNumericIndexValueTolerance(1e-5)
    for index, value in enumerate(values):
        sequenceNode.UpdateIndexValue(str(40 * index), value)
    output = NExpRSlicerLogic().process(proxy, scale=2, model=tiny_model_folder)
    frames = browserNode.GetSequenceNode(output)
    assert [frames.GetNthIndexValue(i) for i in range(frames.GetNumberOfDataNodes())] == values


def test_frames_of_other_sequences_are_not_overwritten(scene, sequence, tiny_model_folder):
    volume = add_volume(smooth_pixels((2, 8, 9)), matrix_of("axial"), "Volume")
    with pytest.raises(ValueError, match="another sequence"):
        NExpRSlicerLogic().process(volume, sequence[2], scale=2, model=tiny_model_folder)


def test_cancel_in_the_second_frame_leaves_the_scene_as_it_was(scene, sequence, tiny_model_folder):
    before = scene_content(scene)

    def cancel(fraction, _remaining):
        if fraction > 0.4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        NExpRSlicerLogic().process(sequence[2], scale=2, model=tiny_model_folder, progress=cancel)
    assert scene_content(scene) == before


def test_sequence_removed_during_a_run(scene, sequence, tiny_model_folder):
    def remove(_fraction, remaining):
        if remaining is None:  # after the first slice
            scene.RemoveNode(sequence[1])

    output = NExpRSlicerLogic().process(sequence[2], scale=2, model=tiny_model_folder, progress=remove)
    assert output is None
    assert scene.GetNumberOfNodesByClass("vtkMRMLSequenceNode") == 0


def test_single_volume_is_not_written_into_a_sequence_of_results(scene, sequence, tiny_model_folder):
    """It would be lost as soon as the browser shows the next frame."""
    logic = NExpRSlicerLogic()
    output = logic.process(sequence[2], scale=2, model=tiny_model_folder)
    volume = add_volume(smooth_pixels((2, 8, 9)), matrix_of("axial"), "Volume")
    with pytest.raises(ValueError, match="another sequence"):
        logic.process(volume, output, scale=2, model=tiny_model_folder)


def test_frames_are_not_written_into_the_results_of_another_sequence(scene, sequence, tiny_model_folder):
    """They would be replayed with that one, at its times."""
    logic = NExpRSlicerLogic()
    output = logic.process(sequence[2], scale=2, model=tiny_model_folder)
    other = add_sequence(scene, "Another patient")
    before = scene_content(scene)
    with pytest.raises(ValueError, match="another sequence"):
        logic.process(other[2], output, scale=2, model=tiny_model_folder)
    assert scene_content(scene) == before


def test_frames_keep_their_times_when_the_sequence_is_edited_during_a_run(scene, sequence, tiny_model_folder):
    browserNode, sequenceNode, proxy = sequence

    def edit(_fraction, remaining):
        if remaining is None:  # after the first slice
            sequenceNode.RemoveDataNodeAtValue("0")

    logic = NExpRSlicerLogic()
    output = logic.process(proxy, scale=2, model=tiny_model_folder, progress=edit)
    outputSequence = browserNode.GetSequenceNode(output)
    assert [outputSequence.GetNthIndexValue(i) for i in range(3)] == ["0", "40", "80"]
    for index in range(3):
        frame = add_volume(smooth_pixels((2, 8, 9), "int16", index), matrix_of("oblique"), "Frame")
        expected = slicer.util.arrayFromVolume(logic.process(frame, scale=2, model=tiny_model_folder))
        assert np.array_equal(slicer.util.arrayFromVolume(outputSequence.GetNthDataNode(index)), expected)


def test_emptied_sequence_of_results_is_filled_again(scene, sequence, tiny_model_folder):
    browserNode, _sequenceNode, proxy = sequence
    logic = NExpRSlicerLogic()
    output = logic.process(proxy, scale=2, model=tiny_model_folder)
    frames = browserNode.GetSequenceNode(output)
    frames.RemoveAllDataNodes()
    assert logic.process(proxy, output, scale=2, model=tiny_model_folder) is output
    assert browserNode.GetSequenceNode(output) is frames
    assert frames.GetNumberOfDataNodes() == 3
    assert scene.GetNumberOfNodesByClass("vtkMRMLSequenceNode") == 2


def test_sequence_emptied_during_a_run(scene, sequence, tiny_model_folder):
    browserNode, sequenceNode, proxy = sequence
    logic = NExpRSlicerLogic()
    output = logic.process(
        proxy, scale=2, model=tiny_model_folder, progress=lambda *_state: sequenceNode.RemoveAllDataNodes()
    )
    assert browserNode.GetSequenceNode(output).GetNumberOfDataNodes() == 3
    assert logic.volumeFacts(proxy).frames == 1
    assert slicer.util.arrayFromVolume(logic.process(proxy, scale=2, model=tiny_model_folder)).shape == (2, 16, 18)


def test_memory_of_all_frames_is_asked_for(scene, sequence, tiny_model_folder, monkeypatch):
    monkeypatch.setattr("NExpRLib.volumes.checks.available_memory", lambda: 51_000)  # one frame takes 49,104 bytes
    with pytest.raises(ValueError, match="choose a smaller scale"):
        NExpRSlicerLogic().process(sequence[2], scale=2, model=tiny_model_folder)


def test_kind_of_index_is_kept(scene, sequence, tiny_model_folder):
    browserNode, sequenceNode, proxy = sequence
    sequenceNode.SetIndexType(sequenceNode.TextIndex)
    output = NExpRSlicerLogic().process(proxy, scale=2, model=tiny_model_folder)
    assert browserNode.GetSequenceNode(output).GetIndexType() == sequenceNode.TextIndex


def test_part_of_frames_that_differ_from_what_is_shown_is_refused(sequence, tiny_model_folder):
    """The part is one of the shown volume, here of one that the user has replaced."""
    _browserNode, _sequenceNode, proxy = sequence
    slicer.util.updateVolumeFromArray(proxy, smooth_pixels((2, 12, 14), "int16"))
    settings = Settings(scale=2, model=str(tiny_model_folder), device="cpu")
    with pytest.raises(ValueError, match="differ in size"):
        ApplyRun(proxy, None, settings, ModelCache(), Box((0, 0, 0), (8, 8, 2)))
