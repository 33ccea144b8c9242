"""NIfTI files (and FreeSurfer's .mgz), read and written by nibabel's rules for headers, affines and types.

Coordinates are LPS here, as in SimpleITK, and RAS in the file.
"""

import contextlib
import gzip
import io
import math
import warnings
import zlib
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from NExpRLib.volumes.geometry import at_right_angles
from NExpRLib.volumes.sidecar import set_sidecar

from .nifti_orientation import MILLIMETERS, affine_of
from .notes import add_note, read_sidecar
from .provenance import description

_LPS = np.diag([-1.0, -1.0, 1.0])
# What a result keeps of the header of its input: names of header fields.
_NUMBERS = ("cal_min", "cal_max", "intent_code", "intent_p1", "intent_p2", "intent_p3", "dim_info")
_OF_SLICES = ("slice_code", "slice_start", "slice_end", "slice_duration")
_TEXTS = ("descrip", "intent_name")
_KEPT = ("qform_code", "sform_code", "xyzt_units", "toffset", *_NUMBERS, *_OF_SLICES, *_TEXTS)
_STEP = "pixdim[4]"  # of a series, in the unit of the header
_SECONDS = {16: 1e-3, 24: 1e-6}  # by the unit code of the header: milliseconds, microseconds
_INTEGERS = (np.int16, np.uint16, np.int32, np.uint32, np.int64)
_GZIP = b"\x1f\x8b\x08"
# How NIfTI-1, NIfTI-2 and MGH begin.
_NOT_COMPRESSED = (*(n.to_bytes(4, order) for n in (348, 540) for order in ("little", "big")), b"\0\0\0\1")


def read_nifti(path):
    """Read a file as a SimpleITK image: 2D, 3D or 4D, scaled intensities, integers where those are.

    :param path: ``.nii``, ``.nii.gz``, either file of a pair ``.hdr``/``.img``, ``.mgh`` or ``.mgz``.
    :return: image; a BIDS sidecar beside the file, what is kept of the header, and notes are in its metadata.
    :raises ValueError: with what is wrong; the sentence is about "it".
    """
    path = str(path)
    with warnings.catch_warnings(), _quiet_nibabel():
        warnings.simplefilter("ignore")
        header, stored = _mgh(path) if path.lower().endswith((".mgh", ".mgz")) else _nifti(path)
        if hasattr(header, "get_affine"):
            affine, notes = header.get_affine(), []
        else:
            affine, (header["qform_code"], header["sform_code"]), notes = affine_of(header, stored.shape)
    stored = _without_single_axes(stored)
    if stored.ndim > 4:
        raise ValueError(
            f"its voxels hold vectors ({' x '.join(str(n) for n in stored.shape)} numbers): extract one component first"
        )
    image = _image(_intensities(header, stored), affine, stored.ndim, *_seconds(header))
    for name in _KEPT:
        if name in header.keys():
            value = header[name].item()
            image.SetMetaData(name, value.decode(errors="replace") if isinstance(value, bytes) else f"{value:.9g}")
    if stored.ndim == 4:
        if "pixdim" in header.keys():
            step = header["pixdim"][4]
        else:  # of MGH
            step = header["tr"] / 1000
            image.SetMetaData("xyzt_units", "10")  # mm and s
        image.SetMetaData(_STEP, f"{step if np.isfinite(step) else 1.0:.9g}")
    if facts := read_sidecar(_stem(path) + ".json"):
        set_sidecar(image, facts)
    for note in notes:
        add_note(image, note)
    return image


def write_nifti(image, path, like):
    """Write a SimpleITK image of 2, 3 or 4 dimensions, with what the metadata of another keeps of a NIfTI header."""
    import nibabel

    def kept(name, default=0.0):
        return float(like.GetMetaData(name)) if like.HasMetaDataKey(name) else default

    header = nibabel.Nifti1Header()
    voxels = sitk.GetArrayViewFromImage(image).T
    header.set_data_dtype(voxels.dtype)
    header.set_data_shape(voxels.shape)
    is_series = voxels.ndim == 4
    units = int(kept("xyzt_units", 2))  # mm
    millimeters = MILLIMETERS.get(units & 7, 1.0)
    affine = _affine_of(image)
    affine[:3] /= millimeters
    known = like.HasMetaDataKey("qform_code")
    qform, sform = (int(kept(name)) if known else 1 for name in ("qform_code", "sform_code"))
    header.set_qform(affine, qform)
    header.set_sform(affine, sform)
    if not (qform or sform):
        header["pixdim"][1:4] = np.linalg.norm(affine[:3, :3], axis=0)
    header["xyzt_units"] = units
    if is_series:
        header["pixdim"][4] = kept(_STEP, image.GetSpacing()[3])
    header["toffset"] = kept("toffset", image.GetOrigin()[3] if is_series else 0.0)
    of_slices = _OF_SLICES if _same_slices(image, like, int(kept("dim_info"))) else ()
    for name in (*_NUMBERS, *of_slices):
        header[name] = kept(name)
    descrip, intent_name = (like.GetMetaData(name) if like.HasMetaDataKey(name) else "" for name in _TEXTS)
    header["descrip"], header["intent_name"] = description(image, descrip).encode(), intent_name.encode()
    header["vox_offset"], header["magic"] = 352, b"n+1"
    header["scl_slope"], header["scl_inter"] = 1, 0
    opened = gzip.open(path, "wb", compresslevel=4) if str(path).lower().endswith(".gz") else open(path, "wb")
    with opened as file:
        file.write(header.binaryblock)
        file.write(b"\0" * 4)
        for volume in voxels.T.reshape(-1, *voxels.T.shape[-2:]):  # slice by slice: no second copy of everything
            file.write(np.ascontiguousarray(volume).data)


def drop_header(image):
    """Forget what the metadata of an image say of a NIfTI header: SimpleITK copies it into files of other formats."""
    for name in (*_KEPT, _STEP):
        image.EraseMetaData(name)


def _same_slices(image, like, dim_info):
    """Whether the slices of two images are the same, so that their order and times in a header hold for both."""
    across = (dim_info >> 4 & 3 or 3) - 1  # the third axis where the header does not say it
    if across >= min(image.GetDimension(), like.GetDimension()):
        return False
    same_count = image.GetSize()[across] == like.GetSize()[across]
    return same_count and math.isclose(image.GetSpacing()[across], like.GetSpacing()[across], rel_tol=1e-6)


def what_nifti_lacks(size, spacing, origin, direction):
    """Why NIfTI cannot hold a grid, empty if it can: the file has single precision and right angles."""
    if max(size) > 32767:
        return "NIfTI holds at most 32767 voxels along an axis"
    axes = np.reshape(direction, (len(spacing), len(spacing)))[:3, :3]
    if not at_right_angles(axes):
        return "the axes of the volume are not at right angles, which NIfTI cannot hold"
    steps = axes * spacing[:3]
    exact = np.column_stack([steps, origin[:3]])
    stored = exact.astype(np.float32).astype(np.float64)
    reach = np.array([*size[:3], 1])
    if (np.abs(stored - exact) @ reach).max() > 0.01 * min(spacing[:3]):
        return "NIfTI has single precision, too little for the position of this volume"
    return ""


def _nifti(path):
    """Header and stored numbers (x, y, z, ...) of a NIfTI file."""
    import nibabel

    lower = path.lower()
    first, second = path, path
    for ending, other in ((".hdr", ".img"), (".img", ".hdr")):
        for gz in ("", ".gz"):
            if lower.endswith(ending + gz):
                stem = path[: len(path) - len(ending + gz)]
                both = {ending: path, other: _existing(stem, other)}
                first, second = both[".hdr"], both[".img"]
    content = _content(first)
    start = content[:544]
    sizes = {int.from_bytes(start[:4], order): order for order in ("little", "big")}
    kind = nibabel.Nifti1Header if 348 in sizes else nibabel.Nifti2Header if 540 in sizes else None
    length = 348 if 348 in sizes else 540
    if kind is None or len(start) < length:
        raise ValueError("it is damaged, incomplete, or no NIfTI")
    header = kind(start[:length], endianness={"little": "<", "big": ">"}[sizes[length]], check=False)
    magic = header["magic"].item()[:2]
    if magic not in (b"n+", b"ni"):
        raise ValueError(
            "it is of the old format Analyze 7.5, which does not say where left is: convert it to NIfTI first"
        )
    for name in ("qform_code", "sform_code"):
        if not 0 <= header[name] <= 5:  # as nibabel does
            header[name] = 0
    dimensions = header["dim"].astype(int).tolist()
    if not 1 <= dimensions[0] <= 7 or any(n < 1 for n in dimensions[1 : 1 + dimensions[0]]):
        raise ValueError(f"its header makes no sense (dim = {dimensions})")
    shape = tuple(dimensions[1 : 1 + dimensions[0]])
    try:
        dtype = header.get_data_dtype()
    except Exception:
        raise ValueError(f"its header makes no sense (datatype = {header['datatype']})") from None
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        what = {"c": "complex numbers: upsample their magnitude", "V": "colors: upsample one channel at a time"}
        raise ValueError(f"its voxels are {what.get(dtype.kind, f'of the type {dtype}, which is not supported')}")
    offset = float(header["vox_offset"])
    if magic == b"ni":
        if first == second:
            raise ValueError("its voxels should be in another file (.img), but it is no pair of .hdr and .img")
        content = _content(second)
    elif not offset >= length:
        offset = math.nan
    if not 0 <= offset < 2**53 or offset != int(offset):
        raise ValueError(f"its header makes no sense (vox_offset = {header['vox_offset']})")
    if len(content) < int(offset) + math.prod(shape) * dtype.itemsize:
        raise ValueError("it is damaged or incomplete")
    stored = np.frombuffer(content, dtype, math.prod(shape), int(offset)).reshape(shape, order="F")
    return header, stored


def _mgh(path):
    import nibabel

    content = _content(path)
    try:
        holder = nibabel.FileHolder(fileobj=io.BytesIO(content))
        image = nibabel.MGHImage.from_file_map({"image": holder})
        return image.header, np.asarray(image.dataobj)
    except MemoryError:
        raise
    except Exception:  # nibabel raises whatever its parts raise when bytes make no sense.
        raise ValueError("it is damaged, incomplete, or no MGH") from None


def _content(path):
    """All bytes of a file, decompressed, with its checksum verified."""
    suffix = Path(path).suffix.lower()
    named_compressed = suffix in (".gz", ".mgz")
    try:
        with open(path, "rb") as file:
            start = file.read(4)
        if start.startswith(_GZIP) and not named_compressed:
            right = ".mgz" if suffix == ".mgh" else f"{suffix}.gz"
            raise ValueError(f"{Path(path).name} is compressed: its name should end in {right}")
        if start in _NOT_COMPRESSED and named_compressed:
            right = ".mgh" if suffix == ".mgz" else Path(path).with_suffix("").suffix
            raise ValueError(f"{Path(path).name} is not compressed: its name should end in {right}")
        if named_compressed:
            with gzip.open(path, "rb") as file:
                return file.read()
        return np.memmap(path, np.uint8, "r").data if start else b""
    except (EOFError, OSError, zlib.error):
        raise ValueError("it is damaged or incomplete") from None


def _existing(stem, ending):
    """The other file of a pair."""
    for candidate in (ending, ending.upper(), ending + ".gz"):
        with contextlib.suppress(OSError), open(stem + candidate, "rb"):
            return stem + candidate
    raise ValueError(f"the other file of the pair is missing ({ending})")


def _stem(path):
    for ending in (".nii.gz", ".hdr.gz", ".img.gz", ".nii", ".hdr", ".img", ".mgh", ".mgz"):
        if path.lower().endswith(ending):
            return path[: len(path) - len(ending)]
    return path


def _intensities(header, stored):
    try:
        slope, inter = header.get_slope_inter() if hasattr(header, "get_slope_inter") else (None, None)
    except Exception:
        said = f"scl_slope = {header['scl_slope']}, scl_inter = {header['scl_inter']}"
        raise ValueError(f"its scaling makes no sense ({said})") from None
    slope, inter = 1.0 if slope is None else float(slope), float(inter or 0.0)
    native = stored.dtype.newbyteorder("=")
    if native.kind == "f" and native.itemsize == 2:
        native = np.dtype(np.float32)
    if (slope, inter) == (1.0, 0.0):
        return stored.astype(native, copy=False)
    if native.kind in "iu" and slope == int(slope) and inter == int(inter) and max(abs(slope), abs(inter)) < 2**31:
        low, high = (int(value) * int(slope) + int(inter) for value in (stored.min(), stored.max()))
        low, high = min(low, high), max(low, high)
        for dtype in _INTEGERS:
            if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
                return (stored.astype(np.int64) * int(slope) + int(inter)).astype(dtype)
    single = native == np.float32 or native.itemsize <= 2
    return (stored * np.float64(slope) + inter).astype(np.float32 if single else np.float64)


def _without_single_axes(stored):
    """Without trailing axes of size 1 beyond the third."""
    while stored.ndim > 3 and stored.shape[-1] == 1:
        stored = stored[..., 0]
    return stored.reshape(-1, 1) if stored.ndim == 1 else stored


def _seconds(header):
    """From one volume of a series to the next, 1 where that is unknown, and when the first begins."""
    if "pixdim" not in header.keys():
        step, begin = header["tr"] / 1000, 0.0
    else:
        unit = _SECONDS.get(int(header["xyzt_units"]) & 56, 1.0)
        step, begin = header["pixdim"][4] * unit, header["toffset"] * unit
    return float(step) if 0 < step < math.inf else 1.0, float(begin) if math.isfinite(begin) else 0.0


def _image(voxels, affine, dimension, step, begin):
    """SimpleITK image of voxels (x, y, ...) whose affine is RAS; a fourth axis has these steps and begin."""
    steps, origin = _LPS @ affine[:3, :3], _LPS @ affine[:3, 3]
    spacing = np.linalg.norm(steps, axis=0)
    if not np.isfinite(spacing).all() or spacing.min() <= 0:
        raise ValueError("it does not say how large its voxels are")
    axes = steps / spacing
    if dimension == 2:
        in_plane = np.abs(axes[2, :2]).max() < 1e-4 and np.abs(axes[:2, 2]).max() < 1e-4 and abs(origin[2]) < 1e-4
        if not in_plane:  # A 2D image would lose where it lies: a volume of one slice does not.
            voxels, dimension = voxels[..., None], 3
    image = sitk.GetImageFromArray(np.ascontiguousarray(voxels.T), isVector=False)
    space = min(dimension, 3)
    direction = np.eye(dimension)
    direction[:space, :space] = axes[:space, :space]
    image.SetSpacing([*spacing[:space].tolist(), *[step] * (dimension - space)])
    image.SetOrigin([*origin[:space].tolist(), *[begin] * (dimension - space)])
    image.SetDirection(direction.ravel().tolist())
    return image


def _affine_of(image):
    """4 x 4, RAS, of a SimpleITK image of any dimension."""
    dimension = image.GetDimension()
    space = min(dimension, 3)
    affine = np.eye(4)
    axes = np.reshape(image.GetDirection(), (dimension, dimension))[:space, :space]
    affine[:space, :space] = axes * image.GetSpacing()[:space]
    affine[:space, 3] = image.GetOrigin()[:space]
    affine[:3] = _LPS @ affine[:3]
    return affine


@contextlib.contextmanager
def _quiet_nibabel():
    import logging

    logger = logging.getLogger("nibabel.global")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)
