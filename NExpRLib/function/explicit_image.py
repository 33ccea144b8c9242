"""An image as an explicit function: evaluated anywhere, without the network (paper Eqs. 1-3 plus an analytic skip)."""

import math
from dataclasses import dataclass, field, fields, replace
from functools import cached_property

import numpy as np

from .backend import full_precision
from .fourier_basis import arrange_patches, start_of_first_cell
from .interpolant import arrange_pixels
from .rasterizer import Axis, axis_operators, draw
from .samples import GRIDS, Samples, scaled_size

_FORMAT = 2


@dataclass(frozen=True, eq=False)
class ExplicitImage:
    """A slice, or a batch of slices, as the function ``f(u, v) = skip(u, v) + g(u, v)``.

    Coordinates u (down rows) and v (along columns) are low-resolution pixel indices, pixel centers being integers.

    :ivar shape: (h, w) of the low-resolution slice.
    :ivar patches: coefficients as :func:`~.fourier_basis.arrange_patches` returns them, float32 NumPy array or torch
        tensor on any device; the leading dimensions are those of the slices. Patch (0, 0) begins ``margin`` pixels
        before the slice.
    :ivar row_frequencies, column_frequencies: (N+1,) radians per low-resolution pixel: NumPy arrays, or float64 tensors
        on the CPU to let gradients flow.
    :ivar skip: ``none``, ``bicubic`` or ``bspline``.
    :ivar pixels: coefficients of the skip as :func:`~.interpolation.arrange_pixels` returns them, of the kind of
        ``patches``; ``None`` without a skip.
    :ivar margin: pixels by which the function extends beyond the slice on every side before its border continues.
    :ivar returns_numpy: whether :meth:`rasterize` returns NumPy arrays rather than the kind of ``patches``.
    """

    shape: tuple
    patch_size: int
    blend: bool
    patches: object = field(repr=False)
    row_frequencies: np.ndarray = field(repr=False)
    column_frequencies: np.ndarray = field(repr=False)
    skip: str
    pixels: object = field(repr=False)
    margin: int = 0
    returns_numpy: bool = False

    @classmethod
    def from_coefficients(cls, matrices, skip_coefficients, *, patch_size, blend, skip, **others):
        """Function with the given coefficients.

        :param matrices: (..., P, Q, K, K), the matrix M of each patch, see :mod:`~.fourier_basis`.
        :param skip_coefficients: (..., h + 2 margin, w + 2 margin) from :func:`~.interpolation.prefilter`, or ``None``.
        """
        pixels = None
        if skip_coefficients is not None:
            pixels = arrange_pixels(skip_coefficients, patch_size, start_of_first_cell(patch_size, blend), skip)
        patches = arrange_patches(matrices)
        return cls(patches=patches, pixels=pixels, patch_size=patch_size, blend=blend, skip=skip, **others)

    def __getitem__(self, index):
        """One slice, or a part, of a batch.

        :raises TypeError: for a single slice.
        :raises IndexError: for an index of pixels.
        """
        if self.patches.ndim == 2:
            raise TypeError("This image is a single slice: there is nothing to take out of it.")
        pixels = None if self.pixels is None else self.pixels[index]
        patches = self.patches[index]
        if patches.shape[-2:] != self.patches.shape[-2:]:
            raise IndexError("Only slices can be taken out of an image, not pixels: rasterize them.")
        return replace(self, patches=patches, pixels=pixels)

    def rasterize(self, scale=None, *, shape=None, grid="fov", rows=None, columns=None):
        """Evaluate the function on a separable grid.

        Name the target in exactly one way: ``scale`` (a number, or one per axis), ``shape`` (H, W), or ``rows`` and
        ``columns``: :class:`~.samples.Samples`, or positions in low-resolution pixel indices in any order, also beyond
        the border, where the nearest patch continues. What samples and shapes need is kept for the next time.

        :param grid: ``fov`` (extent preserved) or ``kspace`` (first sample stays in place); for ``scale`` and
            ``shape``.
        :return: (..., H, W) float32: NumPy if the image was made from NumPy, else a torch tensor on its device.
        :raises ValueError: for a target that is not named, named twice, empty or not finite.
        """
        image = self._drawn(self._targets(scale, shape, grid, rows, columns))
        return _to_numpy(image) if self.returns_numpy else image

    def save(self, path):
        """Write a portable ``.npz`` file (no pickle); evaluating it needs NumPy only."""
        arrays = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "returns_numpy"}
        arrays = {name: _to_numpy(value) for name, value in arrays.items() if value is not None}
        with open(path, "wb") as file:
            np.savez_compressed(file, format=_FORMAT, **arrays)

    @classmethod
    def load(cls, path):
        """Read a file written by :meth:`save`; the result is evaluated with NumPy only.

        :raises ValueError: if the file is no saved explicit image.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = dict(file)
            if arrays.pop("format") != _FORMAT:
                raise ValueError("unknown format version")
            return cls(
                shape=tuple(int(n) for n in arrays.pop("shape")),
                patch_size=int(arrays.pop("patch_size")),
                blend=bool(arrays.pop("blend")),
                margin=int(arrays.pop("margin")),
                skip=str(arrays.pop("skip")),
                pixels=arrays.pop("pixels", None),
                **arrays,
            )
        except (OSError, MemoryError):
            raise
        except Exception as error:
            raise ValueError(f"{path} is not a saved explicit image ({error}).") from error

    def _targets(self, scale, shape, grid, rows, columns):
        """What rows and columns are to be evaluated at, as :func:`~.rasterizer.axis_operators` takes it."""
        named = [scale is not None, shape is not None, rows is not None or columns is not None]
        if sum(named) != 1 or (rows is None) != (columns is None):
            raise ValueError("Name the target in one way: scale, shape, or both rows and columns.")
        if rows is not None:
            return [_samples_or_positions(along) for along in (rows, columns)]
        if grid not in GRIDS:
            raise ValueError(f'Unknown grid "{grid}": choose one of {", ".join(GRIDS)}.')
        if scale is not None:
            scales = [float(s) for s in np.ravel(scale)]
            if len(scales) not in (1, 2) or not all(0 < s < math.inf for s in scales):
                raise ValueError(f"The scale must be one or two positive numbers, not {scale}.")
            shape = [scaled_size(n, s) for n, s in zip(self.shape, (scales[0], scales[-1]))]
        elif np.shape(shape) != (2,) or not all(n >= 1 and n % 1 == 0 for n in shape):
            raise ValueError(f"The shape must be two positive whole numbers, not {shape}.")
        return [Samples.over(size, int(n), grid) for size, n in zip(self.shape, shape)]

    @cached_property
    def _axes(self):
        """Rows and columns."""
        # What is arranged has columns first.
        numbers = reversed(self.patches.shape[-2:])
        return [
            Axis(
                size=size,
                margin=self.margin,
                patches=count // (2 * len(frequencies) - 1) - 2,
                patch_size=self.patch_size,
                blend=self.blend,
                skip=self.skip,
                dtype=self.patches.dtype,
                device=getattr(self.patches, "device", None),
            )
            for size, count, frequencies in zip(self.shape, numbers, (self.row_frequencies, self.column_frequencies))
        ]

    @cached_property
    def _frequencies(self):
        """Of rows and columns: float64 as bytes, unless they are tensors."""
        both = self.row_frequencies, self.column_frequencies
        return [f.astype(np.float64).tobytes() if isinstance(f, np.ndarray) else f for f in both]

    def _drawn(self, targets):
        """Slices (..., H, W)."""
        along_axes = list(zip(targets, self._axes, self._frequencies))
        if self._is_for_gpu_kernels():
            from .gpu_kernels import draw_on_gpu

            return draw_on_gpu(self.patches, self.pixels, *along_axes)
        rows, columns = (axis_operators(*along_axis) for along_axis in along_axes)
        slices = self.patches.shape[:-2]
        with full_precision(self.patches):
            if not slices:
                return draw(self.patches, self.pixels, rows, columns)
            images = []
            for index in np.ndindex(slices):
                pixels = None if self.pixels is None else self.pixels[index]
                images.append(draw(self.patches[index], pixels, rows, columns))
        image = _stack(images)
        return image.reshape(*slices, *image.shape[1:])

    def _is_for_gpu_kernels(self):
        """Whether kernels can draw it: float32 on the current GPU, no gradients, and they can be built there."""
        if not getattr(self.patches, "is_cuda", False) or not all(isinstance(f, bytes) for f in self._frequencies):
            return False
        import torch

        from .gpu_kernels import gpu_kernels_work

        tensors = [tensor for tensor in (self.patches, self.pixels) if tensor is not None]
        return (
            not any(tensor.requires_grad or tensor.dtype != torch.float32 for tensor in tensors)
            and self.patches.device.index == torch.cuda.current_device()
            and gpu_kernels_work()
        )


def _samples_or_positions(along):
    if isinstance(along, Samples) and along.count >= 1 and math.isfinite(along.first + along.step):
        return along
    positions = np.atleast_1d(np.asarray(along, dtype=np.float64))
    if not (positions.ndim == 1 and positions.size and np.isfinite(positions).all()):
        raise ValueError("rows and columns must be non-empty one-dimensional arrays of finite numbers.")
    return positions


def _stack(images):
    if isinstance(images[0], np.ndarray):
        return np.stack(images)
    import torch  # Loaded already, since the images are tensors.

    return torch.stack(images)


def _to_numpy(value):
    return value if not hasattr(value, "detach") else value.detach().cpu().numpy()
