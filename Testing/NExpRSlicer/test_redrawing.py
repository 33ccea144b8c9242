"""What makes the preview encode or draw a slice again."""

import json
import shutil
import threading

import numpy as np
import pytest

from NExpRLib import load_model

pytest.importorskip("slicer_core", reason="needs the wheel slicer-core")
import slicer
import slicer.util

from NExpRSlicerLib.Parameters import Plane

from .stage import Stage
from .volumes import matrix_of_node


def test_slices_of_one_number_in_two_planes_are_told_apart(scene, tiny_model_folder):
    stage = Stage(scene, tiny_model_folder, shape=(7, 7, 7))
    stage.parameters.plane = Plane.AXIAL
    before = slicer.util.arrayFromVolume(stage.settle())[0].copy()
    stage.parameters.plane = Plane.CORONAL
    node = stage.settle()
    model = stage.model.represent(stage.pixels[:, 3], stage.model.intensity_range(stage.pixels))
    assert "Slice 4 of 7" in stage.preview.text
    assert np.allclose(slicer.util.arrayFromVolume(node)[0], model.rasterize(2), atol=1e-2)
    assert not np.allclose(before, model.rasterize(2), atol=1)
    stage.preview.stop()
    stage.worker.stop()


def test_intensity_range_is_that_of_the_model(stage, tiny_model_folder, tmp_path):
    stage.settle()
    card = json.loads((tiny_model_folder / "card.json").read_text())
    shutil.copytree(tiny_model_folder, tmp_path / "windowed")
    (tmp_path / "windowed" / "card.json").write_text(json.dumps({**card, "window": [-4000, 9000]}))
    stage.parameters.modelPath = tmp_path / "windowed"
    node = stage.settle()
    stage.model = load_model(tmp_path / "windowed", "cpu")
    assert np.allclose(slicer.util.arrayFromVolume(node)[0], stage.result(2, scale=2), atol=1e-2)


def test_voxels_edited_in_place_while_encoding(stage):
    expected = stage.result(2, scale=2)
    end = threading.Event()
    stage.worker.submit(lambda: end.wait(10), lambda value, error: None)
    stage.preview.update(stage.parameters)
    slicer.util.arrayFromVolume(stage.volume)[2] = stage.pixels[2][::-1]
    end.set()
    node = stage.settle()
    assert np.allclose(slicer.util.arrayFromVolume(node)[0], expected, atol=1e-2)


def test_neighbor_is_encoded_from_the_voxels_that_were_shown(stage):
    """A sequence exchanges the voxels of its proxy node, and brings the same ones back."""
    image = stage.volume.GetImageData()
    other = slicer.util.addVolumeFromArray(stage.pixels[:, ::-1].copy())
    stage.preview.update(stage.parameters)
    stage.volume.SetAndObserveImageData(other.GetImageData())
    for _slice in range(2):  # the current one and its neighbor
        stage.preview.poll(timeout=10)
    stage.settle()
    stage.volume.SetAndObserveImageData(image)
    stage.center(stage.volume, 3)
    node = stage.settle()
    assert np.allclose(slicer.util.arrayFromVolume(node)[0], stage.result(3, scale=2), atol=1e-2)


def test_neighbor_that_is_gone_before_it_was_encoded(stage):
    stage.preview.update(stage.parameters)
    slicer.util.updateVolumeFromArray(stage.volume, stage.pixels[:3])
    stage.preview.poll(timeout=10)
    stage.settle()
    assert "Slice 3 of 3" in stage.preview.text


def test_slice_that_is_gone_before_it_was_encoded(stage):
    end = threading.Event()
    stage.worker.submit(lambda: end.wait(10), lambda value, error: None)
    stage.center(stage.volume, 4)
    stage.preview.update(stage.parameters)
    slicer.util.updateVolumeFromArray(stage.volume, stage.pixels[:2])
    stage.preview.update(stage.parameters)
    end.set()
    stage.settle()
    assert "no slice" in stage.preview.text


def test_moving_volume_is_moved_and_not_drawn_again(stage, monkeypatch):
    node = stage.settle()
    transform = stage.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    stage.volume.SetAndObserveTransformNodeID(transform.GetID())
    stage.settle()
    monkeypatch.setattr("NExpRSlicerLib.SliceEncoder.EncodedSlice.draw", None)
    before = matrix_of_node(node)
    shift = np.eye(4)
    shift[:2, 3] = 3, -2
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(shift))
    assert stage.settle() is node
    assert np.allclose(matrix_of_node(node), shift @ before)
    assert stage.shownIn() == ["Red"]


def test_data_consistency_is_redrawn_when_it_is_chosen(stage):
    before = slicer.util.arrayFromVolume(stage.settle()).copy()
    stage.parameters.dataConsistency = True
    after = slicer.util.arrayFromVolume(stage.settle()).copy()
    assert not np.allclose(after, before, atol=0.1)
    stage.parameters.dataConsistency = False
    assert np.allclose(slicer.util.arrayFromVolume(stage.settle()), before, atol=1e-3)


def test_live_zoom_is_without_data_consistency_and_says_so(stage):
    stage.parameters.liveZoom = True
    expected = slicer.util.arrayFromVolume(stage.settle()).copy()
    assert "without data consistency" not in stage.preview.text
    stage.parameters.dataConsistency = True
    assert np.allclose(slicer.util.arrayFromVolume(stage.settle()), expected, atol=1e-3)
    assert "without data consistency" in stage.preview.text


def test_slice_that_does_not_fit_into_free_memory_is_not_drawn(stage, monkeypatch):
    stage.settle()
    monkeypatch.setattr("NExpRSlicerLib.PreviewPane.available_memory", lambda: 32 * 48 * 40 - 1)
    stage.settle()
    assert "too many for a preview" in stage.preview.text


def test_slice_that_could_not_be_drawn_is_not_shown(stage, monkeypatch):
    def draw(*_args):
        raise MemoryError

    stage.settle()
    assert stage.preview.shown
    monkeypatch.setattr("NExpRSlicerLib.SliceEncoder.EncodedSlice.draw", draw)
    stage.parameters.scale = 3
    stage.preview.update(stage.parameters)
    assert "not enough memory" in stage.preview.text
    assert not stage.preview.shown, "there would be something to compare with"
