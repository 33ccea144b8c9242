"""MRML volumes as arrays and geometries of NExpRLib, and the other way round. All geometry is in RAS."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import vtk_to_numpy

from NExpRLib.volumes.geometry import Geometry
from NExpRLib.volumes.labels import are_labels
from NExpRLib.volumes.modality import has_air_of_ct
from NExpRLib.volumes.volume import Volume

_memory = {}  # (what, volume node ID): (time stamp of the voxels, answer)


def volumeProblem(volumeNode: object) -> str:
    """Why a node cannot be super-resolved and what to do instead; empty if it can."""
    if volumeNode is None:
        return _("Select an input volume.")
    if not isinstance(volumeNode, slicer.vtkMRMLNode):
        return _("{name} is not a volume: select a scalar volume.").format(name=volumeNode)
    name = volumeNode.GetName()
    if volumeNode.IsA("vtkMRMLSegmentationNode") or volumeNode.IsA("vtkMRMLLabelMapVolumeNode"):
        return _(
            "{name} holds labels, not intensities. Super-resolve the image volume, then resample the segmentation to "
            "the result in the Segment Editor (Specify geometry, with the result as source geometry)."
        ).format(name=name)
    if not volumeNode.IsA("vtkMRMLScalarVolumeNode"):
        return _("{name} is not a volume: select a scalar volume.").format(name=name)
    imageData = volumeNode.GetImageData()
    if imageData is None or 0 in imageData.GetDimensions() or imageData.GetPointData().GetScalars() is None:
        return _("{name} has no voxels: load or create its image first.").format(name=name)
    if not _spansSpace(ijkToRAS(volumeNode)):
        return _("{name} has no extent in space: correct its spacing and axes in the module Volumes first.").format(
            name=name
        )
    if imageData.GetNumberOfScalarComponents() != 1 or volumeNode.IsA("vtkMRMLTensorVolumeNode"):
        return _(
            "{name} has several values per voxel. Color and vector volumes: extract one of them with the module "
            "Vector to Scalar Volume first. Diffusion volumes: compute a scalar volume first."
        ).format(name=name)
    if voxelTypeOf(volumeNode) in (np.int64, np.uint64):
        # slicer.util.updateVolumeFromArray refuses such a result, or no view draws it.
        return _(
            "{name} has 64-bit integer voxels, which Slicer does not display: convert it to another type with the "
            "module Cast Scalar Volume first."
        ).format(name=name)
    return ""


def checkVolume(volumeNode: object) -> None:
    """:raises ValueError: if there is a volumeProblem(), which the message says."""
    problem = volumeProblem(volumeNode)
    if problem:
        raise ValueError(problem)


def defaultVolume() -> slicer.vtkMRMLScalarVolumeNode | None:
    """The volume that was loaded last if it can be super-resolved, or the first that can; None if none can."""
    selectionNode = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSelectionNode")
    active = slicer.mrmlScene.GetNodeByID(selectionNode.GetActiveVolumeID() or "") if selectionNode else None
    volumeNodes = [active, *slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")]
    return next((node for node in volumeNodes if not volumeProblem(node)), None)


def voxelTypeOf(volumeNode: slicer.vtkMRMLVolumeNode) -> np.dtype:
    """NumPy dtype of the voxels."""
    return vtk_to_numpy(volumeNode.GetImageData().GetPointData().GetScalars()).dtype


def modalityOf(volumeNode: slicer.vtkMRMLScalarVolumeNode) -> str:
    """DICOM's code of what kind of image a volume is: MR, CT, PT and so on; empty if nothing tells.

    It is known from DICOM, by the units, or by the intensities: only CT has much air near -1000.
    """
    hierarchy = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSubjectHierarchyNode")
    item = hierarchy.GetItemByDataNode(volumeNode) if hierarchy is not None else 0
    modality = hierarchy.GetItemAttribute(item, "DICOM.Modality") if item else ""
    if modality:
        return modality
    units = volumeNode.GetVoxelValueUnits()
    if units is not None:
        return "CT" if units.GetCodeValue() == "[hnsf'U]" else ""
    return "CT" if _seen(volumeNode, has_air_of_ct) else ""


def looksLikeLabels(volumeNode: slicer.vtkMRMLScalarVolumeNode) -> bool:
    """Whether the voxels are few integers in large regions, as far as some of the slices tell."""
    return _seen(volumeNode, are_labels)


def _seen(volumeNode: slicer.vtkMRMLScalarVolumeNode, look: Callable[[np.ndarray], bool]) -> bool:
    """What some slices of a volume look like: it is asked often, and about the selected volume."""
    key = (look.__qualname__, volumeNode.GetID())
    time = volumeNode.GetImageData().GetMTime()
    if _memory.get(key, (None, False))[0] != time:
        pixels = slicer.util.arrayFromVolume(volumeNode)
        if len(_memory) > 100:
            _memory.clear()
        # Every tenth of large slices at least: one alone may hold nothing but background.
        step = min(1 + pixels.size // 1_000_000, 1 + len(pixels) // 10)
        _memory[key] = time, look(pixels[::step])
    return _memory[key][1]


def geometryOf(volumeNode: slicer.vtkMRMLVolumeNode) -> Geometry:
    """Geometry of a volume node, in RAS, without parent transforms."""
    matrix = ijkToRAS(volumeNode)
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    size = volumeNode.GetImageData().GetDimensions()
    return Geometry(tuple(size), tuple(spacing.tolist()), tuple(matrix[:3, 3].tolist()), matrix[:3, :3] / spacing)


def ijkToRAS(volumeNode: slicer.vtkMRMLVolumeNode) -> np.ndarray:
    """4x4 array from voxel indices to the volume's own coordinates, without parent transforms."""
    matrix = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


def ijkToWorld(volumeNode: slicer.vtkMRMLVolumeNode) -> np.ndarray:
    """4x4 array from voxel indices to world coordinates, parent transforms included.

    :raises ValueError: if a parent transform is not linear, or not invertible.
    """
    transformNode = volumeNode.GetParentTransformNode()
    if transformNode is None:
        return ijkToRAS(volumeNode)
    toWorld = vtk.vtkMatrix4x4()
    if not transformNode.IsTransformToWorldLinear():  # Asked for the matrix, it would log a warning.
        raise ValueError(_("The input volume is under a nonlinear transform: harden the transform first."))
    transformNode.GetMatrixTransformToWorld(toWorld)
    matrix = slicer.util.arrayFromVTKMatrix(toWorld) @ ijkToRAS(volumeNode)
    if not _spansSpace(matrix):
        raise ValueError(_("The transform of the input volume cannot be inverted: correct it first."))
    return matrix


def _spansSpace(matrix: np.ndarray) -> bool:
    """Whether a 4x4 array can be inverted; what it moves to does not matter."""
    return bool(np.isfinite(matrix).all() and np.linalg.matrix_rank(matrix[:3, :3]) == 3)


def volumeOf(volumeNode: slicer.vtkMRMLVolumeNode) -> Volume:
    """A volume node as NExpRLib sees it, its voxels not copied."""
    return Volume(slicer.util.arrayFromVolume(volumeNode), geometryOf(volumeNode))


def displayLike(volumeNode: slicer.vtkMRMLVolumeNode, display: slicer.vtkMRMLVolumeDisplayNode) -> None:
    """Let a volume appear as the display node of another volume says."""
    ownDisplay = volumeNode.GetScalarVolumeDisplayNode()
    with slicer.util.NodeModify(ownDisplay):
        ownDisplay.CopyContent(display)
        # With the content, the connection to the other volume's voxels was copied: they would be kept in memory, and
        # automatic windows be theirs.
        ownDisplay.SetInputImageDataConnection(volumeNode.GetImageDataConnection())
        ownDisplay.SetAutoWindowLevel(False)
        ownDisplay.SetAndObserveColorNodeID(display.GetColorNodeID() or "")


def matrixOf(geometry: Geometry) -> np.ndarray:
    """4x4 array from voxel indices to coordinates; the inverse of geometryOf."""
    matrix = np.eye(4)
    matrix[:3, :3] = geometry.direction * geometry.spacing
    matrix[:3, 3] = geometry.origin
    return matrix


def setVolume(volumeNode: slicer.vtkMRMLVolumeNode, pixels: np.ndarray, matrix: np.ndarray) -> None:
    """Store voxels (k, j, i), and the 4x4 array from their indices to coordinates, in a volume node."""
    with slicer.util.NodeModify(volumeNode):
        volumeNode.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(matrix))
        slicer.util.updateVolumeFromArray(volumeNode, pixels)
