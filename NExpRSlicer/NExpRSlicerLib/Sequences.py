"""Volumes that are one frame of a sequence."""

from __future__ import annotations

from collections.abc import Iterable

import slicer

Sequence = tuple["slicer.vtkMRMLSequenceBrowserNode", "slicer.vtkMRMLSequenceNode"]


def sequenceOf(volumeNode: slicer.vtkMRMLVolumeNode) -> Sequence | None:
    """(browser node, sequence node) that replay frames through this volume node, or None."""
    for browserNode in slicer.util.getNodesByClass("vtkMRMLSequenceBrowserNode"):
        sequenceNode = browserNode.GetSequenceNode(volumeNode)
        if sequenceNode is not None:
            return browserNode, sequenceNode
    return None


def framesOf(sequence: Sequence) -> list[slicer.vtkMRMLVolumeNode]:
    """Volume nodes of all frames; they are not in the scene."""
    _browserNode, sequenceNode = sequence
    return [sequenceNode.GetNthDataNode(index) for index in range(sequenceNode.GetNumberOfDataNodes())]


def indexValuesOf(sequence: Sequence) -> list[str]:
    """Index values of all frames, such as times."""
    _browserNode, sequenceNode = sequence
    return [sequenceNode.GetNthIndexValue(index) for index in range(sequenceNode.GetNumberOfDataNodes())]


def currentFrame(sequence: Sequence, indexValues: list[str]) -> int:
    """Which of the frames with these index values is shown; the first if none of them is."""
    browserNode, sequenceNode = sequence
    if sequenceNode.GetNumberOfDataNodes() == 0:
        return 0
    indexValue = browserNode.GetMasterSequenceNode().GetNthIndexValue(browserNode.GetSelectedItemNumber())
    shown = max(0, sequenceNode.GetItemNumberFromIndexValue(indexValue, False))
    shownValue = sequenceNode.GetNthIndexValue(shown)
    return indexValues.index(shownValue) if shownValue in indexValues else 0


def addSequence(
    sequence: Sequence, frames: Iterable[tuple[str, slicer.vtkMRMLVolumeNode]], proxyNode: slicer.vtkMRMLVolumeNode
) -> slicer.vtkMRMLSequenceNode:
    """Add frames as a sequence that is replayed in step with the input, through the proxy node.

    If the proxy node already shows a sequence, its frames are replaced.

    :param sequence: of the input.
    :param frames: pairs of an index value and a volume node, which is not in the scene.
    :return: the sequence node.
    """
    browserNode, inputSequence = sequence
    previous = sequenceOf(proxyNode)
    if previous:
        browserNode, sequenceNode = previous
    else:
        sequenceNode = slicer.vtkMRMLSequenceNode()
        sequenceNode.SetName(proxyNode.GetName())
    with slicer.util.NodeModify(sequenceNode):  # Each event would show, and copy, a frame of every sequence.
        sequenceNode.RemoveAllDataNodes()
        sequenceNode.SetIndexName(inputSequence.GetIndexName())
        sequenceNode.SetIndexUnit(inputSequence.GetIndexUnit())
        sequenceNode.SetIndexType(inputSequence.GetIndexType())
        # Values that are closer than this are one frame.
        sequenceNode.SetNumericIndexValueTolerance(inputSequence.GetNumericIndexValueTolerance())
        for indexValue, frameNode in frames:
            sequenceNode.SetDataNodeAtValue(frameNode, indexValue)
    if not previous:
        slicer.mrmlScene.AddNode(sequenceNode)
        # This also synchronizes the sequence. Done before, it would create a proxy of its own.
        browserNode.AddProxyNode(proxyNode, sequenceNode, False)
    return sequenceNode
