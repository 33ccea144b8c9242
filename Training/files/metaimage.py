"""MetaImage files, checked before ITK reads them.

ITK takes what the header says: it hangs or ends the process at some dimensions, ignores the checksum of compressed
voxels, and gives memory that nobody has written where CompressedDataSize is wrong.
"""

import contextlib
import math
import tempfile
import zlib
from pathlib import Path

_BYTES = {
    "MET_CHAR": 1,
    "MET_UCHAR": 1,
    "MET_SHORT": 2,
    "MET_USHORT": 2,
    "MET_INT": 4,
    "MET_UINT": 4,
    "MET_LONG": 4,
    "MET_ULONG": 4,
    "MET_LONG_LONG": 8,
    "MET_ULONG_LONG": 8,
    "MET_FLOAT": 4,
    "MET_DOUBLE": 8,
}
_LONGEST_HEADER = 1 << 16


@contextlib.contextmanager
def checked(path):
    """The path at which ITK reads the right voxels of a MetaImage file: its own, or of a mended copy; and notes.

    :raises ValueError: with what is wrong; the sentence is about "it".
    """
    header, start = _header(path)
    dimensions = _numbers(header, "NDims")
    if len(dimensions) != 1 or not 2 <= dimensions[0] <= 4 or dimensions[0] != int(dimensions[0]):
        raise ValueError(f"its header makes no sense, or it has not 2 to 4 dimensions (NDims = {header.get('NDims')})")
    sizes = _numbers(header, "DimSize")
    if len(sizes) != dimensions[0] or not all(1 <= n < 2**31 and n == int(n) for n in sizes):
        raise ValueError(f"its header makes no sense (DimSize = {header.get('DimSize')})")
    channels = _numbers(header, "ElementNumberOfChannels") or [1]
    kind = header.get("ElementType", "").removesuffix("_ARRAY")
    if kind not in _BYTES or not 1 <= channels[0] < 2**16:
        raise ValueError(f"its header makes no sense (ElementType = {header.get('ElementType')})")
    for name, count in (("ElementSpacing", 1), ("ElementSize", 1), ("TransformMatrix", dimensions[0])):
        values = _numbers(header, name)
        if name in header and (len(values) != count * dimensions[0] or not all(map(math.isfinite, values))):
            raise ValueError(f"its header makes no sense ({name} = {header[name]})")
        if name.startswith("Element") and any(value == 0 for value in values):
            raise ValueError(f"it does not say how large its voxels are ({name} = {header[name]})")
    if header.get("DistanceUnits") in ("um", "cm"):  # ITK ignores it.
        raise ValueError(
            f"its lengths are not in mm (DistanceUnits = {header['DistanceUnits']}): write them in mm first"
        )
    known = {"ElementSpacing", "ElementSize"} & header.keys()
    notes = [] if known else ["The file does not say how large its voxels are: they are taken for 1 mm."]
    compressed = header.get("CompressedData", "False").lower() in ("true", "1")
    data, where = path, start
    if header["ElementDataFile"].upper() != "LOCAL":
        data, where = Path(path).parent / header["ElementDataFile"], 0
        one_file = "%" not in data.name and header["ElementDataFile"].split()[0].upper() != "LIST"
        if (compressed or one_file) and not data.is_file():
            raise ValueError(f"its voxels are in the file {header['ElementDataFile']}, which is not there")
    if not compressed:
        yield path, notes
        return
    wanted = math.prod(int(n) for n in sizes) * int(channels[0]) * _BYTES[kind]
    used = _stream(data, where, wanted)
    if header.get("CompressedDataSize") == str(used):
        yield path, notes
        return
    with tempfile.TemporaryDirectory(prefix="nexpr-") as folder:
        yield _with_right_size(path, data, where, used, Path(folder, "in.mha")), notes


def _header(path):
    """The fields of a header, and where it ends."""
    fields = {}
    with open(path, "rb") as file:
        while "ElementDataFile" not in fields and file.tell() < _LONGEST_HEADER and (line := file.readline(4096)):
            key, equals, value = line.decode("latin-1").partition("=")
            if not equals:
                break
            fields[key.strip()] = value.strip()
        if not fields.get("ElementDataFile"):
            raise ValueError("it is damaged, incomplete, or no MetaImage")
        return fields, file.tell()


def _numbers(header, name):
    try:
        return [float(value) for value in header.get(name, "").split()]
    except ValueError:
        return []


def _stream(path, start, wanted):
    """Length of the compressed data, which must hold ``wanted`` bytes."""
    stream = zlib.decompressobj(zlib.MAX_WBITS | 32)
    size, position = 0, 0
    try:
        with open(path, "rb") as file:
            file.seek(start)
            while not stream.eof and size <= wanted and (chunk := file.read(1 << 20)):
                position += len(chunk)
                while chunk and size <= wanted:
                    size += len(stream.decompress(chunk, 1 << 24))
                    chunk = stream.unconsumed_tail
    except (OSError, zlib.error):
        raise ValueError("it is damaged or incomplete") from None
    if size != wanted or not stream.eof:
        raise ValueError("it is damaged or incomplete")
    return position - len(stream.unused_data)


def _with_right_size(path, data, start, used, copy):
    with open(path, "rb") as file, open(data, "rb") as voxels, open(copy, "wb") as target:
        while line := file.readline():
            key = line.partition(b"=")[0].strip()
            if key == b"ElementDataFile":
                break
            if key != b"CompressedDataSize":
                target.write(line)
        target.write(f"CompressedDataSize = {used}\nElementDataFile = LOCAL\n".encode())
        voxels.seek(start)
        target.write(voxels.read(used))
    return str(copy)
