"""What DICOM files say of themselves: the facts by which they are sorted into volumes. Read with pydicom."""

import contextlib
import logging
import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

_READ = (
    "SOPClassUID",
    "SOPInstanceUID",
    "SeriesInstanceUID",
    "Modality",
    "ImageType",
    "SeriesNumber",
    "InstanceNumber",
    "SeriesDescription",
    "ProtocolName",
    "AcquisitionTime",
    "Rows",
    "Columns",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "BitsAllocated",
    "PixelRepresentation",  # In implicit VR, the type of PixelPaddingValue is that of the pixels.
    "NumberOfFrames",
    "PixelSpacing",
    "ImagerPixelSpacing",
    "NominalScannedPixelSpacing",
    "StudyDate",
    "StudyTime",
    "SliceThickness",
    "SpacingBetweenSlices",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "EchoTime",
    "EchoNumbers",
    "RescaleSlope",
    "RescaleIntercept",
    "PixelPaddingValue",
    "AcquisitionMatrix",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
    "PixelData",
    "FloatPixelData",
    "DoubleFloatPixelData",
)
_IMAGE_CLASSES = ("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.128")
_DIRECTORY = "1.2.840.10008.1.3.10"
_NOT_VOLUMES = {"RTDOSE": "radiotherapy dose", "SEG": "segmentation", "DICOMDIR": "index of a medium"}
_PIXELS = {"PixelData": None, "FloatPixelData": 32, "DoubleFloatPixelData": 64}


@dataclass(frozen=True)
class Frame:
    """Where one slice lies: all in mm, patient coordinates (LPS).

    :ivar position: of the center of the first pixel.
    :ivar across, down: unit vectors along a row and along a column.
    :ivar spacing: between rows, between columns.
    """

    position: tuple
    across: tuple
    down: tuple
    spacing: tuple


@dataclass(frozen=True)
class DicomFile:
    """One DICOM file of a folder.

    :ivar series: its SeriesInstanceUID; empty where that cannot be read.
    :ivar frames: one per slice; empty where the file does not say where its slices lie.
    :ivar left_out: why no volume can be made of it although it is whole (``RT Structure Set Storage``).
    :ivar damage: what is wrong with it.
    :ivar mosaic: whether its slices are tiled in one picture.
    :ivar study: date and time of the study.
    :ivar scalings: slope and intercept of its intensities, once for all frames that have the same.
    :ivar padding: intensity that marks pixels without data.
    :ivar thickness, slice_spacing: of slices, mm, as announced.
    :ivar matrix: measured rows and columns along the frequency axis, then along the phase axis; 0 for the other one.
    """

    path: str
    series: str = ""
    identity: tuple = ()
    number: int = 0
    description: str = ""
    modality: str = ""
    shape: tuple = ()
    frames: tuple = ()
    kind: tuple = ()
    mosaic: bool = False
    study: tuple = ()
    scalings: tuple = ((1.0, 0.0),)
    padding: float | None = None
    thickness: float | None = None
    slice_spacing: float | None = None
    matrix: tuple = ()
    left_out: str = ""
    damage: str = ""


def is_dicom(path):
    """Whether a file is DICOM by its content, with or without the preamble of today's files."""
    with open(path, "rb") as file:
        start = file.read(132)
    if start[128:132] == b"DICM":
        return True
    # The first element of files without a preamble: group 8, an element of it, and an explicit or implicit length.
    group, element, length = start[:2], start[2:4], start[4:8]
    explicit = length[:2].isalpha() and length[:2].isupper()
    return group == b"\x08\0" and element[1:] == b"\0" and (explicit or length[1:] == b"\0\0\0")


def read_header(path):
    """The :class:`DicomFile` at a path. Whatever is wrong with it is said there; nothing is raised."""
    import pydicom

    path = str(path)
    with quiet_pydicom():
        try:
            return _facts(path, pydicom.dcmread(path, force=True, defer_size=4096, specific_tags=list(_READ)))
        except MemoryError:
            raise
        except Exception:  # pydicom raises whatever its parts raise when bytes make no sense.
            return DicomFile(path, damage="it is damaged or incomplete")


@contextlib.contextmanager
def quiet_pydicom():
    """pydicom neither warns nor logs, and takes values as they are."""
    import pydicom

    settings, logger = pydicom.config.settings, logging.getLogger("pydicom")
    before = settings.reading_validation_mode, settings.writing_validation_mode, logger.level
    settings.reading_validation_mode = settings.writing_validation_mode = pydicom.config.IGNORE
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        settings.reading_validation_mode, settings.writing_validation_mode = before[:2]
        logger.setLevel(before[2])


def _facts(path, header):
    sop_class = str(header.get("SOPClassUID") or header.file_meta.get("MediaStorageSOPClassUID") or "")
    modality = str(header.get("Modality") or "")
    series = str(header.get("SeriesInstanceUID") or "")
    known = {"path": path, "series": series, "modality": modality}
    if sop_class == _DIRECTORY:
        return DicomFile(**known, left_out=_NOT_VOLUMES["DICOMDIR"])
    pixels = next((name for name in _PIXELS if name in header), None)
    if pixels is None or not header.get("Rows") or not header.get("Columns"):
        if sop_class.removesuffix(".1") in _IMAGE_CLASSES and modality in ("", "MR", "CT", "PT"):
            return DicomFile(**known, damage="it is an image without pixels")
        return DicomFile(**known, left_out=_name_of_class(header, sop_class))
    if modality in _NOT_VOLUMES:
        return DicomFile(**known, left_out=_NOT_VOLUMES[modality])
    if int(header.get("SamplesPerPixel") or 1) != 1 or header.get("PhotometricInterpretation") == "PALETTE COLOR":
        return DicomFile(**known, left_out="color picture")
    damage = _damage_of_pixels(path, header, pixels)
    rows, columns = int(header.Rows), int(header.Columns)
    image_type = tuple(str(value) for value in header.get("ImageType") or ())
    mosaic = "MOSAIC" in image_type
    count = int(header.get("NumberOfFrames") or 1)
    grouped = header.get("PerFrameFunctionalGroupsSequence")
    shared = (header.get("SharedFunctionalGroupsSequence") or [None])[0]
    frames = ()
    if not mosaic and not damage:
        if grouped:
            frames = tuple(_frame(header, each, shared) for each in grouped)
        elif count == 1:
            frames = (_frame(header),)
        problem = next((frame for frame in frames if isinstance(frame, str)), "")
        if not frames:
            problem = f"it holds {count} frames and does not say where they lie"
        if grouped and len(frames) != count and not problem:
            damage = f"it announces {count} frames and describes {len(frames)}"
        if problem:
            return DicomFile(**known, left_out=problem)
    if grouped:
        groups = [_group("PixelValueTransformationSequence", header, each, shared) for each in grouped]
        scalings = tuple(dict.fromkeys(_scaling(group) for group in groups))
    else:
        scalings = (_scaling(header),)
    time, echo = header.get("AcquisitionTime"), header.get("EchoNumbers")
    number, instance = (int(_number(header, name) or 0) for name in ("SeriesNumber", "InstanceNumber"))
    position = frames[0].position if frames else ()
    return DicomFile(
        **known,
        identity=(str(header.get("SOPInstanceUID")), instance, position, str(time)),
        number=number,
        description=str(header.get("SeriesDescription") or header.get("ProtocolName") or ""),
        shape=(rows, columns),
        frames=frames,
        kind=(_number(header, "EchoTime"), str(echo), *(part for part in image_type if part in "PRI")),
        mosaic=mosaic,
        study=(str(header.get("StudyDate") or ""), str(header.get("StudyTime") or "")),
        scalings=scalings,
        padding=_padding(header, scalings),
        thickness=_number(header, "SliceThickness"),
        slice_spacing=_number(header, "SpacingBetweenSlices"),
        matrix=_numbers(header, "AcquisitionMatrix", 4) or (),
        damage=damage,
    )


def _frame(header, own=None, shared=None):
    """The :class:`Frame` of a file, or of one of its frames; what is wrong with it, as text."""
    measures = _group("PixelMeasuresSequence", header, own, shared)
    spacing = _numbers(measures, "PixelSpacing", 2)
    if spacing is None and own is None:
        others = (_numbers(header, name, 2) for name in ("ImagerPixelSpacing", "NominalScannedPixelSpacing"))
        spacing = next(filter(None, others), None)
    position = _numbers(_group("PlanePositionSequence", header, own, shared), "ImagePositionPatient", 3)
    orientation = _numbers(_group("PlaneOrientationSequence", header, own, shared), "ImageOrientationPatient", 6)
    if spacing is None or min(spacing) <= 0:
        return "it gives no valid pixel spacing (PixelSpacing)"
    if position is None and orientation is None and own is None:
        return Frame((), (), (), spacing)
    if position is None:
        return "it does not say where it lies (ImagePositionPatient)"
    if orientation is None:
        return "it does not say how it is oriented (ImageOrientationPatient)"
    across, down = np.array(orientation[:3]), np.array(orientation[3:])
    lengths = np.linalg.norm(across), np.linalg.norm(down)
    if max(abs(length - 1) for length in lengths) > 0.01 or abs(across @ down) > 0.01:
        return "its orientation makes no sense (ImageOrientationPatient)"
    across = across / lengths[0]
    down = down - (down @ across) * across
    return Frame(position, tuple(across.tolist()), tuple((down / np.linalg.norm(down)).tolist()), spacing)


def _group(sequence, header, own, shared):
    """Where a file says something of a frame: a functional group of its own or of all frames, else the header."""
    for place in (own, shared):
        if place is not None and place.get(sequence):
            return place.get(sequence)[0]
    return header


def _scaling(header):
    slope, intercept = _number(header, "RescaleSlope"), _number(header, "RescaleIntercept")
    return 1.0 if slope is None else slope, intercept or 0.0


def _padding(header, scalings):
    stored = _number(header, "PixelPaddingValue")
    if stored is None or len(scalings) > 1:
        return None
    ((slope, intercept),) = scalings
    return stored * slope + intercept


def _damage_of_pixels(path, header, name):
    """Whether the pixels are all there: what is stored against what the header announces."""
    element = header.get_item(name, keep_deferred=True)
    bits = _PIXELS[name] or int(header.get("BitsAllocated") or 0)
    if not 1 <= bits <= 64:
        return f"it announces pixels of {bits} bits"
    if element.length == 0xFFFFFFFF:  # compressed, in parts whose end pydicom has found
        return ""
    count = int(header.Rows) * int(header.Columns) * max(1, int(header.get("NumberOfFrames") or 1))
    where = element.value_tell if hasattr(element, "value_tell") else element.file_tell
    stored = element.length if element.value is None else len(element.value)
    if element.value is None and header.file_meta.get("TransferSyntaxUID") != "1.2.840.10008.1.2.1.99":
        stored = min(stored, os.path.getsize(path) - where)
    return "it is damaged or incomplete" if stored < count * bits // 8 else ""


def _name_of_class(header, sop_class):
    from pydicom.uid import UID

    name = UID(sop_class).name if sop_class else ""
    name = name.removesuffix(" Storage") if name and name != sop_class else "no image"
    return f"{name} without pixels" if name.endswith("Image") else name


def _number(header, name):
    numbers = _numbers(header, name, 1)
    return numbers and numbers[0]


def _numbers(header, name, count):
    """Finite numbers of an element, ``None`` where it does not hold that many."""
    try:
        values = header.get(name)
        values = np.atleast_1d(np.array(values, dtype=np.float64))
    except (TypeError, ValueError):
        return None
    return tuple(values.tolist()) if values.shape == (count,) and np.isfinite(values).all() else None


def readable(files):
    """``a.dcm, b.dcm and 12 more`` for some paths."""
    names = [Path(file).name for file in files]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
