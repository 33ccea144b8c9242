"""What a result takes over from its input, and how it records where it is from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import slicer

import NExpRLib
from NExpRLib.volumes.box import Box
from NExpRLib.volumes.plan import Plan

from .Compare import rememberInput
from .Parameters import Settings
from .RegionPlan import RegionPlan
from .Volumes import displayLike

if TYPE_CHECKING:
    from .BackgroundRun import UpsamplingJob


def outputName(inputVolume: slicer.vtkMRMLScalarVolumeNode, plan: Plan) -> str:
    """Name of a new output volume, for example "MRHead NExpR 2x", or "MRHead NExpR 0.9 mm" if it is isotropic."""
    if plan.through is not None:
        side = plan.geometry.spacing[plan.slice_axis]
        return slicer.mrmlScene.GenerateUniqueName(f"{inputVolume.GetName()} NExpR {side:.3g} mm")
    rows, columns = (f"{scale:.3g}" for scale in plan.scale)
    scale = f"{rows}x" if rows == columns else f"{rows}x{columns}"
    return slicer.mrmlScene.GenerateUniqueName(f"{inputVolume.GetName()} NExpR {scale}")


def copyContext(
    inputVolume: slicer.vtkMRMLScalarVolumeNode,
    outputVolume: slicer.vtkMRMLScalarVolumeNode,
    transformNode: slicer.vtkMRMLTransformNode | None,
) -> None:
    """Let the output appear like the input: display, units, place in the subject hierarchy.

    It is no DICOM series, neither that of the input nor one that the node may have held before.

    :param transformNode: parent transform of the output.
    """
    outputVolume.CreateDefaultDisplayNodes()
    inputDisplay = inputVolume.GetScalarVolumeDisplayNode()  # not that of volume rendering
    if inputDisplay is not None and outputVolume.GetScalarVolumeDisplayNode() is not None:
        displayLike(outputVolume, inputDisplay)
    outputVolume.SetVoxelValueQuantity(inputVolume.GetVoxelValueQuantity())
    outputVolume.SetVoxelValueUnits(inputVolume.GetVoxelValueUnits())
    outputVolume.SetAndObserveTransformNodeID(transformNode.GetID() if transformNode is not None else None)
    _removeAttributes(outputVolume, "DICOM.")
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    if hierarchy is None:
        return
    outputItem = hierarchy.GetItemByDataNode(outputVolume)
    if outputItem:
        for name in hierarchy.GetItemAttributeNames(outputItem):
            if name.startswith("DICOM."):
                hierarchy.RemoveItemAttribute(outputItem, name)
        for name in hierarchy.GetItemUIDNames(outputItem):
            hierarchy.RemoveItemUID(outputItem, name)
    inputItem = hierarchy.GetItemByDataNode(inputVolume)
    if inputItem:
        parentItem = hierarchy.GetItemParent(inputItem)
        if not _isWithin(hierarchy, parentItem, outputItem):
            hierarchy.CreateItem(parentItem, outputVolume)


def _isWithin(hierarchy: slicer.vtkMRMLSubjectHierarchyNode, item: int, otherItem: int) -> bool:
    """Whether an item is another one or lies below it, where moving that one to it would crash Slicer."""
    while item and item != otherItem:
        item = hierarchy.GetItemParent(item)
    return bool(item)


def isResult(node: slicer.vtkMRMLNode) -> bool:
    """Whether a node was made by this module."""
    return node.GetAttribute("NExpR.Version") is not None


def recordProvenance(
    inputVolume: slicer.vtkMRMLScalarVolumeNode,
    outputNode: slicer.vtkMRMLNode,
    settings: Settings,
    job: UpsamplingJob,
    regionPlan: RegionPlan,
    box: Box | None,
) -> None:
    """Say in the attributes of a node how it was computed, and nothing of an earlier run.

    :param job: that computed it.
    :param regionPlan: how.
    :param box: voxels of the input that were super-resolved, None for all.
    """
    card, slicesCard = job.card, job.slicesCard
    plan, measured = regionPlan.result, regionPlan.measuredMm
    rows, columns = plan.plane_axes
    attributes = {
        "Version": NExpRLib.__version__,
        "Model": card.get("name", settings.model),
        "ModelSHA256": card.get("sha256", ""),
        "InputVolume": inputVolume.GetName(),
        "Plane": settings.plane,
        "Scale": " x ".join(f"{scale:.6g}" for scale in plan.scale),
        "DataConsistency": str(settings.dataConsistency).lower(),
        "NoiseReduction": f"{settings.noiseReduction:.6g}",
        "MeasuredPixels": f"{measured[columns]:.6g} x {measured[rows]:.6g} mm",
    }
    if box is not None:
        attributes["Region"] = str(box)
    if slicesCard is not None:
        thickness = settings.thicknessIn(plan) or measured[plan.slice_axis]
        attributes |= {
            "SlicesModel": slicesCard.get("name", ""),
            "SlicesModelSHA256": slicesCard.get("sha256", ""),
            "Spacing": f"{plan.geometry.spacing[plan.slice_axis]:.6g} mm",
            "Thickness": f"{thickness:.6g} mm",
        }
    with slicer.util.NodeModify(outputNode):
        _removeAttributes(outputNode, "NExpR.")
        for name, value in attributes.items():
            outputNode.SetAttribute(f"NExpR.{name}", value)
    if outputNode.GetScene() is not None and outputNode.IsA("vtkMRMLVolumeNode"):
        rememberInput(outputNode, inputVolume)


def _removeAttributes(node: slicer.vtkMRMLNode, prefix: str) -> None:
    for name in node.GetAttributeNames():
        if name.startswith(prefix):
            node.RemoveAttribute(name)
