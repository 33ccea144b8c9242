"""An image as an explicit function: evaluated anywhere, without the network (paper Eqs. 1-3 plus an analytic skip)."""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .axis_operator import arrange, draw, rearrange
from .backend import Array, concatenate, full_precision, to_numpy
from .fourier_basis import repeated_patches, start_of_first_cell
from .interpolant import continued_pixels, first_continued_pixel
from .rasterizer import Axis, axis_operators
from .samples import Samples, positions_of, scaled_size

_FORMAT = 3


class ExplicitImage:
    """A slice, or a batch of slices, as the function ``f(u, v) = skip(u, v) + g(u, v)``.

    Coordinates u (down rows) and v (along columns) are low-resolution pixel indices, pixel centers being integers. A
    function of three coordinates has one axis before rows, for which everything below holds likewise.

    >>> coefficients = np.zeros((2, 2, 3, 3), dtype=np.float32)  # of 2 x 2 patches: cos(0), cos(w t), sin(w t) each
    >>> coefficients[:, :, 0, 0] = 5
    >>> image = ExplicitImage(coefficients, shape=(4, 4), frequencies=np.array([[0, 1.5], [0, 1.5]]), patch_size=2)
    >>> image.rasterize(shape=(1, 3))
    array([[5., 5., 5.]], dtype=float32)

    :ivar shape: (h, w) of the low-resolution slice.
    :ivar axes: what each axis is like, see :class:`~.rasterizer.Axis`.
    :ivar parts: coefficients of the skip, unless there is none, and of the patches, arranged for drawing, see
        :func:`~.axis_operator.arrange`.
    :ivar returns_numpy: whether :meth:`rasterize` returns NumPy arrays rather than the kind of the coefficients.
    """

    def __init__(
        self,
        coefficients: Array,
        skip_coefficients: Array | None = None,
        *,
        shape: Sequence[int],
        frequencies: Array,
        patch_size: int,
        blend: bool = False,
        skip: str = "none",
        padding: int = 0,
        returns_numpy: bool = False,
    ):
        """
        :param coefficients: (..., P, Q, K, K), the matrix M of each patch, see :mod:`~.fourier_basis`: float32 NumPy
            array or torch tensor on any device; the leading dimensions are those of the slices. Patch (0, 0) begins
            ``padding`` pixels before the slice.
        :param skip_coefficients: (..., h + 2 padding, w + 2 padding) of the same kind, from
            :func:`~.interpolant.prefilter`; ``None`` without a skip.
        :param frequencies: (2, N+1), of rows and columns in radians per low-resolution pixel, with K = 2N+1: NumPy
            array, or float64 tensor on the CPU to let gradients flow.
        :param patch_size: low-resolution pixels per patch side.
        :param blend: mix neighboring patches linearly, so that there are no seams.
        :param skip: ``none``, ``bicubic`` or ``bspline``.
        :param padding: pixels by which the function extends beyond the slice on every side before its border continues.
        """
        self.shape = tuple(int(n) for n in shape)
        self.returns_numpy = returns_numpy
        patches = coefficients.shape[-2 * len(self.shape) : -len(self.shape)]
        by_axis: Any = frequencies
        if not getattr(frequencies, "requires_grad", False):
            by_axis = [tuple(along) for along in to_numpy(frequencies).astype(np.float64).tolist()]
        self.axes = [
            Axis(size, padding, count, patch_size, blend, skip, along)
            for size, count, along in zip(self.shape, patches, by_axis)
        ]
        self.parts: list[Any] = [arrange(coefficients, [repeated_patches(count) for count in patches])]
        if skip_coefficients is not None:
            first = self.axes[0].start_of_first_cell
            taken = [continued_pixels(n + 2 * padding, patch_size, first, skip) for n in self.shape]
            one_per_pixel: Any = (..., *[None] * len(taken))
            self.parts.insert(0, arrange(skip_coefficients[one_per_pixel], taken))

    @property
    def coefficients(self) -> Any:
        """(..., P, Q, K, K), the matrix M of each patch: a view."""
        blocks = [2 * len(axis.frequencies) - 1 for axis in self.axes]
        return rearrange(self.parts[-1], blocks, [slice(1, 1 + axis.patches) for axis in self.axes])

    @property
    def skip_coefficients(self) -> Any:
        """(..., h + 2 padding, w + 2 padding), the coefficients of the skip: a view; ``None`` without a skip."""
        if len(self.parts) == 1:
            return None
        axes = len(self.axes)
        first = [-first_continued_pixel(axis.patch_size, axis.start_of_first_cell) for axis in self.axes]
        places = [slice(start, start + axis.size + 2 * axis.padding) for start, axis in zip(first, self.axes)]
        return rearrange(self.parts[0], [1] * axes, places)[(..., *[0] * axes)]

    def __getitem__(self, index: Any) -> ExplicitImage:
        """One slice, or a part, of a batch.

        :raises TypeError: for a single slice.
        :raises IndexError: for an index of pixels.
        """
        axes = len(self.axes)
        if self.parts[-1].ndim == axes:
            raise TypeError("This image is a single slice: there is nothing to take out of it.")
        image = self._with(lambda part: part[index])
        if [part.shape[-axes:] for part in image.parts] != [part.shape[-axes:] for part in self.parts]:
            raise IndexError("Only slices can be taken out of an image, not pixels: rasterize them.")
        return image

    def cpu(self) -> ExplicitImage:
        """The same function, of tensors in main memory."""
        return self._with(lambda part: part.cpu())

    def _with(self, change: Callable[[Any], Any]) -> ExplicitImage:
        image = copy.copy(self)
        image.parts = [change(part) for part in self.parts]
        return image

    def rasterize(
        self,
        scale: ArrayLike | None = None,
        *,
        shape: Sequence[int] | None = None,
        grid: str = "fov",
        slices: Samples | ArrayLike | None = None,
        rows: Samples | ArrayLike | None = None,
        columns: Samples | ArrayLike | None = None,
    ) -> Any:
        """Evaluate the function on a separable grid.

        Name the target in exactly one way: ``scale`` (a number, or one per axis), ``shape`` (H, W), or ``rows`` and
        ``columns``: :class:`~.samples.Samples`, or positions in low-resolution pixel indices in any order, also beyond
        the border, where the nearest patch continues. What samples and shapes need is kept for the next time.

        :param grid: ``fov`` (extent preserved) or ``kspace`` (first sample stays in place); for ``scale`` and
            ``shape``.
        :param slices: with ``rows`` and ``columns``, the samples along the first of three axes.
        :return: (..., H, W) float32: NumPy if the image was made from NumPy, else a torch tensor on its device.
        :raises ValueError: for a target that is not named, named twice, empty or not finite.
        """
        image = self._drawn(self._targets(scale, shape, grid, [slices, rows, columns]))
        return to_numpy(image) if self.returns_numpy else image

    def save(self, path: str | os.PathLike) -> None:
        """Write a portable ``.npz`` file (no pickle); evaluating it needs NumPy only.

        Its arrays are named as what the class is made from; ``format`` is 3.
        """
        with open(path, "wb") as file:
            np.savez_compressed(file, format=_FORMAT, **self.arrays())

    def arrays(self) -> dict[str, Any]:
        """What the class is made from, by name: NumPy arrays, numbers and text."""
        axis = self.axes[0]
        arrays = {
            "coefficients": to_numpy(self.coefficients),
            "shape": self.shape,
            "frequencies": [to_numpy(axis.frequencies) for axis in self.axes],
            "patch_size": axis.patch_size,
            "blend": axis.blend,
            "skip": axis.skip,
            "padding": axis.padding,
        }
        if self.skip_coefficients is not None:
            arrays["skip_coefficients"] = to_numpy(self.skip_coefficients)
        return arrays

    @classmethod
    def load(cls, path: str | os.PathLike) -> ExplicitImage:
        """Read a file written by :meth:`save`; the result is evaluated with NumPy only.

        :raises ValueError: if the file is no saved explicit image.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: value if value.ndim else value.item() for name, value in file.items()}
            version = arrays.pop("format")
            if version == 2:
                arrays = _from_format_2(arrays)
            elif version != _FORMAT:
                raise ValueError("unknown format version")
            return cls(**arrays)
        except (OSError, MemoryError):
            raise
        except Exception as error:
            raise ValueError(f"{path} is not a saved explicit image ({error}).") from error

    def _targets(self, scale: Any, shape: Any, grid: str, samples: list[Any]) -> list[Samples | NDArray[np.float64]]:
        """What each axis is to be evaluated at."""
        axes = len(self.shape)
        named = [along for along in samples if along is not None]
        if [scale is not None, shape is not None, bool(named)].count(True) != 1 or (
            named and [along is not None for along in samples] != [axis >= 3 - axes for axis in range(3)]
        ):
            raise ValueError("Name the target in one way: scale, shape, or both rows and columns.")
        if named:
            return [_samples_or_positions(along) for along in named]
        if scale is not None:
            scales = [float(s) for s in np.ravel(scale)]
            if len(scales) not in (1, axes) or not all(0 < s < math.inf for s in scales):
                raise ValueError(f"The scale must be a positive number, or one for each axis, not {scale}.")
            shape = [scaled_size(n, s) for n, s in zip(self.shape, scales if len(scales) > 1 else scales * axes)]
        elif np.shape(shape) != (axes,) or not all(n >= 1 and n % 1 == 0 for n in shape):
            raise ValueError(f"The shape must be {axes} positive whole numbers, not {shape}.")
        return [Samples.over(size, int(n), grid) for size, n in zip(self.shape, shape)]

    def _drawn(self, targets: list[Samples | NDArray[np.float64]]) -> Any:
        """Slices (..., H, W)."""
        coefficients = self.parts[-1]
        if self._is_for_gpu_kernels():
            from .gpu_kernels import draw_on_gpu

            return draw_on_gpu(self.parts, targets, self.axes)
        kind = coefficients.dtype, None if isinstance(coefficients, np.ndarray) else coefficients.device
        operators = list(zip(*(axis_operators(along, axis, *kind) for along, axis in zip(targets, self.axes))))
        slices = coefficients.shape[: -len(self.axes)]
        with full_precision(coefficients):
            if not slices:
                return draw(zip(self.parts, operators))
            drawn = [draw(zip([p[index] for p in self.parts], operators)) for index in np.ndindex(*slices)]
            image = concatenate([one[None] for one in drawn], 0)
        return image.reshape(*slices, *image.shape[1:])

    def _is_for_gpu_kernels(self) -> bool:
        """Whether kernels can draw it: float32 slices on the current GPU, no gradients, and they can be built there."""
        if not getattr(self.parts[-1], "is_cuda", False) or len(self.axes) != 2:
            return False
        import torch

        from .gpu_kernels import gpu_kernels_work

        return (
            all(isinstance(axis.frequencies, tuple) for axis in self.axes)
            and not any(part.requires_grad or part.dtype != torch.float32 for part in self.parts)
            and self.parts[-1].device.index == torch.cuda.current_device()
            and gpu_kernels_work()
        )


def _samples_or_positions(along: Any) -> Samples | NDArray[np.float64]:
    positions = positions_of(along)
    return along if isinstance(along, Samples) else positions  # Samples are hashable: their operators are kept.


def _from_format_2(arrays: dict[str, Any]) -> dict[str, Any]:
    """The arrays of format 3 from those of format 2, which held both parts as they are arranged for drawing."""
    frequencies = np.stack([arrays.pop("row_frequencies"), arrays.pop("column_frequencies")])
    block, padding = 2 * frequencies.shape[1] - 1, arrays.pop("margin")
    coefficients = rearrange(arrays.pop("patches"), [block, block], [slice(1, -1)] * 2)
    if "pixels" in arrays:
        patch_size = arrays["patch_size"]
        first = -first_continued_pixel(patch_size, start_of_first_cell(patch_size, arrays["blend"]))
        places = [slice(first, first + n + 2 * padding) for n in arrays["shape"]]
        arrays["skip_coefficients"] = rearrange(arrays.pop("pixels"), [1, 1], places)[..., 0, 0]
    return arrays | {"coefficients": coefficients, "frequencies": frequencies, "padding": padding}
