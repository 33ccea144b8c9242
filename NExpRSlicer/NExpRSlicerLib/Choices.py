"""What the user chose for the selected volume: settings, and the plan that follows."""

from __future__ import annotations

from NExpRLib.volumes.plan import Plan

from .Acquisitions import acquisitionOf, headerFacts
from .Models import recognizes
from .Parameters import NExpRSlicerParameterNode, Settings, settingsFromParameterNode
from .Volumes import checkVolume, geometryOf, modalityOf


def settingsOf(parameterNode: NExpRSlicerParameterNode) -> Settings:
    """For the input volume, in which there is no problem."""
    inputVolume = parameterNode.inputVolume
    thickness = headerFacts(inputVolume).get("SliceThickness")
    return settingsFromParameterNode(parameterNode, geometryOf(inputVolume), modalityOf(inputVolume), thickness)


def planOf(parameterNode: NExpRSlicerParameterNode) -> tuple[Settings, Plan]:
    """Settings, and the plan for the whole input volume with what was recognized of it.

    :raises ValueError: if there is none, with the reason.
    """
    checkVolume(parameterNode.inputVolume)
    settings = settingsOf(parameterNode)
    acquisition = acquisitionOf(parameterNode.inputVolume) if recognizes(settings) else None
    return settings, settings.plan(geometryOf(parameterNode.inputVolume), acquisition)
