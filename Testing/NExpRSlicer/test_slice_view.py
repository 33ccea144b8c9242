"""What a slice view shows of the preview, through Slicer's own reslicing, pixel by pixel."""

import re
import types

import numpy as np
import pytest

pytest.importorskip("slicer_core", reason="needs the wheel slicer-core")
import slicer
import slicer.util
import vtk
from scipy.ndimage import map_coordinates
from vtk.util.numpy_support import vtk_to_numpy

from NExpRSlicerLib.Parameters import Plane
from NExpRSlicerLib.PreviewGrid import Remedy

from .stage import Stage
from .volumes import DIRECTIONS, matrix_of_node


@pytest.fixture
def view_of(scene, tiny_model_folder):
    """Function of direction and zoom: (pixels of the view, rows and columns of the slice at each pixel, function)."""
    stages = []

    def view_of(direction, liveZoom, interpolate=True):
        stage = Stage(scene, tiny_model_folder, direction)
        stages.append(stage)
        stage.volume.GetDisplayNode().SetInterpolate(interpolate)
        stage.parameters.liveZoom = liveZoom
        stage.settle()
        if stage.preview.remedy == Remedy.ROTATE_VIEW:
            stage.preview.applyRemedy(stage.parameters)
            stage.settle()
        (name,) = stage.shownIn()
        sliceNode = stage.views[name][0]
        index = int(re.search(r"Slice (\d+)", stage.preview.text).group(1)) - 1
        low, high = stage.model.intensity_range(stage.pixels)
        image = stage.model.represent(stage.pixels[index], (low, high))
        return _resliced(scene, sliceNode, stage.node), _positions(sliceNode, stage.volume), image

    yield view_of
    for stage in stages:
        stage.preview.stop()
        stage.worker.stop()


def _resliced(scene, sliceNode, volumeNode):
    layer = slicer.vtkMRMLSliceLayerLogic()
    layer.SetMRMLScene(scene)
    layer.SetSliceNode(sliceNode)
    layer.SetVolumeNode(volumeNode)
    layer.UpdateTransforms()
    layer.GetReslice().Update()
    output = layer.GetReslice().GetOutput()
    width, height, _depth = output.GetDimensions()
    return vtk_to_numpy(output.GetPointData().GetScalars()).reshape(height, width)


def _positions(sliceNode, volumeNode):
    """Row and column of the slice at each pixel of the view, each (height, width)."""
    width, height, _depth = sliceNode.GetDimensions()
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    xyToIJK = np.linalg.inv(matrix_of_node(volumeNode)) @ slicer.util.arrayFromVTKMatrix(sliceNode.GetXYToRAS())
    column, row, _k, _one = np.einsum("ij,jyx->iyx", xyToIJK, np.stack([x, y, 0 * x, 0 * x + 1.0]))
    return row, column


class Views:
    """Slice views with a real renderer each, as the layout manager hands them out."""

    def __init__(self, names):
        self.windows = {name: vtk.vtkRenderWindow() for name in names}
        for window in self.windows.values():
            window.AddRenderer(vtk.vtkRenderer())

    def sliceWidget(self, name):
        if name not in self.windows:
            return None
        view = types.SimpleNamespace(renderWindow=lambda: self.windows[name], scheduleRender=lambda: None)
        return types.SimpleNamespace(sliceView=lambda: view)

    def texts(self):
        shown = {}
        for name, window in self.windows.items():
            for actor in window.GetRenderers().GetFirstRenderer().GetActors2D():
                shown[name] = actor.GetInput()
        return shown


def test_view_says_that_its_slice_is_being_encoded(scene, tiny_model_folder, monkeypatch):
    views = Views(["Red", "Yellow", "Green"])
    monkeypatch.setattr(slicer.app, "layoutManager", lambda: views)
    stage = Stage(scene, tiny_model_folder)
    stage.preview.update(stage.parameters)
    assert views.texts() == {"Red": "NExpR: encoding..."}
    stage.settle()
    assert views.texts() == {"Red": "NExpR: preview"}
    stage.parameters.plane = Plane.CORONAL
    stage.preview.update(stage.parameters)
    assert views.texts() == {"Green": "NExpR: encoding..."}
    stage.views["Green"][0].SetSliceOffset(500)
    stage.settle()
    assert views.texts() == {}
    stage.preview.stop()
    stage.worker.stop()


def _inside(row, column):
    return (row > -0.45) & (row < 19.45) & (column > -0.45) & (column < 23.45)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_live_zoom_shows_the_function_at_every_pixel(view_of, direction):
    shown, (row, column), image = view_of(direction, liveZoom=True)
    inside = _inside(row, column)
    assert inside.sum() > 5000
    transposed = np.ptp(row[0]) > np.ptp(row[:, 0])
    rows, columns = (row[0], column[:, 0]) if transposed else (row[:, 0], column[0])
    expected = image.rasterize(rows=rows, columns=columns)
    expected = expected.T if transposed else expected
    assert np.allclose(shown[inside], expected[inside], atol=0.01)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_preview_shows_the_result_interpolated(view_of, direction):
    shown, (row, column), image = view_of(direction, liveZoom=False)
    inside = _inside(row, column)
    at = [2 * (position + 0.25) for position in (row[inside], column[inside])]
    expected = map_coordinates(image.rasterize(scale=2), at, order=1, mode="nearest")
    assert len(expected) > 5000
    assert np.allclose(shown[inside], expected, atol=0.01)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_preview_without_interpolation_shows_the_nearest_pixel_of_the_result(view_of, direction):
    shown, (row, column), image = view_of(direction, liveZoom=False, interpolate=False)
    u, v = 2 * (row + 0.25), 2 * (column + 0.25)
    result = image.rasterize(scale=2)
    expected = result[np.clip(np.rint(u), 0, 39).astype(int), np.clip(np.rint(v), 0, 47).astype(int)]
    tie = (np.abs(u - np.floor(u) - 0.5) < 1e-3) | (np.abs(v - np.floor(v) - 0.5) < 1e-3)
    compared = _inside(row, column) & ~tie
    assert compared.sum() > 5000
    assert np.allclose(shown[compared], expected[compared], atol=0.01)
