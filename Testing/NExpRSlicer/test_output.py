"""What a result takes over from its input, and what it says of itself."""

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("slicer_core", reason="needs the wheel slicer-core")
import slicer
import slicer.util

from .volumes import add_volume, matrix_of, smooth_pixels


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


def removed_colors(scene, volume):
    color = scene.AddNewNodeByClass("vtkMRMLColorTableNode", "Hot")
    volume.GetDisplayNode().SetAndObserveColorNodeID(color.GetID())
    scene.RemoveNode(color)


def volume_rendering_only(scene, volume):
    volume.RemoveAllDisplayNodeIDs()
    volume.AddAndObserveDisplayNodeID(scene.AddNode(slicer.vtkMRMLGPURayCastVolumeRenderingDisplayNode()).GetID())


@pytest.mark.parametrize("displayed", [removed_colors, volume_rendering_only])
def test_input_that_is_displayed_unusually(scene, stage, logic, tiny_model_folder, displayed):
    displayed(scene, stage.volume)
    assert stage.settle().GetScalarVolumeDisplayNode() is not None
    assert "Slice 3 of 5" in stage.preview.text
    output = logic.process(stage.volume, scale=2, model=tiny_model_folder)
    assert output.GetScalarVolumeDisplayNode() is not None


@pytest.mark.parametrize("folders", [0, 1])
def test_input_below_the_output_in_the_hierarchy(scene, logic, tiny_model_folder, volume, folders):
    """An item below itself would end Slicer."""
    output = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Mine")
    hierarchy = scene.GetSubjectHierarchyNode()
    outputItem = hierarchy.CreateItem(hierarchy.GetSceneItemID(), output)
    parent = hierarchy.CreateFolderItem(outputItem, "Folder") if folders else outputItem
    hierarchy.CreateItem(parent, volume)
    logic.process(volume, output, scale=2, model=tiny_model_folder)
    assert hierarchy.GetItemParent(outputItem) == hierarchy.GetSceneItemID()
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(volume)) == parent


def add_series(scene, name, uid, modality):
    """A volume as Slicer loads it from the DICOM database."""
    volume = add_volume(smooth_pixels((3, 12, 10)), matrix_of("axial"), name)
    volume.SetAttribute("DICOM.instanceUIDs", f"{uid}.1 {uid}.2 {uid}.3")
    hierarchy = scene.GetSubjectHierarchyNode()
    study = hierarchy.CreateStudyItem(hierarchy.GetSceneItemID(), f"Study of {name}")
    item = hierarchy.CreateItem(study, volume)
    hierarchy.SetItemUID(item, "DICOM", uid)
    hierarchy.SetItemAttribute(item, "DICOM.Modality", modality)
    hierarchy.SetItemAttribute(item, "Mine", "kept")
    return volume


@pytest.mark.parametrize("used", [False, True], ids=["new output", "output that was another series"])
def test_result_is_no_series_of_the_dicom_database(scene, logic, tiny_model_folder, monkeypatch, used):
    thickness = {"1.1.1": "3", "9.9.1": "1"}
    database = SimpleNamespace(
        isOpen=True, instanceValue=lambda uid, tag: thickness.get(uid, "") if tag == "0018,0050" else ""
    )
    monkeypatch.setattr(slicer, "dicomDatabase", database, raising=False)
    volume = add_series(scene, "Input", "1.1", "MR")
    other = add_series(scene, "Other", "9.9", "CT")
    output = logic.process(volume, other if used else None, scale=2, model=tiny_model_folder)
    hierarchy = scene.GetSubjectHierarchyNode()
    item = hierarchy.GetItemByDataNode(output)
    assert output.GetAttribute("DICOM.instanceUIDs") is None
    assert hierarchy.GetItemName(hierarchy.GetItemParent(item)) == "Study of Input"
    assert hierarchy.GetItemByUID("DICOM", "1.1") == hierarchy.GetItemByDataNode(volume)
    assert bool(hierarchy.GetItemByUID("DICOM", "9.9")) == (not used)
    assert (logic.volumeFacts(output).modality, logic.volumeFacts(output).thickness) == ("", None)
    assert hierarchy.GetItemAttribute(item, "Mine") == ("kept" if used else "")
    assert (logic.volumeFacts(volume).modality, logic.volumeFacts(volume).thickness) == ("MR", 3)


def test_attributes_say_how_it_was_made(scene, logic, tiny_model_folder, volume):
    output = logic.process(volume, scale=2, model=tiny_model_folder)
    assert output.GetAttribute("NExpR.Model") == "tiny"
    assert len(output.GetAttribute("NExpR.ModelSHA256")) == 64
    assert output.GetAttribute("NExpR.InputVolume") == "Input"
    assert output.GetAttribute("NExpR.Scale") == "2 x 2"
    assert output.GetAttribute("NExpR.DataConsistency") == "false"
    assert output.GetAttribute("NExpR.Version")


def test_result_is_displayed_by_its_own_voxels(scene, logic, tiny_model_folder, volume):
    """With those of the input, automatic windows would be theirs, and deleting the input would not free them."""
    output = logic.process(volume, scale=2, model=tiny_model_folder)
    display = output.GetDisplayNode()
    assert display.GetInputImageData() is output.GetImageData()
    slicer.util.updateVolumeFromArray(output, np.linspace(0, 1, 3 * 24 * 20, dtype=np.float32).reshape(3, 24, 20))
    display.SetAutoWindowLevel(True)
    assert 0 < display.GetWindow() <= 1


def test_units_are_kept_and_known_to_be_of_ct(scene, logic, tiny_model_folder, volume):
    assert logic.volumeFacts(volume).modality == ""
    quantity, units = slicer.vtkCodedEntry(), slicer.vtkCodedEntry()
    quantity.SetValueSchemeMeaning("112031", "DCM", "Attenuation Coefficient")
    units.SetValueSchemeMeaning("[hnsf'U]", "UCUM", "Hounsfield unit")
    volume.SetVoxelValueQuantity(quantity)
    volume.SetVoxelValueUnits(units)
    output = logic.process(volume, scale=2, model=tiny_model_folder)
    assert logic.volumeFacts(output).modality == "CT"
    assert output.GetVoxelValueUnits().GetCodeMeaning() == "Hounsfield unit"
    assert output.GetVoxelValueQuantity().GetCodeValue() == "112031"


def test_attributes_and_name_of_a_result_of_two_scales(scene, logic, tiny_model_folder):
    volume = add_volume(smooth_pixels((6, 12, 10)), matrix_of("axial"))
    output = logic.process(volume, spacing=0.5, plane="sagittal", model=tiny_model_folder)
    assert output.GetImageData().GetDimensions() == (10, 26, 36)
    assert output.GetName() == "Input NExpR 6x2.17"
    assert (output.GetAttribute("NExpR.Scale"), output.GetAttribute("NExpR.Plane")) == ("6 x 2.16667", "sagittal")
