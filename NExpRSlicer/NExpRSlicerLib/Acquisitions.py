"""What is known of how volumes were acquired: from the DICOM database, and recognized from the voxels."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache, partial

import slicer

from NExpRLib.volumes.acquisition import Acquisition, inspect_volume
from NExpRLib.volumes.sidecar import DICOM_TAGS, facts_of_elements
from NExpRLib.volumes.volume import Volume

from .Sequences import sequenceOf
from .Volumes import modalityOf, volumeOf, volumeProblem
from .Worker import Worker

_known: dict[tuple, Acquisition | None] = {}  # None where it could not be recognized
_KEPT = 50


def acquisitionOf(volumeNode: slicer.vtkMRMLScalarVolumeNode) -> Acquisition | None:
    """What the scanner measured of a volume; None where it is not known yet or cannot be recognized: as stored.

    The frames of a sequence are acquired alike: the first one tells.
    """
    return _known.get(_keyOf(volumeNode))


def recognize(volumeNode: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Recognize it now, which may take seconds."""
    recognizing(volumeNode)()


def recognizing(volumeNode: slicer.vtkMRMLScalarVolumeNode) -> Callable[[], Acquisition | None]:
    """A function that recognizes it unless it is known, and returns it; it can be called in any thread."""
    return partial(_recognized, _keyOf(volumeNode), volumeOf(_firstFrame(volumeNode)), headerFacts(volumeNode))


class Recognition:
    """Recognizes in the worker thread. All methods are called in the main thread.

    :ivar pending: whether a volume is looked at.
    """

    def __init__(self, worker: Worker, onDone: Callable[[], None]):
        self._worker, self._onDone = worker, onDone
        self.pending = False

    def request(self, volumeNode: slicer.vtkMRMLScalarVolumeNode) -> None:
        """Recognize what was measured of a volume, unless it is known; one volume at a time."""
        if _keyOf(volumeNode) not in _known and not self.pending:
            self.pending = True
            self._worker.submit(recognizing(volumeNode), self._done)

    def _done(self, _value: object, _error: BaseException | None) -> None:
        self.pending = False
        self._onDone()


def headerFacts(volumeNode: slicer.vtkMRMLScalarVolumeNode) -> dict:
    """What the DICOM database says of a volume that was loaded from it, under BIDS names."""
    uids = (volumeNode.GetAttribute("DICOM.instanceUIDs") or "").split()
    database = getattr(slicer, "dicomDatabase", None)
    # One that is not open yet would log an error for each element.
    facts = {}
    if uids and database is not None and database.isOpen:
        with suppress(LookupError):
            facts = _factsOf(uids[0])
    modality = modalityOf(volumeNode)
    return {**facts, **({"Modality": modality} if modality else {})}


@lru_cache(maxsize=_KEPT)
def _factsOf(uid: str) -> dict:
    """:raises LookupError: where the database knows nothing: it may be filled later."""
    database = slicer.dicomDatabase
    facts = facts_of_elements({tag: database.instanceValue(uid, tag.replace("|", ",")) for tag in DICOM_TAGS})
    if not facts:
        raise LookupError(uid)
    return facts


def _recognized(key: tuple, volume: Volume, facts: dict) -> Acquisition | None:
    if key not in _known:
        try:
            acquisition = inspect_volume(volume, facts)
        except ValueError:
            acquisition = None
        while len(_known) >= _KEPT:
            _known.pop(next(iter(_known)))
        _known[key] = acquisition
    return _known[key]


def _keyOf(volumeNode: slicer.vtkMRMLScalarVolumeNode) -> tuple:
    """Changes with the voxels, their spacing and the header; time stamps differ between all objects."""
    source = _firstFrame(volumeNode)
    image, facts = source.GetImageData(), repr(headerFacts(volumeNode))
    return image.GetMTime(), image.GetDimensions(), source.GetSpacing(), facts


def _firstFrame(volumeNode: slicer.vtkMRMLScalarVolumeNode) -> slicer.vtkMRMLScalarVolumeNode:
    """The volume node, or that of the first frame of its sequence if it has the same size."""
    sequence = sequenceOf(volumeNode)
    first = sequence[1].GetNthDataNode(0) if sequence else None
    if volumeProblem(first) or first.GetImageData().GetDimensions() != volumeNode.GetImageData().GetDimensions():
        return volumeNode
    return first
