"""What the slice views show, and super-resolving that part alone."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("slicer_core", reason="needs the wheel slicer-core")
import slicer
import slicer.util

from NExpRLib.volumes.box import Box
from NExpRLib.volumes.geometry import Geometry
from NExpRSlicerLib.Apply import ApplyRun
from NExpRSlicerLib.Models import ModelCache
from NExpRSlicerLib.Parameters import MODEL_AUTO, Region, Settings
from NExpRSlicerLib.RegionPlan import planned
from NExpRSlicerLib.SliceViews import rotateToPlane
from NExpRSlicerLib.Volumes import looksLikeLabels

from ..conftest import TINY, write_model
from .gui_stand_ins import Timer
from .opened_widget import wait
from .stage import add_view
from .volumes import DIRECTIONS, add_volume, matrix_of, matrix_of_node, smooth_pixels


@pytest.fixture(scope="module")
def tiny_model_folder(tmp_path_factory):
    """A model that sees the same in every range of intensities, as those in the package do."""
    return write_model(tmp_path_factory.mktemp("equivariant") / "tiny", replace(TINY, equivariant=True), 0.05)


def applied(volume, box=None, **settings):
    run = ApplyRun(volume, None, Settings(device="cpu", **settings), ModelCache(), box)
    return run.finish(run.job.run())


def assert_part_of(part, whole, tolerance=2):
    """The part has values and positions of the whole; returns its size.

    :param tolerance: of values that differ by some hundred between neighbors. Networks may compute in bfloat16, which
        rounds to a thousandth of the range.
    """
    toWhole = np.linalg.inv(matrix_of_node(whole)) @ matrix_of_node(part)
    first = np.rint(toWhole[:3, 3]).astype(int)
    size = part.GetImageData().GetDimensions()
    for corner in ((0, 0, 0), np.array(size) - 1):
        inPart = (matrix_of_node(part) @ [*corner, 1])[:3]
        inWhole = (matrix_of_node(whole) @ [*(first + corner), 1])[:3]
        assert np.abs(inPart - inWhole).max() < 1e-6  # mm
    index = tuple(slice(a, a + n) for a, n in zip(first, size))[::-1]
    expected = slicer.util.arrayFromVolume(whole)[index].astype(float)
    assert np.abs(slicer.util.arrayFromVolume(part) - expected).max() <= tolerance
    return size


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_part_is_that_of_the_whole_at_its_place(scene, tiny_model_folder, direction, dtype):
    volume = add_volume(smooth_pixels((5, 90, 100), dtype), matrix_of(direction))
    settings = dict(scale=2, model=str(tiny_model_folder), measured="stored")
    part = applied(volume, Box((40, 2, 1), (30, 20, 3)), **settings)
    assert assert_part_of(part, applied(volume, **settings)) == (60, 40, 3)
    assert part.GetAttribute("NExpR.Region") == "i 40 to 69, j 2 to 21, k 1 to 3"


def test_output_that_was_a_part_and_becomes_the_whole_does_not_say_part(scene, logic, tiny_model_folder):
    volume = add_volume(smooth_pixels((3, 30, 40)), matrix_of("axial"))
    output = applied(volume, Box((2, 2, 0), (20, 10, 3)), scale=2, model=str(tiny_model_folder), measured="stored")
    assert logic.process(volume, output, scale=2, model=tiny_model_folder) is output
    assert output.GetImageData().GetDimensions() == (80, 60, 3)
    assert output.GetAttribute("NExpR.Region") is None


def test_part_of_an_isotropic_volume(scene, tiny_model_folder, slices_folder):
    volume = add_volume(smooth_pixels((100, 40, 44)), matrix_of("oblique", spacing=(0.9, 0.9, 1.8)))
    settings = dict(isotropic=0.9, model=str(tiny_model_folder), slicesModel=str(slices_folder), measured="stored")
    part = applied(volume, Box((0, 9, 40), (44, 20, 30)), **settings)
    # The profile of each slice is made consistent with all others: with those far away hardly.
    assert assert_part_of(part, applied(volume, **settings)) == (44, 20, 60)


def test_scale_that_is_no_whole_number_covers_the_part(scene, tiny_model_folder):
    volume = add_volume(smooth_pixels((2, 60, 100)), matrix_of("axial"))
    settings = dict(scale=1.7, model=str(tiny_model_folder), measured="stored")
    part = applied(volume, Box((40, 10, 0), (30, 20, 2)), **settings)
    assert_part_of(part, applied(volume, **settings))
    extent = np.array(part.GetSpacing()) * part.GetImageData().GetDimensions()
    assert np.abs(extent - [0.9 * 30, 1.1 * 20, 6.0]).max() < 1.0
    toInput = np.linalg.inv(matrix_of_node(volume)) @ matrix_of_node(part)
    first = (toInput @ [0, 0, 0, 1])[:3]
    last = (toInput @ [*(np.array(part.GetImageData().GetDimensions()) - 1), 1])[:3]
    assert (first > np.array([40, 10, 0]) - 0.51).all()
    assert (last < np.array([69, 29, 1]) + 0.51).all()


def test_part_on_measured_pixels(scene, tiny_model_folder, interpolated):
    volume = add_volume(interpolated, matrix_of("axial"))
    settings = dict(scale=2, model=str(tiny_model_folder), measured=(1.65, 1.8))
    part = applied(volume, Box((64, 30, 0), (64, 60, 4)), **settings)
    # Both ends of the block are mirrored, and the size of its measured pixels is rounded.
    assert_part_of(part, applied(volume, **settings), 0.02 * np.ptp(interpolated))


@pytest.mark.parametrize("isotropic", [True, 0.978])
def test_cubes_of_a_part_are_those_of_the_whole_whatever_the_zoom(isotropic):
    """Also where they are a tenth coarser than what was measured, which is just allowed."""
    geometry = Geometry((512, 400, 30), (0.45, 0.5, 3.0), (0.0, 0.0, 0.0), np.eye(3))
    settings = Settings(isotropic=isotropic, measured=(0.95, 0.891))
    whole = planned(settings, geometry)
    spacing, origin = whole.run.geometry.spacing, whole.run.geometry.origin
    for size in range(40, 300, 7):
        part = planned(settings, geometry, box=Box((101, 83, 9), (size, size, 11)))
        assert np.allclose(part.result.geometry.spacing, spacing, rtol=1e-9)
        steps = np.subtract(part.result.geometry.origin, origin) / spacing
        assert np.abs(steps - np.rint(steps)).max() < 1e-6
        # Half a pixel of a hundred would be 5e-3.
        assert np.allclose(part.measuredMm, whole.measuredMm, rtol=3e-3)


def test_dark_part_of_an_image_is_no_label_map(scene, tiny_model_folder):
    pixels = smooth_pixels((2, 120, 130), "int16")
    pixels[:, :, :80] = np.where(pixels[:, :, :80] > 500, 3, 0)
    volume = add_volume(pixels, matrix_of("axial"))
    settings = dict(scale=2, model=str(tiny_model_folder), measured="stored")
    part = applied(volume, Box((4, 30, 0), (30, 20, 2)), **settings)
    assert assert_part_of(part, applied(volume, **settings)) == (60, 40, 2)


def test_dark_first_slice_of_a_large_image_is_no_label_map(scene):
    pixels = np.broadcast_to(smooth_pixels((1, 1100, 1000), "int16"), (6, 1100, 1000)).copy()
    pixels[0] //= 100
    assert not looksLikeLabels(add_volume(pixels, matrix_of("axial")))


def test_part_keeps_measured_frequencies_and_padding(scene, tiny_model_folder):
    pixels = smooth_pixels((2, 90, 100))
    pixels[:, :20] = np.nan
    volume = add_volume(pixels, matrix_of("axial"))
    part = applied(volume, Box((30, 10, 0), (30, 20, 2)), scale=2, model=str(tiny_model_folder), dataConsistency=True)
    values = slicer.util.arrayFromVolume(part)
    assert np.isnan(values[:, :20]).all()
    assert np.isfinite(values[:, 20:]).all()
    pixels[:, :60] = np.nan
    volume = add_volume(pixels, matrix_of("axial"))
    with pytest.raises(ValueError, match="no data"):
        applied(volume, Box((30, 0, 0), (30, 12, 2)), scale=2, model=str(tiny_model_folder))


@pytest.fixture
def panel(widget, scene):
    """The module with a volume of 100 x 90 x 12 voxels in three views of 300 x 200 pixels."""
    for name, orientation in (("Yellow", "Sagittal"), ("Green", "Coronal")):
        add_view(scene, name, orientation)
    volume = add_volume(smooth_pixels((12, 90, 100)), matrix_of("axial", spacing=(1, 1, 3), origin=(0, 0, 0)), "Zoomed")
    slicer.util.setSliceViewerLayers(background=volume)
    for node in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
        node.JumpSliceByCentering(-50, -45, 18)
        node.SetFieldOfView(150, 100, 1)
    widget._parameterNode.inputVolume = volume
    wait(lambda: "200 x 180" in widget.ui.sizeLabel.text)
    return widget


def test_apply_to_what_the_views_show(panel, scene):
    volume = panel._parameterNode.inputVolume
    panel._parameterNode.region = Region.VISIBLE
    wait(lambda: "12 slices of 200 x 180 pixels" in panel.ui.sizeLabel.text)
    slicer.util.getNode("Red").SetFieldOfView(60, 40, 1)
    wait(lambda: "12 slices of 120 x 80 pixels" in panel.ui.sizeLabel.text)
    slicer.util.getNode("Yellow").SetFieldOfView(30, 20, 1)
    wait(lambda: "7 slices of 120 x 60 pixels" in panel.ui.sizeLabel.text)
    assert "input: 60 x 30" in panel.ui.sizeLabel.text
    panel.ui.applyButton.click()
    wait(lambda: panel.ui.applyButton.text == "Apply")
    part = slicer.util.getNode("Zoomed NExpR 2x")
    center = (matrix_of_node(part) @ [*((np.array(part.GetImageData().GetDimensions()) - 1) / 2), 1])[:3]
    assert np.abs(center - [-50, -45, 18]).max() <= 1.5
    # The views show the result now, and bound the next run as before.
    wait(lambda: "7 slices of 120 x 60 pixels" in panel.ui.sizeLabel.text)
    panel._parameterNode.region = Region.WHOLE
    wait(lambda: "200 x 180" in panel.ui.sizeLabel.text)
    whole = panel.logic.process(volume, scale=2, model=panel._parameterNode.modelPath)
    assert assert_part_of(part, whole) == (120, 60, 7)


def test_part_follows_the_transform_of_the_volume(panel, scene):
    panel._parameterNode.region = Region.VISIBLE
    slicer.util.getNode("Red").SetFieldOfView(60, 40, 1)
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    panel._parameterNode.inputVolume.SetAndObserveTransformNodeID(transform.GetID())
    wait(lambda: "12 slices of 120 x 80 pixels" in panel.ui.sizeLabel.text)
    wait(lambda: not Timer.active)
    shift = np.eye(4)
    shift[0, 3] = 40  # mm, of the 50 on either side of the center of the views
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(shift))
    wait(lambda: "12 slices of 80 x 80 pixels" in panel.ui.sizeLabel.text)


def test_view_turned_to_an_oblique_volume_bounds_it(panel):
    matrix = matrix_of("oblique", spacing=(1, 1, 3), origin=(0, 0, 0))
    volume = add_volume(smooth_pixels((12, 90, 100)), matrix, "Oblique")
    slicer.util.getNode("Red").SetFieldOfView(60, 40, 1)
    for name in ("Red", "Yellow", "Green"):
        slicer.util.getNode(name).JumpSliceByCentering(*(matrix @ [50, 45, 6, 1])[:3])
    rotateToPlane(slicer.util.getNode("Red"), matrix, 2)
    slicer.util.setSliceViewerLayers(background=volume)
    box = panel.logic.box(volume, Region.VISIBLE)
    assert sorted(box.size[:2]) == [40, 60]
    assert box.size[2] == 12


def test_nothing_visible_is_said_before_apply(panel):
    panel._parameterNode.region = Region.VISIBLE
    slicer.util.getNode("Red").JumpSliceByCentering(500, -45, 18)
    wait(lambda: "No part of the input volume is visible" in panel.ui.warningLabel.text)
    assert not panel.ui.applyButton.enabled
    slicer.util.getNode("Red").JumpSliceByCentering(-50, -45, 18)
    slicer.util.getNode("Red").SetFieldOfView(6, 4, 1)
    wait(lambda: "zoom out" in panel.ui.warningLabel.text)
    slicer.util.setSliceViewerLayers(background=None)
    wait(lambda: "No slice view shows" in panel.ui.warningLabel.text)
    assert not panel.ui.applyButton.enabled


def test_what_is_known_of_the_volume_is_still_said_where_nothing_is_visible(panel):
    """Only the region is wrong: neither the model nor the other choices are to change."""
    hounsfield = np.where(smooth_pixels((12, 90, 100)) > 500, 40, -1000).astype(np.int16)
    hounsfield += np.random.default_rng(0).integers(-20, 20, hounsfield.shape, np.int16)
    volume = add_volume(hounsfield, matrix_of("axial", spacing=(1, 1, 3), origin=(0, 0, 0)), "Air")
    panel._parameterNode.model = MODEL_AUTO
    panel._parameterNode.inputVolume = volume
    slicer.util.setSliceViewerLayers(background=volume)
    shown = (
        lambda: panel.ui.modelComboBox.items[0][0],
        lambda: panel.ui.isotropicSpacingSpinBox.specialValueText,
        lambda: panel.ui.thicknessSpinBox.specialValueText,
    )
    wait(lambda: "CT" in shown[0]())
    before = [each() for each in shown]
    panel._parameterNode.region = Region.VISIBLE
    slicer.util.getNode("Red").JumpSliceByCentering(500, -45, 18)
    wait(lambda: "No part of the input volume is visible" in panel.ui.warningLabel.text)
    assert [each() for each in shown] == before
