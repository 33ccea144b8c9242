"""Made DICOM files: one slice each unless frames are given."""

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

CLASSES = {
    "MR": "1.2.840.10008.5.1.4.1.1.4",
    "CT": "1.2.840.10008.5.1.4.1.1.2",
    "PT": "1.2.840.10008.5.1.4.1.1.128",
    "RTDOSE": "1.2.840.10008.5.1.4.1.1.481.2",
    "RTSTRUCT": "1.2.840.10008.5.1.4.1.1.481.3",
    "enhanced MR": "1.2.840.10008.5.1.4.1.1.4.1",
}
AXIAL = (1, 0, 0, 0, 1, 0)


def write_slice(path, pixels, position=(0, 0, 0), orientation=AXIAL, spacing=(1, 1), modality="MR", **elements):
    """Write a file and return its pydicom dataset; ``elements`` are set by keyword, ``None`` takes one away."""
    path.parent.mkdir(parents=True, exist_ok=True)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CLASSES[modality], generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=bytes(128))
    dataset.SOPClassUID, dataset.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    dataset.Modality = modality.removeprefix("enhanced ")
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.3", "1.2.3.4"
    dataset.StudyDate, dataset.StudyTime = "20260101", "120000"
    dataset.SeriesNumber, dataset.InstanceNumber = 1, 1
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND"]
    dataset.Rows, dataset.Columns = pixels.shape[-2:]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 8 * pixels.dtype.itemsize
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.PixelSpacing = [f"{x:.10g}" for x in spacing]
    dataset.ImagePositionPatient = [f"{x:.10g}" for x in position]
    dataset.ImageOrientationPatient = [f"{x:.10g}" for x in orientation]
    dataset.SliceThickness = "3"
    dataset.PixelData = np.ascontiguousarray(pixels).tobytes()
    for name, value in elements.items():
        if value is None:
            delattr(dataset, name)
        else:
            setattr(dataset, name, list(value) if isinstance(value, tuple) else value)
    dataset.save_as(path, enforce_file_format=True)
    return dataset


def write_series(folder, pixels, positions, **elements):
    """One file per slice; a list among the elements gives each slice its own value. Returns the folder."""
    for k, (slice_, position) in enumerate(zip(pixels, positions)):
        own = {name: value[k] if isinstance(value, list) else value for name, value in elements.items()}
        write_slice(folder / f"{k:03d}.dcm", slice_, position, **{"InstanceNumber": k + 1, **own})
    return folder


def group(**elements):
    """Elements as a functional group of an enhanced file has them."""
    item = Dataset()
    for name, value in elements.items():
        setattr(item, name, value)
    return Sequence([item])


def write_frames(path, pixels, positions, scalings=((1, 0),), more=(), spacing=(1.5, 1.2), number=1, **elements):
    """An enhanced MR file of several frames.

    :param scalings: slope and intercept of all frames, or of each.
    :param more: elements that each frame has besides, as triples for ``Dataset.add_new``.
    """
    scalings = [group(RescaleSlope=f"{a:g}", RescaleIntercept=f"{b:g}", RescaleType="US") for a, b in scalings]
    shared = Dataset()
    shared.PixelMeasuresSequence = group(PixelSpacing=[str(x) for x in spacing], SliceThickness="3")
    shared.PlaneOrientationSequence = group(ImageOrientationPatient=[str(x) for x in AXIAL])
    if len(scalings) == 1:
        shared.PixelValueTransformationSequence = scalings[0]
    frames = []
    for k, position in enumerate(positions):
        frame = Dataset()
        frame.PlanePositionSequence = group(ImagePositionPatient=[f"{x:.10g}" for x in position])
        frame.FrameContentSequence = group(StackID="1", InStackPositionNumber=k + 1, DimensionIndexValues=[1, k + 1])
        if len(scalings) > 1:
            frame.PixelValueTransformationSequence = scalings[k]
        for element in more:
            frame.add_new(*element)
        frames.append(frame)
    nothing = {"PixelSpacing": None, "ImagePositionPatient": None, "ImageOrientationPatient": None}
    return write_slice(
        path,
        pixels,
        modality="enhanced MR",
        InstanceNumber=number,
        NumberOfFrames=len(pixels),
        SharedFunctionalGroupsSequence=Sequence([shared]),
        PerFrameFunctionalGroupsSequence=Sequence(frames),
        SliceThickness=None,
        **nothing,
        **elements,
    )


def write_other(path, modality, series):
    """An object without pixels: a structure set, or an image that lost them."""
    nothing = dict.fromkeys(("PixelData", "Rows", "Columns", "BitsAllocated", "PixelSpacing"))
    return write_slice(path, np.zeros((4, 4), np.int16), modality=modality, SeriesInstanceUID=series, **nothing)
