"""Finer pixels within the slices: each slice is encoded once and drawn, batch by batch, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ..allocator import return_freed_memory
from ..function.samples import Samples
from ..intensity import to_dtype
from ..kspace import enforce_data_consistency, kspace_crop
from ..measured_slice import MeasuredSlice
from ..memory import TILE, is_out_of_memory
from .checks import check_range
from .measured_grid import MeasuredGrid

if TYPE_CHECKING:
    from ..model import Model

# Larger batches are slower on a CPU: what one layer hands to the next leaves its caches.
_PIXELS_PER_BATCH = {"cpu": 120_000, "mps": 2**19, "cuda": 2**21}
_SMALLER_TILES = (256, 128)
# Output pixels per input pixel up to which the batches above fit into memory; larger scales take smaller batches.
_OUTPUT_PER_INPUT = 16


def refine_slices(
    slices: np.ndarray,
    result: np.ndarray,
    model: Model,
    rows: Samples,
    columns: Samples,
    *,
    grid: MeasuredGrid | None = None,
    periodic: bool = False,
    data_consistency: bool = False,
    noise_reduction: float = 0.0,
    noise: float = 0.0,
    offset: float = 0.0,
    progress: Callable[[float], None] | None = None,
    batch_size: int | None = None,
) -> None:
    """Draw slices anew; the result does not depend on how they are batched or tiled.

    >>> from NExpRLib import load_model
    >>> slices, result = np.full((2, 8, 8), 7, np.int16), np.zeros((2, 16, 12), np.int16)
    >>> refine_slices(slices, result, load_model("mri-fast", "cpu"), Samples.over(8, 16), Samples.over(8, 12))
    >>> bool((result == 7).all())
    True

    :param slices: (n, h, w), real numbers.
    :param result: (n, H, W), to be filled; integers are rounded and saturated.
    :param model: loaded :class:`NExpRLib.model.Model`.
    :param rows, columns: H and W samples, in pixel indices of the slices.
    :param grid: what was measured of the slices; the network sees them on it. As they are stored, if left out.
    :param periodic: the slices continue periodically.
    :param data_consistency: replace the measured band of k-space of each slice by that of the input.
    :param noise_reduction: how much of the noise is removed, from 0 to 1.
    :param noise: its standard deviation, in the intensities of the slices.
    :param offset: added to the result.
    :param progress: called as ``progress(fraction)`` after every batch; it may raise to cancel.
    :param batch_size: slices per batch; by default as many as suit the device.
    :raises ValueError: for intensities that are too large to compute with, or too far apart.
    :raises MemoryError: when not even a small tile fits into memory.
    """
    low, high = (float(value) for value in model.intensity_range(slices))
    check_range(low, high)
    grid = grid or MeasuredGrid(slices.shape[1:], slices.shape[1:], margin=0)
    on_grid = [along.seen_from(of) for along, of in zip((rows, columns), grid.samples)]
    options = {"periodic": periodic, "noise_reduction": noise_reduction, "noise": noise / (high - low)}
    batches = _Batches(model, grid.shape, result.shape[1:], batch_size)
    done = 0
    while done < len(slices):
        batch = slices[done : done + batches.size]
        try:
            # No name for the functions of the slices: their memory serves the next batch.
            values = _drawn(batches.represent(grid.resample(batch), (low, high), options), *on_grid)
            values.mul_(high - low).add_(low + offset)
            if data_consistency:
                values = _consistent(values, batch, rows, columns, grid, periodic)
            if not values.isfinite().all():
                raise ValueError(
                    f"Intensities from {slices.min():g} to {slices.max():g} are too far apart: scale them."
                )
            values = to_dtype(values, result.dtype)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            batches.reduce(error)
            values = None
        if values is None:  # Not before: the error holds what was computed until it failed.
            return_freed_memory()
            continue
        result[done : done + len(batch)] = values
        done += len(batch)
        if progress is not None:
            progress(done / len(slices))


def _drawn(image, rows, columns):
    """Values (b, H, W) from 0 to 1, float64 tensor, on the model's device where that has float64."""
    values = image.rasterize(rows=rows, columns=columns)[:, 0]
    # In float64: far from zero, float32 would lose the small differences between intensities. MPS has no float64.
    return (values.cpu() if values.is_mps else values).double()


def _consistent(values, batch, rows, columns, grid, periodic):
    import torch  # Loaded already, since the values are a tensor.

    values = values.cpu().numpy()
    for value, measured in zip(values, batch.astype(np.float64)):
        if periodic or grid.measured != grid.stored:
            value[:] = with_measured_band(value, measured, rows, columns, grid)
        else:
            value[:] = MeasuredSlice.of(measured).kept_by(value, rows, columns)
    return torch.from_numpy(values)


def with_measured_band(
    values: np.ndarray, pixels: np.ndarray, rows: Samples, columns: Samples, grid: MeasuredGrid
) -> np.ndarray:
    """A result (H, W) with the band of k-space that was measured of a slice (h, w) instead of its own.

    >>> along, grid = Samples.over(4, 8), MeasuredGrid((4, 4), (4, 4), margin=0)
    >>> float(with_measured_band(np.zeros((8, 8)), np.ones((4, 4)), along, along, grid).round(6).min())
    1.0

    :param rows, columns: H and W samples over the whole slice, in its pixel indices; on the field-of-view grid along
        axes that do not continue periodically.
    """
    shares = [m / n for n, m in zip(grid.stored, grid.measured)]
    first = rows.first * shares[0], columns.first * shares[1]
    height, width = values.shape
    size = list(grid.measured)
    for axis, continues in enumerate(grid.continues):
        if not continues:  # Both are mirrored at the border of the slice, where nothing jumps then.
            values, pixels = (np.concatenate([each, np.flip(each, axis)], axis) for each in (values, pixels))
            size[axis] *= 2
    return enforce_data_consistency(values, kspace_crop(pixels, size), first)[:height, :width]


class _Batches:
    """How much is encoded at once; less after memory ran out: smaller batches, then tiles, then the CPU."""

    def __init__(self, model, shape, output_shape, size):
        self._model = model
        pixels = max(shape[0] * shape[1], output_shape[0] * output_shape[1] // _OUTPUT_PER_INPUT)
        self.size = size or max(1, _PIXELS_PER_BATCH[model.device.type] // pixels)
        self._tile = TILE
        self._longest_side = max(shape)

    def represent(self, batch, intensity_range, options):
        """Functions of slices (b, h, w), from 0 to 1 where the slices are from low to high."""
        import torch  # Volumes can be checked without it.

        low, high = intensity_range
        inputs = torch.from_numpy((batch[:, None].astype(np.float64) - low) / (high - low))
        return self._model.represent(inputs, (0.0, 1.0), self._tile, **options)

    def reduce(self, error):
        smaller_tiles = [t for t in _SMALLER_TILES if t < min(self._tile, self._longest_side)]
        if self.size > 1:
            self.size //= 2
        elif smaller_tiles:
            self._tile = smaller_tiles[0]
        elif self._model.device.type != "cpu":
            self._model = self._model.to("cpu")
        else:
            raise MemoryError("There is not enough memory for even a single slice.") from error
