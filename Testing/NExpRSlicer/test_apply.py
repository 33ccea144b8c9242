"""Apply on a real MRML scene, against NExpRLib.upsample on the same data in SimpleITK."""

import numpy as np
import pytest

pytest.importorskip("slicer_core", reason="needs the wheel slicer-core")
import SimpleITK as sitk
import slicer
import slicer.util
import vtk

from NExpRLib import load_model, upsample

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


def test_progress_tells_the_share_and_the_remaining_time(scene, logic, tiny_model_folder, volume):
    calls = []
    logic.process(volume, scale=2, model=tiny_model_folder, progress=lambda *state: calls.append(state))
    assert [fraction for fraction, _remaining in calls] == pytest.approx([1 / 3, 2 / 3, 1])
    assert calls[0][1] is None, "the first slice takes longer than others"
    assert calls[1][1] > calls[2][1] == pytest.approx(0, abs=1e-9)


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


@pytest.mark.parametrize("spacing", [(1, 1, 0), (1, 1, np.nan)])
def test_volume_without_extent(scene, logic, volume, spacing):
    volume.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(np.diag([*spacing, 1.0])))
    with pytest.raises(ValueError, match="no extent in space"):
        logic.process(volume, scale=2)


def test_no_input(scene, logic, volume):
    with pytest.raises(ValueError, match="Select an input volume"):
        logic.process(None, scale=2)
    with pytest.raises(ValueError, match="MRHead is not a volume"):
        logic.process("MRHead", scale=2)
    scene.RemoveNode(volume)
    with pytest.raises(ValueError, match="not in the scene"):
        logic.process(volume, scale=2)


@pytest.mark.parametrize("className", ["vtkMRMLLabelMapVolumeNode", "vtkMRMLVectorVolumeNode", "vtkMRMLModelNode"])
def test_output_that_holds_no_intensities(scene, logic, tiny_model_folder, volume, className):
    chosen = scene.AddNewNodeByClass(className, "Mine")
    before = scene_content(scene)
    with pytest.raises(ValueError, match="output must be a scalar volume"):
        logic.process(volume, chosen, scale=2, model=tiny_model_folder)
    assert scene_content(scene) == before


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


def test_segmentation_in_a_scalar_volume_is_refused(scene, logic, tiny_model_folder):
    """Few values in large areas: the network would invent labels between them."""
    pixels = np.zeros((2, 20, 20), np.uint8)
    pixels[:, 3:9, 4:15], pixels[:, 12:18, 5:12] = 1, 3
    with pytest.raises(ValueError, match="label map"):
        logic.process(add_volume(pixels, matrix_of("axial")), scale=2, model=tiny_model_folder)


def test_device_that_is_not_there(scene, logic, tiny_model_folder, volume, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ValueError, match="not present"):
        logic.process(volume, scale=2, device="cuda", model=tiny_model_folder)
