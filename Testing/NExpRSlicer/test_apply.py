"""Apply on a real MRML scene, against NExpRLib.upsample on the same data in SimpleITK."""

import shutil

import numpy as np
import pytest

pytest.importorskip("slicer_core", reason="needs the wheel slicer-core")
import SimpleITK as sitk
import slicer
import slicer.util
import vtk

from NExpRLib import load_model, upsample
from NExpRSlicer import NExpRSlicerLogic

from .volumes import (
    DIRECTIONS,
    add_volume,
    matrix_of,
    matrix_of_node,
    matrix_of_sitk,
    scene_content,
    sitk_image,
    smooth_pixels,
)


@pytest.fixture
def logic(scene):
    return NExpRSlicerLogic()


@pytest.fixture
def volume(scene):
    return add_volume(smooth_pixels((3, 12, 10)), matrix_of("axial"))


def assert_same(volumeNode, image):
    result, expected = slicer.util.arrayFromVolume(volumeNode), sitk.GetArrayFromImage(image)
    assert result.dtype == expected.dtype
    # Batches of one slice round differently in float32, which may move an integer by one.
    assert np.allclose(result.astype(float), expected, rtol=1e-5, atol=np.issubdtype(result.dtype, np.integer))
    assert np.allclose(matrix_of_node(volumeNode), matrix_of_sitk(image), atol=1e-9)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("target", [{"scale": 2}, {"scale": 2.7}, {"spacing": 0.4}])
def test_voxels_and_geometry_equal_the_library(scene, logic, tiny_model_folder, direction, target):
    pixels, matrix = smooth_pixels((3, 12, 10), "int16"), matrix_of(direction)
    output = logic.process(add_volume(pixels, matrix), model=tiny_model_folder, **target)
    assert_same(output, upsample(sitk_image(pixels, matrix), model=load_model(tiny_model_folder, "cpu"), **target))


@pytest.mark.parametrize("plane", ["axial", "sagittal", "coronal"])
@pytest.mark.parametrize("direction", ["oblique", "sagittal", "left-handed"])
def test_planes_are_those_of_the_library(scene, logic, tiny_model_folder, direction, plane):
    pixels, matrix = smooth_pixels((6, 7, 8)), matrix_of(direction)
    output = logic.process(add_volume(pixels, matrix), scale=1.5, plane=plane, model=tiny_model_folder)
    model = load_model(tiny_model_folder, "cpu")
    assert_same(output, upsample(sitk_image(pixels, matrix), scale=1.5, plane=plane, model=model))


def test_data_consistency_is_passed_on(scene, logic, tiny_model_folder):
    pixels, matrix = smooth_pixels((2, 12, 10)), matrix_of("axial")
    output = logic.process(add_volume(pixels, matrix), scale=2, dataConsistency=True, model=tiny_model_folder)
    model = load_model(tiny_model_folder, "cpu")
    assert_same(output, upsample(sitk_image(pixels, matrix), scale=2, data_consistency=True, model=model))


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32", "float64"])
def test_voxel_type_is_kept(scene, logic, tiny_model_folder, dtype):
    pixels = (smooth_pixels((1, 9, 8)) / 5).astype(dtype)
    output = logic.process(add_volume(pixels, matrix_of("axial")), scale=2, model=tiny_model_folder)
    assert slicer.util.arrayFromVolume(output).dtype == dtype


@pytest.mark.parametrize("name", ["brain_t1w_oms-patient04-study1", "prostate_t2_tra_prostatex-0000"])
def test_real_volume(scene, logic, tiny_model_folder, real_data, name):
    image = sitk.ReadImage(str(real_data / "test" / f"{name}.nii.gz"))
    center = [n // 2 for n in image.GetSize()]
    region = tuple(slice(max(0, c - 20), c + 20) for c in center[:2]) + (slice(center[2] - 1, center[2] + 1),)
    image = image[region]
    pixels, matrix = sitk.GetArrayFromImage(image), matrix_of_sitk(image)
    output = logic.process(add_volume(pixels, matrix), scale=2.5, model=tiny_model_folder)
    assert_same(output, upsample(image, scale=2.5, model=load_model(tiny_model_folder, "cpu")))


def test_output_appears_like_the_input(scene, logic, tiny_model_folder, volume):
    color = scene.AddNewNodeByClass("vtkMRMLColorTableNode", "Hot")
    display = volume.GetDisplayNode()
    display.SetAutoWindowLevel(False)
    display.SetWindowLevel(321, 123)
    display.SetAndObserveColorNodeID(color.GetID())
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    volume.SetAndObserveTransformNodeID(transform.GetID())
    hierarchy = scene.GetSubjectHierarchyNode()
    study = hierarchy.CreateStudyItem(hierarchy.GetSceneItemID(), "Study")
    hierarchy.CreateItem(study, volume)

    output = logic.process(volume, scale=2, model=tiny_model_folder)

    assert output.GetName() == "Input NExpR 2x"
    assert (output.GetDisplayNode().GetWindow(), output.GetDisplayNode().GetLevel()) == (321, 123)
    assert not output.GetDisplayNode().GetAutoWindowLevel()
    assert output.GetDisplayNode().GetColorNodeID() == color.GetID()
    assert output.GetDisplayNode() is not display
    assert output.GetTransformNodeID() == transform.GetID()
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(output)) == study


def test_attributes_say_how_it_was_made(scene, logic, tiny_model_folder, volume):
    output = logic.process(volume, scale=2, model=tiny_model_folder)
    assert output.GetAttribute("NExpR.Model") == "tiny"
    assert len(output.GetAttribute("NExpR.ModelSHA256")) == 64
    assert output.GetAttribute("NExpR.InputVolume") == "Input"
    assert output.GetAttribute("NExpR.Scale") == "2 x 2"
    assert output.GetAttribute("NExpR.DataConsistency") == "false"
    assert output.GetAttribute("NExpR.Version")


def test_chosen_output_is_overwritten_and_keeps_its_name(scene, logic, tiny_model_folder, volume):
    chosen = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Mine")
    first = logic.process(volume, chosen, scale=3, model=tiny_model_folder)
    assert first is chosen
    assert chosen.GetName() == "Mine"
    assert chosen.GetImageData().GetDimensions() == (30, 36, 3)
    logic.process(volume, chosen, scale=2, model=tiny_model_folder)
    assert chosen.GetImageData().GetDimensions() == (20, 24, 3)


def test_two_runs_in_a_row_give_two_equal_volumes(scene, logic, tiny_model_folder, volume):
    first = logic.process(volume, scale=2, model=tiny_model_folder)
    second = logic.process(volume, scale=2, model=tiny_model_folder)
    assert (first.GetName(), second.GetName()) == ("Input NExpR 2x", "Input NExpR 2x_1")
    assert np.array_equal(slicer.util.arrayFromVolume(first), slicer.util.arrayFromVolume(second))


def test_progress_counts_slices_and_remaining_time(scene, logic, tiny_model_folder, volume):
    calls = []
    logic.process(volume, scale=2, model=tiny_model_folder, progress=lambda *state: calls.append(state))
    assert [(done, total) for done, total, _remaining in calls] == [(1, 3), (2, 3), (3, 3)]
    assert calls[-1][2] == 0
    assert all(remaining >= 0 for _done, _total, remaining in calls)


@pytest.mark.parametrize("withOutput", [False, True])
def test_cancel_half_way_leaves_the_scene_as_it_was(scene, logic, tiny_model_folder, volume, withOutput):
    chosen = add_volume(smooth_pixels((2, 3, 4)), matrix_of("axial"), "Mine") if withOutput else None
    before = scene_content(scene)

    def cancel(done, _total, _remaining):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        logic.process(volume, chosen, scale=2, model=tiny_model_folder, progress=cancel)
    assert scene_content(scene) == before


@pytest.mark.parametrize("remove", ["input", "scene"])
def test_input_removed_during_a_run(scene, logic, tiny_model_folder, volume, remove):
    def intervene(done, _total, _remaining):
        if done == 1:
            scene.RemoveNode(volume) if remove == "input" else scene.Clear(0)

    assert logic.process(volume, scale=2, model=tiny_model_folder, progress=intervene) is None
    assert scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 0


def test_chosen_output_removed_during_a_run_gives_a_new_one(scene, logic, tiny_model_folder, volume):
    chosen = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Mine")

    def remove(done, _total, _remaining):
        if done == 1:
            scene.RemoveNode(chosen)

    output = logic.process(volume, chosen, scale=2, model=tiny_model_folder, progress=remove)
    assert scene.IsNodePresent(output)
    assert output.GetImageData().GetDimensions() == (20, 24, 3)


def test_input_changed_during_a_run_does_not_change_the_result(scene, logic, tiny_model_folder, volume):
    expected = slicer.util.arrayFromVolume(logic.process(volume, scale=2, model=tiny_model_folder))

    def change(_done, _total, _remaining):
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

    def harden(done, _total, _remaining):
        if done == 1:
            volume.HardenTransform()
            if removed:
                scene.RemoveNode(node)

    output = logic.process(volume, scale=2, model=tiny_model_folder, progress=harden)
    assert output.GetParentTransformNode() is None
    assert np.allclose(matrix_of_node(output), expected, atol=1e-9)


def test_result_follows_when_the_input_is_moved_during_a_run(scene, logic, tiny_model_folder, volume):
    expected = matrix_of_node(logic.process(volume, scale=2, model=tiny_model_folder))

    def move(done, _total, _remaining):
        if done == 1:
            volume.SetOrigin(*(np.array(volume.GetOrigin()) + (50, -20, 3)))

    output = logic.process(volume, scale=2, model=tiny_model_folder, progress=move)
    expected[:3, 3] += 50, -20, 3
    assert np.allclose(matrix_of_node(output), expected, atol=1e-9)


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

    def harden(done, _total, _remaining):
        if done == 1:
            volume.HardenTransform()

    output = logic.process(volume, scale=2, model=tiny_model_folder, progress=harden)
    assert volume.GetParentTransformNode() is None
    assert output.GetParentTransformNode() is node
    assert np.array_equal(matrix_of_node(output), matrix_of_node(before))
    assert np.array_equal(slicer.util.arrayFromVolume(output), slicer.util.arrayFromVolume(before))


@pytest.mark.parametrize(
    ("className", "components", "advice"),
    [
        ("vtkMRMLLabelMapVolumeNode", 1, "Segment Editor"),
        ("vtkMRMLVectorVolumeNode", 3, "Vector to Scalar Volume"),
        ("vtkMRMLDiffusionWeightedVolumeNode", 6, "Vector to Scalar Volume"),
        ("vtkMRMLScalarVolumeNode", 0, "no voxels"),
        ("vtkMRMLSegmentationNode", None, "Segment Editor"),
        ("vtkMRMLModelNode", None, "select a scalar volume"),
    ],
)
def test_refusals_say_what_to_do(scene, logic, tiny_model_folder, className, components, advice):
    node = scene.AddNewNodeByClass(className, "Node")
    if components:
        shape = (2, 5, 6) if components == 1 else (2, 5, 6, components)
        slicer.util.updateVolumeFromArray(node, np.ones(shape, np.uint8))
    before = scene_content(scene)
    with pytest.raises(ValueError, match=advice):
        logic.process(node, scale=2, model=tiny_model_folder)
    assert scene_content(scene) == before


@pytest.mark.parametrize(
    ("scalarType", "advice"),
    [(None, "no voxels"), (vtk.VTK_LONG, "Cast Scalar Volume"), (vtk.VTK_UNSIGNED_LONG, "Cast Scalar Volume")],
)
def test_images_that_slicer_does_not_support(scene, logic, tiny_model_folder, scalarType, advice):
    image = vtk.vtkImageData()
    image.SetDimensions(6, 5, 2)
    if scalarType is not None:
        image.AllocateScalars(scalarType, 1)
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Node")
    node.SetAndObserveImageData(image)
    with pytest.raises(ValueError, match=advice):
        logic.process(node, scale=2, model=tiny_model_folder)


def test_no_input(scene, logic):
    with pytest.raises(ValueError, match="Select an input volume"):
        logic.process(None, scale=2)


def test_other_refusals(scene, logic, tiny_model_folder, volume):
    bad = add_volume(np.full((2, 8, 8), np.nan, np.float32), matrix_of("axial"))
    for arguments, reason in [
        ((volume, volume), "is the input volume"),
        ((bad,), "NaN"),
    ]:
        with pytest.raises(ValueError, match=reason):
            logic.process(*arguments, scale=2, model=tiny_model_folder)
    with pytest.raises(ValueError, match="exactly one"):
        logic.process(volume, scale=2, spacing=1, model=tiny_model_folder)
    with pytest.raises(ValueError, match="only refines"):
        logic.process(volume, spacing=5, model=tiny_model_folder)
    with pytest.raises(ValueError, match="There is no model"):
        logic.process(volume, scale=2, model="nowhere")
    with pytest.raises(ValueError, match="memory"):
        logic.process(volume, scale=20000, model=tiny_model_folder)


def test_result_is_displayed_by_its_own_voxels(scene, logic, tiny_model_folder, volume):
    """With those of the input, automatic windows would be theirs, and deleting the input would not free them."""
    output = logic.process(volume, scale=2, model=tiny_model_folder)
    display = output.GetDisplayNode()
    assert display.GetInputImageData() is output.GetImageData()
    slicer.util.updateVolumeFromArray(output, np.linspace(0, 1, 3 * 24 * 20, dtype=np.float32).reshape(3, 24, 20))
    display.SetAutoWindowLevel(True)
    assert 0 < display.GetWindow() <= 1


def test_model_that_is_exchanged_during_a_run(scene, logic, tiny_model_folder, volume, tmp_path):
    """The result says by which weights it was computed, and is not lost with their folder."""
    folder = tmp_path / "model"
    shutil.copytree(tiny_model_folder, folder)
    expected = logic.process(volume, scale=2, model=str(folder)).GetAttribute("NExpR.ModelSHA256")
    remove = lambda *_state: shutil.rmtree(folder, ignore_errors=True)  # noqa: E731
    output = logic.process(volume, scale=2, model=str(folder), progress=remove)
    assert not folder.exists()
    assert output.GetAttribute("NExpR.ModelSHA256") == expected
