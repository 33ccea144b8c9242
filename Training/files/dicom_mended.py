"""The files of a DICOM series as dcm2niix is to see them: linked, or copied and mended."""

from functools import partial
from pathlib import Path

import numpy as np

from .dicom_headers import quiet_pydicom

# Philips' intercept and slope, RealWorldValueMappingSequence
_OTHER_SCALINGS = (0x2005100D, 0x2005100E, 0x00409096)


def prepare_files(files, stacks, folder):
    """Put the files of a series where dcm2niix finds them, under names of our own: linked, or copied and mended.

    dcm2niix splits series whose orientations, positions or study times differ a little, and takes small slopes for
    equal ones.

    :return: factor by which the intensities of its result are to be multiplied, and dcm2niix's option of scaling.
    """
    scalings = {scaling for file in files for scaling in file.scalings}
    largest = max(abs(slope) for slope, _intercept in scalings)
    scaled = len(scalings) > 1 and largest > 0
    single = all(len(file.frames) == 1 for file in files)
    # A power of two: no digit is lost.
    factor = 2.0 ** round(np.log2(largest)) if scaled and single and not 1e-3 < largest < 1e3 else 1.0
    jitter = any(stack is not None and not stack.exact for stack in stacks)
    mended = scaled or jitter or len({file.study for file in files}) > 1
    for index, file in enumerate(files):
        target = folder / f"{index:06d}.dcm"
        if mended and len(file.frames) == 1 and file.frames[0].position:
            stack = next(stack for stack in stacks if index in stack.files)
            mend = partial(_mend, file=file, stack=stack, factor=factor, study=files[0].study)
            _write_mended(file, mend, target)
        elif scaled and len(file.frames) > 1:
            _write_mended(file, _drop_other_scalings, target)
        else:
            _link(file.path, target)
    # "n": by the slope of every DICOM header rather than by Philips' own; it would ignore that slopes differ.
    return factor, "y" if scaled else "n"


def _write_mended(file, mend, target):
    import pydicom

    with quiet_pydicom():
        try:
            header = pydicom.dcmread(file.path, force=True)
            mend(header)
            header.save_as(target)
        except (MemoryError, OSError):
            raise
        except Exception:  # pydicom raises whatever its parts raise when values make no sense.
            raise ValueError(f"the header of {Path(file.path).name} is damaged") from None


def _mend(header, file, stack, factor, study):
    if "ImagePositionPatient" in header:
        across, down, normal = stack.axes.T
        position = np.array(file.frames[0].position)
        place = round(float((position - stack.origin) @ normal) / stack.spacing[2]) if stack.shape[0] > 1 else 0
        position = stack.origin + place * stack.spacing[2] * normal
        header.ImagePositionPatient = [f"{x:.10g}" for x in position]
        header.ImageOrientationPatient = [f"{x:.10g}" for x in (*across, *down)]
        header.pop("GantryDetectorTilt", None)
    header.StudyDate, header.StudyTime = study
    ((slope, intercept),) = file.scalings
    for groups in _functional_groups(header):
        groups.pop("PixelValueTransformationSequence", None)
    header.RescaleSlope, header.RescaleIntercept = f"{slope / factor:.10g}", f"{intercept / factor:.10g}"
    _drop_other_scalings(header)


def _drop_other_scalings(header):
    """Those of Philips and those to real-world values, which dcm2niix would prefer."""

    def drop(dataset, element):
        if element.tag in _OTHER_SCALINGS:
            del dataset[element.tag]

    for tag in _OTHER_SCALINGS:
        header.pop(tag, None)
    for groups in _functional_groups(header):
        groups.walk(drop)


def _functional_groups(header):
    names = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
    return [groups for name in names for groups in header.get(name) or ()]


def _link(source, target):
    try:
        target.symlink_to(Path(source).resolve())
    except OSError:  # where links are not allowed
        target.write_bytes(Path(source).read_bytes())
