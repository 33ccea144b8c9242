"""The module's parameters, stored in the scene."""

from pathlib import Path
from typing import Annotated

from slicer import vtkMRMLScalarVolumeNode
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper

from .Choices import Device, ModelChoice, Plane, TargetMode


def forgetUnknownChoices(node):
    """Unset choices that only another version of the module knows: reading the node would fail.

    :param node: vtkMRMLScriptedModuleNode.
    """
    for name, choices in {"model": ModelChoice, "targetMode": TargetMode, "plane": Plane, "device": Device}.items():
        if node.HasParameter(name) and node.GetParameter(name) not in choices.__members__:
            node.UnsetParameter(name)


@parameterNodeWrapper
class NExpRSlicerParameterNode:
    """
    The parameters needed by the module.

    inputVolume - The volume to super-resolve.
    outputVolume - The super-resolved volume. If none is chosen, a new volume is created.
    model - The trained model.
    modelPath - Folder or file of the model, if model is FILE.
    targetMode - How the output grid is named.
    scale - Number of output pixels per input pixel along rows and columns, if targetMode is SCALE.
    spacing - Output pixel spacing in mm, if targetMode is SPACING.
    plane - The plane that is refined; the direction across it is left as it is.
    device - Where slices are encoded.
    dataConsistency - Keep the measured spatial frequencies of each slice exactly.
    livePreview - Show the current slice super-resolved in its slice view.
    liveZoom - Compute the visible part of the slice for every screen pixel.
    inferredDetail - Show what the network added instead of the result.
    """

    inputVolume: vtkMRMLScalarVolumeNode
    outputVolume: vtkMRMLScalarVolumeNode
    model: ModelChoice = ModelChoice.MRI
    modelPath: Path = Path()
    targetMode: TargetMode = TargetMode.SCALE
    scale: Annotated[float, WithinRange(1, 8)] = 2
    spacing: Annotated[float, WithinRange(0.01, 10)] = 0.5
    plane: Plane = Plane.AUTO
    device: Device = Device.AUTO
    dataConsistency: bool = False
    livePreview: bool = False
    liveZoom: bool = False
    inferredDetail: bool = False
