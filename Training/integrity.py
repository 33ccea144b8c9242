"""Detection of damaged files that ITK reads without an error, with zeros in place of what is missing.

ITK ignores the checksum of compressed NIfTI and MetaImage files and the length of NIfTI files. NRRD is checked by ITK.
"""

import gzip
import math
import struct
import zlib

_CHUNK = 1 << 22


def is_complete(path):
    """Whether a NIfTI or MetaImage file holds all its voxels undamaged; ``True`` for other formats."""
    name = str(path).lower()
    try:
        if name.endswith(".nii.gz"):
            with gzip.open(path) as file:
                return _nifti_is_complete(file)
        if name.endswith(".nii"):
            with open(path, "rb") as file:
                return _nifti_is_complete(file)
        if name.endswith(".mha"):
            return _compressed_metaimage_is_complete(path)
    except (EOFError, OSError, zlib.error, struct.error):
        return False
    return True


def _nifti_is_complete(file):
    """Compare the length of the file with its header, reading to the end so that gzip verifies its checksum."""
    header = file.read(540)
    for order in "<>":
        if struct.unpack_from(order + "i", header)[0] == 348:
            dimensions = struct.unpack_from(order + "8h", header, 40)
            bits, offset = (
                struct.unpack_from(order + "h", header, 72)[0],
                struct.unpack_from(order + "f", header, 108)[0],
            )
            break
        if struct.unpack_from(order + "i", header)[0] == 540:
            dimensions = struct.unpack_from(order + "8q", header, 16)
            bits, offset = (
                struct.unpack_from(order + "h", header, 14)[0],
                struct.unpack_from(order + "q", header, 168)[0],
            )
            break
    else:
        return False
    expected = int(offset) + math.prod(max(1, n) for n in dimensions[1 : 1 + dimensions[0]]) * bits // 8
    length = len(header)
    while chunk := file.read(_CHUNK):
        length += len(chunk)
    return length >= expected


def _compressed_metaimage_is_complete(path):
    with open(path, "rb") as file:
        header = {}
        while b"ElementDataFile" not in header and (line := file.readline()):
            key, _, value = line.partition(b"=")
            header[key.strip()] = value.strip()
        if header.get(b"CompressedData", b"False").lower() != b"true" or header.get(b"ElementDataFile") != b"LOCAL":
            return True
        stream = zlib.decompressobj(zlib.MAX_WBITS | 32)
        while chunk := file.read(_CHUNK):
            stream.decompress(chunk)
        return stream.eof
