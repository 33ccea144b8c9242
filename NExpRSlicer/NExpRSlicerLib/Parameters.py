"""The module's parameters: choices for people, how the scene stores them, and the plain values that they stand for."""

import enum
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from slicer import vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper

from NExpRLib.model_card import model_for, model_names, read_card, reduces_noise
from NExpRLib.volumes.acquisition import Acquisition, measured_sizes, thickness_across
from NExpRLib.volumes.checks import check_thickness
from NExpRLib.volumes.geometry import Geometry, slice_axis
from NExpRLib.volumes.plan import Plan, plan_upsampling, plane_axes

# As model: by what the volume is; the one in modelPath.
MODEL_AUTO = "auto"
MODEL_FROM_FOLDER = "file"


class TargetMode(enum.Enum):
    SCALE = "scale"
    SPACING = "spacing"
    SQUARE_PIXELS = "square pixels"
    ISOTROPIC = "isotropic"

    def label(self) -> str:
        labels = {
            TargetMode.SCALE: _("Scale factor"),
            TargetMode.SPACING: _("Pixel spacing"),
            TargetMode.SQUARE_PIXELS: _("Make in-plane isotropic"),
            TargetMode.ISOTROPIC: _("Isotropic volume"),
        }
        return labels[self]


class Plane(enum.Enum):
    AUTO = "auto"
    AXIAL = "axial"
    SAGITTAL = "sagittal"
    CORONAL = "coronal"

    def label(self) -> str:
        labels = {
            Plane.AUTO: _("Acquisition plane"),
            Plane.AXIAL: _("Axial"),
            Plane.SAGITTAL: _("Sagittal"),
            Plane.CORONAL: _("Coronal"),
        }
        return labels[self]


class MeasuredMode(enum.Enum):
    AUTO = "auto"
    STORED = "stored"
    SIZE = "size"

    def label(self) -> str:
        labels = {
            MeasuredMode.AUTO: _("Automatic"),
            MeasuredMode.STORED: _("As stored"),
            MeasuredMode.SIZE: _("Size in mm"),
        }
        return labels[self]


class Region(enum.Enum):
    WHOLE = "whole volume"
    VISIBLE = "visible part"

    def label(self) -> str:
        labels = {Region.WHOLE: _("Whole volume"), Region.VISIBLE: _("What the slice views show")}
        return labels[self]


class Device(enum.Enum):
    AUTO = "auto"
    CUDA = "cuda"
    MPS = "mps"
    CPU = "cpu"

    def label(self) -> str:
        labels = {
            Device.AUTO: _("Fastest available"),
            Device.CUDA: _("NVIDIA or AMD GPU (CUDA)"),
            Device.MPS: _("Apple GPU (MPS)"),
            Device.CPU: _("CPU"),
        }
        return labels[self]


@parameterNodeWrapper
class NExpRSlicerParameterNode:
    """
    The parameters needed by the module.

    inputVolume - The volume to super-resolve.
    outputVolume - The super-resolved volume. If none is chosen, a new volume is created.
    model - Name of a trained model in the package, MODEL_AUTO or MODEL_FROM_FOLDER.
    modelPath - Folder or file of the model, if model is MODEL_FROM_FOLDER.
    targetMode - How the output grid is named.
    scale - Number of output pixels per input pixel along rows and columns, if targetMode is SCALE.
    spacing - Output pixel spacing in mm, if targetMode is SPACING.
    isotropicSpacing - Side of the voxels in mm, if targetMode is ISOTROPIC; 0 for the finest measured pixel.
    thickness - Of the slices in mm, if targetMode is ISOTROPIC; 0 for that of the header, or the slice spacing.
    plane - The plane that is refined; the direction across it is left as it is.
    noiseReduction - Share of the noise to remove, in percent; of no effect with models that cannot.
    measuredMode - Which pixels the network sees, where the scanner stored more than it measured.
    measuredWidth, measuredHeight - Size of these in mm, if measuredMode is SIZE; 0 for the stored one.
    region - The part of the volume that is super-resolved.
    device - Where slices are encoded.
    dataConsistency - Keep the measured spatial frequencies of each slice exactly.
    livePreview - Show the current slice super-resolved in its slice view.
    liveZoom - Compute the visible part of the slice for every screen pixel.
    inferredDetail - Show what the network added instead of the result.
    """

    inputVolume: vtkMRMLScalarVolumeNode
    outputVolume: vtkMRMLScalarVolumeNode
    model: str = MODEL_AUTO
    modelPath: Path = Path()
    targetMode: TargetMode = TargetMode.SCALE
    scale: Annotated[float, WithinRange(1, 8)] = 2
    spacing: Annotated[float, WithinRange(0.01, 10)] = 0.5
    isotropicSpacing: Annotated[float, WithinRange(0, 10)] = 0
    thickness: Annotated[float, WithinRange(0, 30)] = 0
    plane: Plane = Plane.AUTO
    noiseReduction: Annotated[float, WithinRange(0, 100)] = 0
    measuredMode: MeasuredMode = MeasuredMode.AUTO
    measuredWidth: Annotated[float, WithinRange(0, 20)] = 0
    measuredHeight: Annotated[float, WithinRange(0, 20)] = 0
    region: Region = Region.WHOLE
    device: Device = Device.AUTO
    dataConsistency: bool = False
    livePreview: bool = False
    liveZoom: bool = False
    inferredDetail: bool = False


def forgetUnknownChoices(node) -> None:
    """Unset choices that only another version of the module knows: reading the node would fail.

    :param node: vtkMRMLScriptedModuleNode.
    """
    for name, choices in {
        "targetMode": TargetMode,
        "plane": Plane,
        "measuredMode": MeasuredMode,
        "region": Region,
        "device": Device,
    }.items():
        if node.HasParameter(name) and node.GetParameter(name) not in choices.__members__:
            node.UnsetParameter(name)
    stored = node.GetParameter("model")
    model = stored.lower().replace("_", "-")  # Versions before 0.2 stored MRI_FAST for mri-fast.
    if model not in (*model_names(), MODEL_AUTO, MODEL_FROM_FOLDER):
        node.UnsetParameter("model")
    elif model != stored:
        node.SetParameter("model", model)


@dataclass(frozen=True)
class Settings:
    """What is computed, as plain values: the common language of panel, preview and Apply.

    :ivar scale: factor for rows and columns, or None.
    :ivar spacing: pixel spacing in mm, or None. Exactly one of scale, spacing and isotropic is given.
    :ivar plane: auto, axial, sagittal or coronal.
    :ivar model: name of a model in the package, or path of a model's folder or of a file in it.
    :ivar device: auto, cuda, mps or cpu.
    :ivar isotropic: side of cubes in mm, or True for the finest measured pixel: the slice axis is refined, too.
    :ivar thickness: of the slices in mm, or None for that of the header.
    :ivar measured: auto (recognized), stored, or (rows, columns) in mm of the pixels that the network sees.
    :ivar slicesModel: auto (that of the modality of the model), or a model for stacks of slices.
    :ivar noiseReduction: share of the noise to remove, from 0 to 1.
    :ivar headerThickness: of the slices in mm, or None where the header does not tell.
    """

    scale: float | None = None
    spacing: float | None = None
    plane: str = "auto"
    model: str = "mri"
    device: str = "auto"
    dataConsistency: bool = False
    isotropic: bool | float | None = None
    thickness: float | None = None
    measured: str | tuple[float, float] = "auto"
    slicesModel: str = "auto"
    noiseReduction: float = 0.0
    headerThickness: float | None = None

    def plan(self, geometry: Geometry, acquisition: Acquisition | None = None) -> Plan:
        """Plan for a volume, see NExpRLib.volumes.plan.plan_upsampling.

        :param acquisition: what was recognized, for automatic measured pixels.
        :raises ValueError: if there is none, with the reason.
        """
        plan = plan_upsampling(
            geometry,
            scale=self.scale,
            spacing=self.spacing,
            isotropic=self.isotropic,
            plane=self.plane,
            measured=self.measuredSizes(geometry, acquisition),
        )
        thickness = self.thicknessIn(plan)
        if thickness is not None:
            check_thickness(thickness, geometry, plan)
        return plan

    def thicknessIn(self, plan: Plan) -> float | None:
        """Thickness of the slices in mm, where it is known; that of the header counts where a plan refines slices."""
        return self.thickness or (None if plan.through is None else self.headerThickness)

    def measuredSizes(self, geometry: Geometry, acquisition: Acquisition | None = None) -> tuple[int, ...]:
        """Measured pixels along each axis of a volume.

        :raises ValueError: for sizes in mm that make no sense.
        """
        return measured_sizes(geometry, self.measured, slice_axis(geometry, self.plane), acquisition)


def settingsFromParameterNode(
    parameterNode: NExpRSlicerParameterNode, geometry: Geometry, modality: str, thickness: float | None = None
) -> Settings:
    """Settings that the user chose for a volume of this geometry and modality.

    :param thickness: of its slices in mm, as the header says.
    """
    scale = spacing = isotropic = None
    across = slice_axis(geometry, parameterNode.plane.value)
    if parameterNode.targetMode == TargetMode.SCALE:
        scale = parameterNode.scale
    elif parameterNode.targetMode == TargetMode.SPACING:
        spacing = parameterNode.spacing
    elif parameterNode.targetMode == TargetMode.ISOTROPIC:
        isotropic = parameterNode.isotropicSpacing or True
    else:
        spacing = min(s for axis, s in enumerate(geometry.spacing) if axis != across)
    measured = parameterNode.measuredMode.value
    if parameterNode.measuredMode == MeasuredMode.SIZE:
        sizes = parameterNode.measuredHeight, parameterNode.measuredWidth
        measured = tuple(mm or geometry.spacing[axis] for mm, axis in zip(sizes, plane_axes(geometry, across)))
    model = parameterNode.model
    if model == MODEL_AUTO:
        model = model_for(modality)
    elif model == MODEL_FROM_FOLDER:
        model = str(parameterNode.modelPath)
    return Settings(
        scale=scale,
        spacing=spacing,
        plane=parameterNode.plane.value,
        model=model,
        device=parameterNode.device.value,
        dataConsistency=parameterNode.dataConsistency and isotropic is None,
        isotropic=isotropic,
        thickness=(parameterNode.thickness or None) if isotropic is not None else None,
        measured=measured,
        noiseReduction=_noiseReduction(parameterNode, model),
        headerThickness=thickness_across(parameterNode.plane.value, geometry, thickness),
    )


def _noiseReduction(parameterNode: NExpRSlicerParameterNode, model: str) -> float:
    """0 where the model cannot reduce noise or be read: its slider is hidden then."""
    try:
        possible = parameterNode.noiseReduction > 0 and reduces_noise(read_card(model))
    except ValueError:
        possible = False
    return parameterNode.noiseReduction / 100 if possible else 0.0
