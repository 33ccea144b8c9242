"""Drawing on an NVIDIA GPU in two kernels, where Triton is present; otherwise operators are applied one by one."""

import math
import warnings
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch

from .rasterizer import axis_operators

try:
    import triton
    import triton.language as tl

    # Before version 3.3, what Triton compiled is called without the constants.
    _TAKES_CONSTANTS = tuple(map(int, triton.__version__.split(".")[:2])) >= (3, 3)
except Exception:  # Missing, or broken: images are drawn without it.
    triton = None

# Samples and numbers, or rows and columns, that one program computes.
_ALONG_COLUMNS = 32, 32
_ALONG_ROWS = 4, 128


@lru_cache(maxsize=1)
def gpu_kernels_work():
    """Whether the kernels can be built and run here: that takes an NVIDIA GPU, Triton and a C compiler."""
    if triton is None or not torch.cuda.is_available() or torch.version.hip:
        return False
    try:
        zeros = torch.zeros(1, 2, 2, device="cuda")
        starts = zeros.new_zeros(1, dtype=torch.int32)
        sample = _Samples(starts, starts, zeros[0], count=1, patch_width=2, first_patch_number=0, patch_numbers=2)
        _draw(zeros, zeros, sample, sample)
    except torch.cuda.OutOfMemoryError:
        raise
    except Exception as error:  # Compilers fail in many ways; without them results are the same.
        reason = str(error).strip().partition("\n")[0]
        text = f"The GPU kernels of NExpR cannot be built here; drawing goes on without them: {reason}"
        warnings.warn(text, stacklevel=2)
        return False
    return True


def draw_on_gpu(patches, pixels, along_rows, along_columns):
    """Slices (..., H, W) of an explicit image; gradients do not flow.

    :param patches, pixels: arranged coefficients, float32, see :class:`~.explicit_image.ExplicitImage`.
    :param along_rows, along_columns: target, axis and frequencies as :func:`~.rasterizer.axis_operators` takes them,
        the frequencies as bytes.
    """
    patches = patches.contiguous()
    pixels = patches if pixels is None else pixels.contiguous()
    return _draw(patches, pixels, _samples(*along_rows), _samples(*along_columns))


class _Samples(NamedTuple):
    """Samples along one axis as the kernels take them.

    :ivar starts: first patch number of each sample, then first pixel number of each: int32.
    :ivar starts_among_needed: the same among the numbers that are needed, those of the pixels after those of patches.
    :ivar weights: float32 (samples, those of patch numbers followed by those of pixel numbers).
    :ivar count: number of samples.
    :ivar patch_width, pixel_width: how many numbers a sample depends on.
    :ivar first_patch_number, patch_numbers: which of the numbers along the axis are needed; likewise of the pixels.
    """

    starts: object
    starts_among_needed: object
    weights: object
    count: int
    patch_width: int
    first_patch_number: int
    patch_numbers: int
    pixel_width: int = 0
    first_pixel_number: int = 0
    pixel_numbers: int = 0


def _samples(target, axis, frequencies):
    return (_made if isinstance(target, np.ndarray) else _kept)(target, axis, frequencies)


@lru_cache(maxsize=32)
def _kept(target, axis, frequencies):
    return _made(target, axis, frequencies)


def _made(target, axis, frequencies):
    starts, among_needed, weights, numbers = [], [], [], []
    before = 0
    for operator in axis_operators(target, axis._replace(dtype=np.dtype(np.float32), device=None), frequencies):
        if operator is None:
            continue
        groups, needed, (_, length, width) = operator.groups, operator.numbers, operator.weights.shape
        starts.append(np.repeat((groups.cells + 1) * operator.step, length)[groups.place])
        among_needed.append(starts[-1] - needed.start + before)
        weights.append(operator.weights.reshape(-1, width)[groups.place])
        numbers += [width, int(needed.start), int(needed.stop - needed.start)]
        before += numbers[-1]
    starts, among_needed = (torch.as_tensor(np.array(each), dtype=torch.int32) for each in (starts, among_needed))
    tensors = starts, among_needed, torch.from_numpy(np.concatenate(weights, axis=1))
    return _Samples(*(tensor.to(axis.device) for tensor in tensors), starts.shape[1], *numbers)


def _draw(patches, pixels, rows, columns):
    """(..., column numbers, row numbers) -> (..., H, W)."""
    *leading, _, _ = patches.shape
    slices, width = math.prod(leading), columns.count
    # Rows of a multiple of 16 samples are read in larger pieces.
    between = patches.new_empty(slices, rows.patch_numbers + rows.pixel_numbers, -(-width // 16) * 16)
    image = patches.new_empty(*leading, rows.count, width)
    samples, numbers = _ALONG_COLUMNS
    blocks = -(-rows.patch_numbers // numbers) + -(-rows.pixel_numbers // numbers)
    _launch(
        _along_columns,
        (blocks, -(-width // samples), slices),
        (
            *(between, patches, pixels, columns.starts, columns.weights),
            *(width, *patches.shape[-2:], *pixels.shape[-2:]),
            *(rows.first_patch_number, rows.patch_numbers, rows.first_pixel_number, rows.pixel_numbers),
        ),
        (columns.patch_width, columns.pixel_width, samples, numbers),
    )
    samples, pixels_per_row = _ALONG_ROWS
    _launch(
        _along_rows,
        (-(-width // pixels_per_row), -(-rows.count // samples), slices),
        (image, between, rows.starts_among_needed, rows.weights, rows.count, width, between.shape[1]),
        (rows.patch_width, rows.pixel_width, samples, pixels_per_row),
    )
    return image


_compiled = {}


def _launch(kernel, grid, arguments, constants):
    """Launch a kernel; from the second time on without Triton's search for the variant that fits the arguments, which
    takes longer than the kernel: types and alignment are the same every time."""
    key = kernel.__name__, constants, arguments[0].device.index
    compiled = _compiled.get(key)
    if compiled is not None:
        compiled[grid](*arguments, *constants)
        return
    compiled = kernel[grid](*arguments, *constants)
    if _TAKES_CONSTANTS:
        _compiled[key] = compiled


if triton is not None:

    @triton.jit
    def _weighted(
        data, stride, lanes, lane_mask, starts, weights, samples, sample_mask, FIRST: tl.constexpr,
        WIDTH: tl.constexpr, ALL: tl.constexpr,
    ):  # fmt: skip
        """For every sample and lane: the sum of WIDTH weighted rows of ``data`` from row ``starts``."""
        rows = data + starts.to(tl.int64)[:, None] * stride + lanes[None, :]
        mask = sample_mask[:, None] & lane_mask[None, :]
        weights += samples * ALL + FIRST
        total = tl.zeros([samples.shape[0], lanes.shape[0]], tl.float32)
        for k in tl.static_range(WIDTH):
            weight = tl.load(weights + k, sample_mask, 0.0)
            total += weight[:, None] * tl.load(rows + k * stride, mask, 0.0)
        return total

    # Each value that Triton specializes on would be compiled for again: seconds, in the middle of a zoom.
    @triton.jit(
        do_not_specialize=[
            "patches", "pixels", "width", "patch_rows", "patch_stride", "pixel_rows", "pixel_stride", "first_patch",
            "patch_numbers", "first_pixel", "pixel_numbers",
        ]
    )  # fmt: skip
    def _along_columns(
        between, patches, pixels, starts, weights, width, patch_rows, patch_stride, pixel_rows, pixel_stride,
        first_patch, patch_numbers, first_pixel, pixel_numbers,
        PATCH_WIDTH: tl.constexpr, PIXEL_WIDTH: tl.constexpr, SAMPLES: tl.constexpr, NUMBERS: tl.constexpr,
    ):  # fmt: skip
        """``between``: what is needed of the patch numbers, then of the pixels, at all samples along the columns."""
        block, one = tl.program_id(0), tl.program_id(2).to(tl.int64)
        samples = tl.program_id(1) * SAMPLES + tl.arange(0, SAMPLES)
        sample_mask = samples < width
        stride = (width + 15) // 16 * 16
        between += one * (patch_numbers + pixel_numbers) * stride
        patch_blocks = (patch_numbers + NUMBERS - 1) // NUMBERS
        if block < patch_blocks:
            numbers = block * NUMBERS + tl.arange(0, NUMBERS)
            mask = numbers < patch_numbers
            values = _weighted(
                patches + one * patch_rows * patch_stride, patch_stride, first_patch + numbers, mask,
                tl.load(starts + samples, sample_mask, 0), weights, samples, sample_mask,
                0, PATCH_WIDTH, PATCH_WIDTH + PIXEL_WIDTH,
            )  # fmt: skip
        else:
            numbers = (block - patch_blocks) * NUMBERS + tl.arange(0, NUMBERS)
            mask = numbers < pixel_numbers
            values = _weighted(
                pixels + one * pixel_rows * pixel_stride, pixel_stride, first_pixel + numbers, mask,
                tl.load(starts + width + samples, sample_mask, 0), weights, samples, sample_mask,
                PATCH_WIDTH, PIXEL_WIDTH, PATCH_WIDTH + PIXEL_WIDTH,
            )  # fmt: skip
            numbers += patch_numbers
        tl.store(
            between + numbers.to(tl.int64)[:, None] * stride + samples[None, :], tl.trans(values),
            mask[:, None] & sample_mask[None, :],
        )  # fmt: skip

    @triton.jit(do_not_specialize=["height", "width", "numbers"])
    def _along_rows(
        image, between, starts, weights, height, width, numbers,
        PATCH_WIDTH: tl.constexpr, PIXEL_WIDTH: tl.constexpr, SAMPLES: tl.constexpr, COLUMNS: tl.constexpr,
    ):  # fmt: skip
        """``image``: the sum of both parts of ``between``, at all samples along the rows."""
        one = tl.program_id(2).to(tl.int64)
        columns = tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)
        samples = tl.program_id(1) * SAMPLES + tl.arange(0, SAMPLES)
        sample_mask = samples < height
        stride = (width + 15) // 16 * 16
        between += one * numbers * stride
        values = _weighted(
            between, stride, columns, columns < stride, tl.load(starts + samples, sample_mask, 0), weights, samples,
            sample_mask, 0, PATCH_WIDTH, PATCH_WIDTH + PIXEL_WIDTH,
        )  # fmt: skip
        if PIXEL_WIDTH > 0:
            values += _weighted(
                between, stride, columns, columns < stride, tl.load(starts + height + samples, sample_mask, 0),
                weights, samples, sample_mask, PATCH_WIDTH, PIXEL_WIDTH, PATCH_WIDTH + PIXEL_WIDTH,
            )  # fmt: skip
        target = image + (one * height + samples[:, None]) * width + columns[None, :]
        tl.store(target, values, sample_mask[:, None] & (columns < width)[None, :])
