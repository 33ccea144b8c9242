"""Upsampling of whole volumes: SimpleITK image in, SimpleITK image out."""

import numpy as np
import SimpleITK as sitk

from ..allocator import freed_memory_kept, return_freed_memory
from ..intensity import to_dtype
from ..kspace import enforce_data_consistency
from ..memory import TILE, available_memory, is_out_of_memory, memory_needed, readable_bytes
from .plan import Geometry, plan_target

# Larger batches are slower on a CPU: what one layer hands to the next leaves its caches.
_PIXELS_PER_BATCH = {"cpu": 120_000, "mps": 2**19, "cuda": 2**21}
_SMALLER_TILES = (256, 128)
# Output pixels per input pixel up to which the batches above fit into memory; larger scales take smaller batches.
_OUTPUT_PER_INPUT = 16


def upsample(
    image,
    scale=None,
    *,
    spacing=None,
    size=None,
    like=None,
    plane="auto",
    grid="fov",
    model="mri",
    data_consistency=False,
    device="auto",
    progress=None,
):
    """Super-resolve a volume in its acquisition plane, slice by slice, in bounded memory.

    Name the target by exactly one of ``scale``, ``spacing``, ``size`` or ``like``; see
    :func:`NExpRLib.volumes.plan.plan_target`.

    :param image: scalar SimpleITK image, 2D or 3D, of any integer or floating-point type.
    :param scale: factor, or (rows, columns) factors.
    :param spacing: in-plane spacing in mm, or (rows, columns).
    :param size: (rows, columns) of an output slice.
    :param like: SimpleITK image whose in-plane grid is taken over. Its samples outside the input's extent are set to
        the minimum of the input.
    :param plane: ``auto`` (the acquisition plane), ``axial``, ``sagittal``, ``coronal``, or the through-plane axis 0-2.
    :param grid: ``fov`` (physical extent preserved), or ``kspace`` (first sample stays in place, and slices continue
        periodically, as those do that were made from measured k-space).
    :param model: name of a model in the package, path of a model's folder, or a loaded :class:`NExpRLib.model.Model`
        (which keeps its own device).
    :param data_consistency: replace the measured band of k-space of each slice by that of the input.
    :param device: ``auto``, ``cuda``, ``mps`` or ``cpu``.
    :param progress: called as ``progress(fraction)`` after every batch of slices; it may raise to cancel.
    :return: image of the input's pixel type; integers are rounded and saturated. Through-plane geometry is untouched.
    :raises ValueError: for an image or a target that cannot be upsampled, with what to do instead.
    """
    for each in (image,) if like is None else (image, like):
        if not isinstance(each, sitk.Image):
            raise ValueError(f"A SimpleITK image is needed, from SimpleITK.ReadImage for a file, not {each!r:.80}.")
    geometry = geometry_of(image)
    pixels = checked_pixels(image)
    target = plan_target(
        geometry,
        scale=scale,
        spacing=spacing,
        size=size,
        like=None if like is None else geometry_of(like),
        plane=plane,
        grid=grid,
    )
    if data_consistency and like is not None:
        raise ValueError(
            "Data consistency needs a grid over the whole slice: name the target by scale, spacing or size."
        )
    check_memory(target, pixels.dtype)
    if isinstance(model, str) or not hasattr(model, "represent"):
        from ..model import load_model

        model = load_model(model, device)
    numpy_axis = 0 if target.slice_axis is None else geometry.dimension - 1 - target.slice_axis
    slices = pixels[None] if target.slice_axis is None else np.moveaxis(pixels, numpy_axis, 0)
    options = {"axis": numpy_axis, "data_consistency": data_consistency, "progress": progress}
    result = upsample_slices(slices, target, model, **options)
    output = sitk.GetImageFromArray(result[0] if target.slice_axis is None else np.moveaxis(result, 0, numpy_axis))
    output.SetSpacing(target.geometry.spacing)
    output.SetOrigin(target.geometry.origin)
    output.SetDirection(target.geometry.direction.ravel().tolist())
    return output


def upsample_slices(slices, target, model, *, axis=0, data_consistency=False, progress=None, batch_size=None):
    """Upsample an array of slices; the result does not depend on how they are batched or tiled.

    :param slices: array (n, h, w) of real numbers.
    :param target: :class:`NExpRLib.volumes.plan.Target`.
    :param model: loaded :class:`NExpRLib.model.Model`.
    :param axis: where the axis of the slices belongs in the volume: moving it there copies nothing.
    :param batch_size: slices per batch and per call of ``progress``; by default as many as suit the device.
    :return: array (n, H, W) of the dtype of ``slices``.
    :raises MemoryError: when not even a small tile fits into memory.
    """
    low, high = model.intensity_range(slices)
    if float(high) - float(low) > float(np.finfo(np.float32).max):
        raise ValueError(f"Intensities from {low:g} to {high:g} are too large to compute with: scale them down first.")
    shape = [*target.shape]
    shape.insert(axis, len(slices))
    result = np.moveaxis(np.empty(shape, dtype=slices.dtype), axis, 0)
    effort = _Effort(model, slices.shape[1:], target.shape, batch_size)
    try:
        with freed_memory_kept():
            _fill(result, slices, (low, high), target, effort, data_consistency, progress)
    finally:
        return_freed_memory()
    return result


def _fill(result, slices, intensity_range, target, effort, data_consistency, progress):
    """Upsample batch by batch."""
    outside = _outside(target, slices.shape[1:])
    lowest = None if outside is None else float(slices.min())
    done = 0
    while done < len(slices):
        batch = slices[done : done + effort.batch_size]
        try:
            values = _upsampled(batch, intensity_range, target, effort, data_consistency)
            if not values.isfinite().all():
                raise ValueError(
                    f"Intensities from {slices.min():g} to {slices.max():g} are too far apart: scale them."
                )
            if outside is not None:
                values.masked_fill_(values.new_tensor(outside, dtype=bool), lowest)
            values = to_dtype(values, slices.dtype)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            effort.reduce(error)
            values = None
        if values is None:  # Not before: the error holds what was computed until it failed.
            return_freed_memory()
            continue
        result[done : done + len(batch)] = values
        done += len(batch)
        if progress is not None:
            progress(done / len(slices))


def _upsampled(batch, intensity_range, target, effort, data_consistency):
    """Intensities (b, H, W) of slices (b, h, w): float64 tensor, on the model's device where that has float64."""
    import torch  # Volumes can be checked without it.

    low, high = intensity_range
    batch = batch[:, None].astype(np.float64)
    inputs = torch.from_numpy((batch - low) / (high - low))
    rows, columns = target.positions
    image = effort.model.represent(inputs, (0.0, 1.0), effort.tile, target.periodic)
    values = image.rasterize(rows=rows, columns=columns)[:, 0]
    # In float64: far from zero, float32 would lose the small differences between intensities. MPS has no float64.
    values = (values.cpu() if values.is_mps else values).double().mul_(high - low).add_(low)
    if data_consistency:
        values = torch.from_numpy(enforce_data_consistency(values.cpu().numpy(), batch[:, 0], target.first))
    return values


class _Effort:
    """How much is encoded at once; less after memory ran out: smaller batches, then tiles, then the CPU."""

    def __init__(self, model, shape, output_shape, batch_size):
        self.model = model
        pixels = max(shape[0] * shape[1], output_shape[0] * output_shape[1] // _OUTPUT_PER_INPUT)
        self.batch_size = batch_size or max(1, _PIXELS_PER_BATCH[model.device.type] // pixels)
        self.tile = TILE
        self.longest_side = max(shape)

    def reduce(self, error):
        smaller_tiles = [t for t in _SMALLER_TILES if t < min(self.tile, self.longest_side)]
        if self.batch_size > 1:
            self.batch_size //= 2
        elif smaller_tiles:
            self.tile = smaller_tiles[0]
        elif self.model.device.type != "cpu":
            self.model = self.model.to("cpu")
        else:
            raise MemoryError("There is not enough memory for even a single slice.") from error


def geometry_of(image):
    """:class:`NExpRLib.volumes.plan.Geometry` of a SimpleITK image."""
    dimension = image.GetDimension()
    direction = np.array(image.GetDirection()).reshape(dimension, dimension)
    return Geometry(image.GetSize(), image.GetSpacing(), image.GetOrigin(), direction)


def checked_pixels(image):
    """Pixels of an image that can be upsampled, as a NumPy view.

    :raises ValueError: for vector, complex, 4D, empty, non-finite and label images, with what to do instead.
    """
    if image.GetDimension() not in (2, 3):
        raise ValueError(f"The image has {image.GetDimension()} dimensions: split it into 3D volumes first.")
    if image.GetNumberOfComponentsPerPixel() != 1 or "label" in image.GetPixelIDTypeAsString():
        raise ValueError(
            f"The image holds {image.GetPixelIDTypeAsString()} pixels (color, vector or label map): "
            "upsample one scalar channel at a time."
        )
    if "complex" in image.GetPixelIDTypeAsString():
        raise ValueError("The image is complex: upsample its magnitude.")
    if 0 in image.GetSize():
        raise ValueError("The image is empty.")
    pixels = sitk.GetArrayViewFromImage(image)
    check_values(pixels)
    return pixels


def check_values(pixels):
    """Refuse pixels that are no intensities.

    :param pixels: array of real numbers.
    :raises ValueError: for non-finite values and label maps, with what to do instead.
    """
    if np.issubdtype(pixels.dtype, np.floating):
        bad = int(pixels.size - np.count_nonzero(np.isfinite(pixels)))
        if bad:
            raise ValueError(f"The image contains {bad} NaN or infinite voxels: replace them first.")
    elif _looks_like_labels(pixels):
        raise ValueError(
            "The image looks like a label map (few integer values in large uniform regions): resample it with nearest "
            "neighbor. If it does hold intensities, convert it to a floating-point type first."
        )
    if (value := _marker(pixels)) is not None:
        raise ValueError(
            f"The value {value:g} lies far beyond all others: it seems to mark voxels without data. Replace it first, "
            "for example by the lowest intensity."
        )


def check_memory(target, dtype, volumes=1):
    """Refuse a result, or several alike, that cannot fit into memory.

    :raises ValueError: with the memory that it would take.
    """
    needed = memory_needed(target, dtype, volumes)
    available = available_memory()
    if available is not None and needed > available:
        raise ValueError(
            f"The run to {' x '.join(str(n) for n in target.geometry.size)} voxels would take "
            f"{readable_bytes(needed)} of memory, of which {readable_bytes(available)} is available: "
            "choose a smaller scale, or crop the image."
        )


def _looks_like_labels(pixels):
    """Two integer values, or at most 256 of which the same lies in most neighboring pixels outside the background."""
    flat = pixels.reshape(-1)
    if flat.size < 64 or len(np.unique(flat[:: 1 + flat.size // 100_000])) > 256:
        return False
    values, counts = np.unique(flat, return_counts=True)
    if not 2 <= len(values) <= 256:
        return False
    foreground = flat != values[counts.argmax()]
    pairs = foreground[1:] | foreground[:-1]
    same = np.count_nonzero(pairs & (flat[1:] == flat[:-1]))
    return len(values) == 2 or same > 0.5 * np.count_nonzero(pairs)


def _marker(pixels):
    """A lowest or highest value so far beyond the values in between that float32 would lose them, or ``None``."""
    marker = max(pixels.min(), pixels.max(), key=lambda value: abs(float(value)))
    if abs(float(marker)) < 1e5:
        return None
    between = pixels[(pixels > pixels.min()) & (pixels < pixels.max())]
    # Single outliers, as in quantitative maps, are no part of the robust range.
    if between.size == 0 or between.size > 0.999 * pixels.size or between.min() == between.max():
        return None
    largest = max(abs(float(between.min())), abs(float(between.max())))
    return marker if abs(float(marker)) > 1000 * largest else None


def _outside(target, shape):
    """Mask of samples on the grid of a reference beyond the input's extent, or ``None`` when there are none."""
    if not target.of_reference:
        return None
    beyond = [(u < -0.5 - 1e-6) | (u > n - 0.5 + 1e-6) for u, n in zip(target.positions, shape)]
    mask = beyond[0][:, None] | beyond[1][None, :]
    return mask if mask.any() else None
