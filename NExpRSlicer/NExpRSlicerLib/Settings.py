"""What is computed, as plain values: the common language of panel, preview and Apply."""

from dataclasses import dataclass

from NExpRLib.volumes.geometry import slice_axis
from NExpRLib.volumes.plan import plan_upsampling

from .Choices import ModelChoice, TargetMode


@dataclass(frozen=True)
class Settings:
    """
    scale - Factor for rows and columns, or None.
    spacing - Pixel spacing in mm, or None. Exactly one of scale and spacing is given.
    plane - auto, axial, sagittal or coronal.
    model - Name of a model in the package, or path of a model's folder or of a file in it.
    device - auto, cuda, mps or cpu.
    """

    scale: float | None = None
    spacing: float | None = None
    plane: str = "auto"
    model: str = "mri"
    device: str = "auto"
    dataConsistency: bool = False

    def plan(self, geometry):
        """Plan for a volume, see NExpRLib.volumes.plan.plan_upsampling.

        :raises ValueError: if there is none, with the reason.
        """
        return plan_upsampling(geometry, scale=self.scale, spacing=self.spacing, plane=self.plane)


def settingsFromParameterNode(parameterNode, geometry):
    """Settings that the user chose for a volume of this geometry."""
    scale = spacing = None
    if parameterNode.targetMode == TargetMode.SCALE:
        scale = parameterNode.scale
    elif parameterNode.targetMode == TargetMode.SPACING:
        spacing = parameterNode.spacing
    else:
        across = slice_axis(geometry, parameterNode.plane.value)
        spacing = min(s for axis, s in enumerate(geometry.spacing) if axis != across)
    fromFile = parameterNode.model == ModelChoice.FILE
    return Settings(
        scale=scale,
        spacing=spacing,
        plane=parameterNode.plane.value,
        model=str(parameterNode.modelPath) if fromFile else parameterNode.model.value,
        device=parameterNode.device.value,
        dataConsistency=parameterNode.dataConsistency,
    )
