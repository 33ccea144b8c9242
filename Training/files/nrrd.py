"""NRRD files, checked before ITK reads them: ITK ignores the end of compressed voxels and takes any header."""

import contextlib
import math
import re
import zlib
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from NExpRLib.volumes.sidecar import set_sidecar, sidecar_of

_CHUNK = 1 << 22
_LONGEST_HEADER = 1 << 20
# Micrometers may be written with a letter that is not ASCII.
_OTHER_LENGTH = re.compile(
    r'"\W*(([nucdk]|nano|micro|centi|deci|kilo)?m(et(er|re)s?)?|microns?|inch(es)?)"', re.ASCII | re.I
)


@contextlib.contextmanager
def checked(path):
    """The path of a NRRD file whose header makes sense and whose compressed voxels are all there, and notes.

    :raises ValueError: with what is wrong; the sentence is about "it".
    """
    fields, start = _header(path)
    sizes = fields.get("sizes", "").split()
    if not all(size.isdigit() and 0 < int(size) < 2**31 for size in sizes) or fields.get("dimension") != str(
        len(sizes)
    ):
        raise ValueError(f"its header makes no sense (sizes = {fields.get('sizes')})")
    lengths = _lengths(fields)
    if not all(length > 0 and math.isfinite(length) for length in lengths):
        said = fields.get("spacings") or fields.get("space directions")
        raise ValueError(f"it does not say how large its voxels are (spacings or space directions: {said})")
    if len(sizes) > 3 and any(name.startswith("dwmri_") for name in fields):
        raise ValueError(
            "it holds diffusion-weighted volumes, and the result would not have their gradients: convert it to NIfTI "
            "with .bval and .bvec files first"
        )
    for name in ("space units", "units"):
        if _OTHER_LENGTH.search(fields.get(name, "")):
            raise ValueError(f"its lengths are not in mm ({name}: {fields[name]}): write them in mm first")
    known = len(lengths) >= min(3, len(sizes))
    notes = [] if known else ["The file does not say how large its voxels are: they are taken for 1 mm."]
    data = fields.get("data file", fields.get("datafile", ""))
    if data and not data.startswith("LIST") and "%" not in data and not (Path(path).parent / data).is_file():
        raise ValueError(f"its voxels are in the file {data}, which is not there")
    if fields.get("encoding") in ("gzip", "gz") and not data:
        with open(path, "rb") as file:
            file.seek(start)
            _check_stream(file)
    yield path, notes


def list_as_series(image):
    """The 4D image of a list of volumes, such as a sequence of Slicer, which ITK reads as components of voxels.

    Other images are returned as they are.
    """
    kind = "NRRD_kinds[pixel]"
    if image.GetDimension() != 3 or not image.HasMetaDataKey(kind) or image.GetMetaData(kind) != "list":
        return image
    count = image.GetNumberOfComponentsPerPixel()
    volumes = [sitk.VectorIndexSelectionCast(image, number) for number in range(count)]
    series = sitk.JoinSeries(volumes, *_times(image))
    if facts := sidecar_of(image):
        set_sidecar(series, facts)
    return series


def _times(image):
    """When a sequence of Slicer begins, and the time to the next volume, in seconds; 0 and 1 where that is not even.

    Slicer numbers the axis of the list, which is the first or the last.
    """
    values = (image.GetMetaData(key) for axis in (0, 3) if image.HasMetaDataKey(key := f"axis {axis} index values"))
    unit = "NRRD_units[pixel]"
    milliseconds = image.HasMetaDataKey(unit) and image.GetMetaData(unit) == "ms"
    with contextlib.suppress(ValueError):
        times = np.array(next(values, "").split(), dtype=np.float64) * (1e-3 if milliseconds else 1)
        steps = np.diff(times)
        if len(steps) and steps[0] > 0 and np.allclose(steps, steps[0]):
            return float(times[0]), float(steps[0])
    return 0.0, 1.0


def _lengths(fields):
    """Lengths of voxels along the axes that have one."""
    with contextlib.suppress(ValueError):
        if "space directions" in fields:
            vectors = re.findall(r"\(([^)]*)\)", fields["space directions"])
            return [math.hypot(*(float(x) for x in vector.split(","))) for vector in vectors]
        if "spacings" in fields:
            values = [float(value) for value in fields["spacings"].split()]
            # Axes that are no space (time, channels) have no spacing.
            return [abs(v) for n, v in enumerate(values) if not (math.isnan(v) and n in (0, len(values) - 1))]
        return []
    return [math.nan]


def _header(path):
    """The fields of a header, and where it ends."""
    fields = {}
    with open(path, "rb") as file:
        if not file.readline(64).startswith(b"NRRD"):
            raise ValueError("it is damaged, incomplete, or no NRRD")
        while file.tell() < _LONGEST_HEADER and (line := file.readline(1 << 16).strip()):
            key, colon, value = line.decode("latin-1").partition(":")
            if colon and not line.startswith(b"#"):
                fields[key.strip().lower()] = value.strip()
        return fields, file.tell()


def _check_stream(file):
    stream = zlib.decompressobj(zlib.MAX_WBITS | 32)
    try:
        while not stream.eof and (chunk := file.read(_CHUNK)):
            while chunk:
                stream.decompress(chunk, 1 << 24)
                chunk = stream.unconsumed_tail
    except zlib.error:
        raise ValueError("it is damaged or incomplete") from None
    if not stream.eof:
        raise ValueError("it is damaged or incomplete")
