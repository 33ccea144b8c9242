"""Apply: from the volume in the scene to a job without MRML, and from its results to volumes in the scene."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import slicer
from slicer.i18n import tr as _

from NExpRLib.volumes.box import Box
from NExpRLib.volumes.checks import check_memory
from NExpRLib.volumes.volume import Volume

from .Acquisitions import acquisitionOf, headerFacts
from .BackgroundRun import UpsamplingJob
from .Models import ModelCache
from .Output import copyContext, isResult, outputName, recordProvenance
from .Parameters import Settings
from .Sequences import addSequence, currentFrame, framesOf, indexValuesOf, sequenceOf
from .Volumes import checkVolume, geometryOf, ijkToRAS, matrixOf, setVolume, volumeOf


class ApplyRun:
    """One run. Create and finish it in the main thread; run its job in any thread. Only finish() changes the scene.

    :ivar inputVolume: volume node.
    :ivar job: computes the slices.
    """

    def __init__(
        self,
        inputVolume: slicer.vtkMRMLScalarVolumeNode,
        outputVolume: slicer.vtkMRMLScalarVolumeNode | None,
        settings: Settings,
        models: ModelCache,
        box: Box | None = None,
    ):
        """
        :param outputVolume: volume node to overwrite, or None for a new one.
        :param box: voxels to super-resolve; all, if left out.
        :raises ValueError: if the input cannot be super-resolved to the target, with what to do instead.
        """
        checkVolume(inputVolume)
        if not _inScene(inputVolume):
            raise ValueError(_("The input volume is not in the scene: add it first."))
        self._sequence = sequenceOf(inputVolume)
        if self._sequence and not indexValuesOf(self._sequence):
            self._sequence = None  # The volume is what is left of it.
        if outputVolume is not None:
            _checkOutput(outputVolume, inputVolume, self._sequence)
        self.inputVolume = inputVolume
        self._outputVolume = outputVolume
        self._settings = settings
        # All as it is now: the user may edit the sequence and move the volume while another thread computes.
        self._indexValues = indexValuesOf(self._sequence) if self._sequence else [None]
        volumeNodes = framesOf(self._sequence) if self._sequence else [inputVolume]
        volumes = [_checkedVolume(volumeNode) for volumeNode in volumeNodes]
        shown = geometryOf(inputVolume).size  # The box is of its voxels.
        if box is not None and any(volume.geometry.size != shown for volume in volumes):
            raise ValueError(
                _("The frames of the sequence differ in size from what is shown: choose the whole volume as region.")
            )
        self._box = box
        self._place = _place(inputVolume)
        self.job = UpsamplingJob(volumes, settings, models, acquisitionOf(inputVolume), headerFacts(inputVolume), box)
        largest = max(range(len(volumes)), key=lambda index: np.prod(self.job.plans[index].run.geometry.size))
        check_memory(self.job.plans[largest].run, volumes[largest].pixels.dtype, len(volumes))

    @property
    def inputPresent(self) -> bool:
        """Whether the input, and the sequence that it is a frame of, are still in the scene."""
        nodes = [self.inputVolume, *(self._sequence or ())]
        return all(_inScene(node) for node in nodes)

    def finish(self, results: list[Volume]) -> slicer.vtkMRMLScalarVolumeNode | None:
        """Bring the results of the job into the scene.

        :return: the output volume node, or None if the input was removed from the scene in the meantime.
        """
        if not self.inputPresent:
            return None
        current = currentFrame(self._sequence, self._indexValues) if self._sequence else 0
        added = []
        try:
            outputVolume = self._outputVolume
            if not self._outputUsable():
                name = outputName(self.inputVolume, self.job.plans[current].result)
                outputVolume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
                added.append(outputVolume)
            motion, transformNode = self._motion()
            setVolume(outputVolume, results[current].pixels, motion @ matrixOf(results[current].geometry))
            if self._sequence:
                frames = zip(self._indexValues, self._frameNodes(results))
                sequenceNode = addSequence(self._sequence, frames, outputVolume)
                self._recordProvenance(sequenceNode, current)
        except Exception:
            for node in added:
                slicer.mrmlScene.RemoveNode(node)
            raise
        copyContext(self.inputVolume, outputVolume, transformNode)
        self._recordProvenance(outputVolume, current)
        return outputVolume

    def _outputUsable(self) -> bool:
        """Whether the chosen output can still be overwritten: during the run it may have been put to another use."""
        if not _inScene(self._outputVolume):
            return False
        try:
            _checkOutput(self._outputVolume, self.inputVolume, self._sequence)
        except ValueError:
            return False
        return True

    def _motion(self) -> tuple[np.ndarray, slicer.vtkMRMLTransformNode | None]:
        """What happened to the input during the run, for example by hardening its transform.

        :return: 4x4 array that moves the result along, and its parent transform node or None.
        """
        before, now = self._place, _place(self.inputVolume)
        if self._sequence:  # The volume shows one frame after the other, and each has a place of its own.
            return np.eye(4), now.transformNode
        hardened = not before.linear and now.transformNode is not before.transformNode and now.voxels != before.voxels
        if hardened or now.size != before.size:  # Resampled or cropped: the result belongs where it was.
            return np.eye(4), before.transformNode if _inScene(before.transformNode) else None
        return now.matrix @ np.linalg.inv(before.matrix), now.transformNode

    def _recordProvenance(self, node: slicer.vtkMRMLNode, index: int) -> None:
        recordProvenance(self.inputVolume, node, self._settings, self.job, self.job.plans[index], self._box)

    def _frameNodes(self, results):
        for index, result in enumerate(results):
            volumeNode = slicer.vtkMRMLScalarVolumeNode()
            setVolume(volumeNode, result.pixels, matrixOf(result.geometry))
            self._recordProvenance(volumeNode, index)
            yield volumeNode


def _checkOutput(outputVolume, inputVolume, inputSequence) -> None:
    if outputVolume is inputVolume:
        raise ValueError(_("The output volume is the input volume: select another one, or none for a new volume."))
    if outputVolume.GetClassName() != "vtkMRMLScalarVolumeNode":
        raise ValueError(_("The output must be a scalar volume: select another one, or none for a new volume."))
    sequence = sequenceOf(outputVolume)
    # A single volume would be lost as soon as the sequence shows its next frame, and frames be replayed with those of
    # another input.
    if sequence and not (inputSequence and sequence[0] is inputSequence[0] and isResult(sequence[1])):
        raise ValueError(_("The output volume is a frame of another sequence: select another one, or none."))


def _checkedVolume(volumeNode) -> Volume:
    """A copy, because the user may change the volume while another thread computes."""
    checkVolume(volumeNode)
    volume = volumeOf(volumeNode)
    return replace(volume, pixels=volume.pixels.copy())


class _Place(NamedTuple):
    """Where a volume lies.

    :ivar voxels: time stamp of the voxels.
    :ivar size: their number along the axes.
    :ivar matrix: 4x4 array from their indices to the volume's own coordinates.
    :ivar transformNode: parent transform node or None.
    :ivar linear: whether that is linear.
    """

    voxels: int
    size: tuple
    matrix: np.ndarray
    transformNode: slicer.vtkMRMLTransformNode | None
    linear: bool


def _place(volumeNode) -> _Place:
    imageData, transformNode = volumeNode.GetImageData(), volumeNode.GetParentTransformNode()
    voxels, size = (imageData.GetMTime(), imageData.GetDimensions()) if imageData is not None else (0, ())
    linear = transformNode is None or bool(transformNode.IsTransformToWorldLinear())
    return _Place(voxels, size, ijkToRAS(volumeNode), transformNode, linear)


def _inScene(node) -> bool:
    return node is not None and slicer.mrmlScene.IsNodePresent(node)
