"""Detection of damaged files that ITK reads or writes without an error.

When reading, ITK ignores the checksum of compressed NIfTI and MetaImage files and the length of NIfTI files: there are
zeros in place of what is missing. It turns NaN in NIfTI files into 0. When writing, it overlooks that the disk is full.
"""

import gzip
import math
import re
import struct
import zlib
from pathlib import Path

import numpy as np

_CHUNK = 1 << 22
_FLOATING_POINT = {16: "f4", 64: "f8"}
# The attribute that names the storage class, with those of CT (2) and MR (4) images, and of enhanced ones (.1).
_STORAGE_OF_IMAGES = re.compile(rb"\x02\0\x02\0UI..1\.2\.840\.10008\.5\.1\.4\.1\.1\.[24](\.1)?(?![\d.])", re.DOTALL)


def damage(path):
    """What is wrong with a NIfTI, MetaImage or NRRD file, unless ITK tells; empty if nothing is."""
    name = str(path).lower()
    try:
        if name.endswith((".nii", ".nii.gz")):
            with (gzip.open if name.endswith(".gz") else open)(path, "rb") as file:
                return _nifti_damage(file)
        if name.endswith((".mha", ".mhd")) and not _compressed_metaimage_is_complete(path):
            return "it is damaged or incomplete"
        if name.endswith(".nrrd") and not _compressed_nrrd_is_complete(path):
            return "it is damaged or incomplete"
    except (EOFError, OSError, zlib.error, struct.error):
        return "it is damaged or incomplete"
    return ""


def _nifti_damage(file):
    """Compare the voxels with the header, reading to the end so that gzip verifies its checksum."""
    header = file.read(348)
    order = "<" if struct.unpack_from("<i", header)[0] == 348 else ">"
    dimensions = struct.unpack_from(order + "8h", header, 40)
    datatype, bits = struct.unpack_from(order + "2h", header, 70)
    (offset,) = struct.unpack_from(order + "f", header, 108)
    missing = math.prod(max(1, n) for n in dimensions[1 : 1 + dimensions[0]]) * bits // 8
    file.read(int(offset) - len(header))
    voxel = _FLOATING_POINT.get(datatype)
    while chunk := file.read(_CHUNK):
        values = chunk[: max(0, missing)]
        if voxel and not np.isfinite(np.frombuffer(values, order + voxel, len(values) // int(voxel[1]))).all():
            return "it contains NaN or infinite voxels; replace them first"
        missing -= len(chunk)
    return "it is damaged or incomplete" if missing > 0 else ""


def _compressed_metaimage_is_complete(path):
    with open(path, "rb") as file:
        header = {}
        while b"ElementDataFile" not in header and (line := file.readline()):
            key, _, value = line.partition(b"=")
            header[key.strip()] = value.strip()
        if header.get(b"CompressedData", b"False").lower() != b"true":
            return True
        data_file = header.get(b"ElementDataFile", b"").decode(errors="replace")
        if data_file == "LOCAL":
            return _zlib_stream_is_complete(file)
    data_file = Path(path).parent / data_file
    if not data_file.is_file():  # ITK has read it: a list or a pattern of files.
        return True
    with open(data_file, "rb") as file:
        return _zlib_stream_is_complete(file)


def _compressed_nrrd_is_complete(path):
    with open(path, "rb") as file:
        fields = {}
        while line := file.readline().strip():
            key, _, value = line.partition(b":")
            fields[key.strip().lower()] = value.strip()
        if fields.get(b"encoding") not in (b"gzip", b"gz") or b"data file" in fields or b"datafile" in fields:
            return True
        return _zlib_stream_is_complete(file)


def is_dicom(path):
    """Whether a file begins as DICOM files do."""
    return _start_of_dicom(path) is not None


def is_dicom_image(path):
    """Whether a file says that it is a DICOM image of MR or CT, even if the rest of it is damaged."""
    start = _start_of_dicom(path)
    return start is not None and bool(_STORAGE_OF_IMAGES.search(start))


def _start_of_dicom(path):
    with open(path, "rb") as file:
        start = file.read(2048)
    return start if start[128:132] == b"DICM" else None


def _zlib_stream_is_complete(file):
    stream = zlib.decompressobj(zlib.MAX_WBITS | 32)
    while chunk := file.read(_CHUNK):
        stream.decompress(chunk)
    return stream.eof
