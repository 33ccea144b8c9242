"""Drawing on an NVIDIA GPU in two kernels, where Triton is present; otherwise operators are applied one by one."""

import math
import warnings
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from .rasterizer import Axis, axis_operators
from .samples import Samples

try:
    import triton
    import triton.language as tl

    # Before version 3.3, what Triton compiled is called without the constants.
    _TAKES_CONSTANTS = tuple(map(int, triton.__version__.split(".")[:2])) >= (3, 3)
except Exception:  # Missing, or broken: images are drawn without it.
    triton = None

# Samples and coefficients, or rows and columns, that one program computes.
_ALONG_COLUMNS = 32, 32
_ALONG_ROWS = 4, 128


@lru_cache(maxsize=1)
def gpu_kernels_work() -> bool:
    """Whether the kernels can be built and run here: that takes an NVIDIA GPU, Triton and a C compiler.

    >>> gpu_kernels_work() in (True, False)
    True
    """
    if triton is None or not torch.cuda.is_available() or torch.version.hip:
        return False
    try:
        zeros = torch.zeros(1, 2, 2, device="cuda")
        starts = zeros.new_zeros(1, dtype=torch.int32)
        sample = _AxisSamples(starts, starts, zeros[0], samples=1, patch_width=2, first_patch=0, patch_needed=2)
        _draw(zeros, zeros, sample, sample)
    except torch.cuda.OutOfMemoryError:
        raise
    except Exception as error:  # Compilers fail in many ways; without them results are the same.
        reason = str(error).strip().partition("\n")[0]
        text = f"The GPU kernels of NExpR cannot be built here; drawing goes on without them: {reason}"
        warnings.warn(text, stacklevel=2)
        return False
    return True


def draw_on_gpu(
    parts: Sequence[torch.Tensor], targets: Sequence[Samples | NDArray[np.float64]], axes: Sequence[Axis]
) -> torch.Tensor:
    """Slices (..., H, W) of an explicit image; gradients do not flow.

    :param parts: arranged coefficients, float32, see :class:`~.explicit_image.ExplicitImage`.
    :param targets: samples or positions along rows and columns.
    :param axes: rows and columns.
    """
    *skip, patches = (part.contiguous() for part in parts)
    rows, columns = (_samples(along, axis, patches.device) for along, axis in zip(targets, axes))
    return _draw(patches, skip[0] if skip else patches, rows, columns)


class _AxisSamples(NamedTuple):
    """Samples along one axis as the kernels take them.

    :ivar starts: first patch coefficient of each sample, then first skip coefficient of each: int32.
    :ivar starts_among_needed: the same among the coefficients that are needed, the skip's after those of the patches.
    :ivar weights: float32 (samples, those of patch coefficients followed by those of skip coefficients).
    :ivar samples: number of samples.
    :ivar patch_width, skip_width: how many coefficients a sample depends on.
    :ivar first_patch, patch_needed: which of the patch coefficients along the axis are needed: the first, and how many;
        likewise of the skip.
    """

    starts: torch.Tensor
    starts_among_needed: torch.Tensor
    weights: torch.Tensor
    samples: int
    patch_width: int
    first_patch: int
    patch_needed: int
    skip_width: int = 0
    first_skip: int = 0
    skip_needed: int = 0


def _samples(along: Any, axis: Axis, device: torch.device) -> _AxisSamples:
    return (_kept_samples if isinstance(along, Samples) else _new_samples)(along, axis, device)


def _new_samples(along: Any, axis: Axis, device: torch.device) -> _AxisSamples:
    starts, among_needed, weights, which = [], [], [], []
    before = 0
    for operator in reversed(axis_operators(along, axis, np.dtype(np.float32), None)):
        groups, needed, (_, length, width) = operator.groups, operator.needed, operator.weights.shape
        starts.append(np.repeat((groups.cells + 1) * operator.step, length)[groups.places])
        among_needed.append(starts[-1] - needed.start + before)
        weights.append(operator.weights.reshape(-1, width)[groups.places])
        which += [width, int(needed.start), int(needed.stop - needed.start)]
        before += which[-1]
    first, second = (torch.as_tensor(np.array(each), dtype=torch.int32).to(device) for each in (starts, among_needed))
    all_weights = np.concatenate(weights, axis=1)
    return _AxisSamples(first, second, torch.from_numpy(all_weights).to(device), len(all_weights), *which)


_kept_samples = lru_cache(maxsize=32)(_new_samples)


def _draw(patches: torch.Tensor, skip: torch.Tensor, rows: _AxisSamples, columns: _AxisSamples) -> torch.Tensor:
    """(..., coefficients along columns, along rows) -> (..., H, W)."""
    *leading, _, _ = patches.shape
    slices, width = math.prod(leading), columns.samples
    # Rows of a multiple of 16 samples are read in larger pieces.
    between = patches.new_empty(slices, rows.patch_needed + rows.skip_needed, -(-width // 16) * 16)
    image = patches.new_empty(*leading, rows.samples, width)
    samples, coefficients = _ALONG_COLUMNS
    blocks = -(-rows.patch_needed // coefficients) + -(-rows.skip_needed // coefficients)
    _launch(
        _along_columns,
        (blocks, -(-width // samples), slices),
        (
            *(between, patches, skip, columns.starts, columns.weights),
            *(width, *patches.shape[-2:], *skip.shape[-2:]),
            *(rows.first_patch, rows.patch_needed, rows.first_skip, rows.skip_needed),
        ),
        (columns.patch_width, columns.skip_width, samples, coefficients),
    )
    samples, columns_at_once = _ALONG_ROWS
    _launch(
        _along_rows,
        (-(-width // columns_at_once), -(-rows.samples // samples), slices),
        (image, between, rows.starts_among_needed, rows.weights, rows.samples, width, between.shape[1]),
        (rows.patch_width, rows.skip_width, samples, columns_at_once),
    )
    return image


_compiled: dict[tuple, Any] = {}


def _launch(kernel: Any, grid: tuple, arguments: tuple, constants: tuple) -> None:
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
            "patches", "skip", "width", "patch_rows", "patch_stride", "skip_rows", "skip_stride", "first_patch",
            "patch_needed", "first_skip", "skip_needed",
        ]
    )  # fmt: skip
    def _along_columns(
        between, patches, skip, starts, weights, width, patch_rows, patch_stride, skip_rows, skip_stride,
        first_patch, patch_needed, first_skip, skip_needed,
        PATCH_WIDTH: tl.constexpr, SKIP_WIDTH: tl.constexpr, SAMPLES: tl.constexpr, COEFFICIENTS: tl.constexpr,
    ):  # fmt: skip
        """``between``: what is needed of the patches, then of the skip, at all samples along the columns."""
        block, one = tl.program_id(0), tl.program_id(2).to(tl.int64)
        samples = tl.program_id(1) * SAMPLES + tl.arange(0, SAMPLES)
        sample_mask = samples < width
        stride = (width + 15) // 16 * 16
        between += one * (patch_needed + skip_needed) * stride
        patch_blocks = (patch_needed + COEFFICIENTS - 1) // COEFFICIENTS
        if block < patch_blocks:
            coefficients = block * COEFFICIENTS + tl.arange(0, COEFFICIENTS)
            mask = coefficients < patch_needed
            values = _weighted(
                patches + one * patch_rows * patch_stride, patch_stride, first_patch + coefficients, mask,
                tl.load(starts + samples, sample_mask, 0), weights, samples, sample_mask,
                0, PATCH_WIDTH, PATCH_WIDTH + SKIP_WIDTH,
            )  # fmt: skip
        else:
            coefficients = (block - patch_blocks) * COEFFICIENTS + tl.arange(0, COEFFICIENTS)
            mask = coefficients < skip_needed
            values = _weighted(
                skip + one * skip_rows * skip_stride, skip_stride, first_skip + coefficients, mask,
                tl.load(starts + width + samples, sample_mask, 0), weights, samples, sample_mask,
                PATCH_WIDTH, SKIP_WIDTH, PATCH_WIDTH + SKIP_WIDTH,
            )  # fmt: skip
            coefficients += patch_needed
        tl.store(
            between + coefficients.to(tl.int64)[:, None] * stride + samples[None, :], tl.trans(values),
            mask[:, None] & sample_mask[None, :],
        )  # fmt: skip

    @triton.jit(do_not_specialize=["height", "width", "coefficients"])
    def _along_rows(
        image, between, starts, weights, height, width, coefficients,
        PATCH_WIDTH: tl.constexpr, SKIP_WIDTH: tl.constexpr, SAMPLES: tl.constexpr, COLUMNS: tl.constexpr,
    ):  # fmt: skip
        """``image``: the sum of both parts of ``between``, at all samples along the rows."""
        one = tl.program_id(2).to(tl.int64)
        columns = tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)
        samples = tl.program_id(1) * SAMPLES + tl.arange(0, SAMPLES)
        sample_mask = samples < height
        stride = (width + 15) // 16 * 16
        between += one * coefficients * stride
        values = _weighted(
            between, stride, columns, columns < stride, tl.load(starts + samples, sample_mask, 0), weights, samples,
            sample_mask, 0, PATCH_WIDTH, PATCH_WIDTH + SKIP_WIDTH,
        )  # fmt: skip
        if SKIP_WIDTH > 0:
            values += _weighted(
                between, stride, columns, columns < stride, tl.load(starts + height + samples, sample_mask, 0),
                weights, samples, sample_mask, PATCH_WIDTH, SKIP_WIDTH, PATCH_WIDTH + SKIP_WIDTH,
            )  # fmt: skip
        target = image + (one * height + samples[:, None]) * width + columns[None, :]
        tl.store(target, values, sample_mask[:, None] & (columns < width)[None, :])
