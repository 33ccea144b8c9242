"""k-space (discrete Fourier) operations on real images: exact cropping, zero-filling, data consistency.

All of them are separable, keep images real and treat the Nyquist bin of even sizes so that cropping undoes
zero-filling exactly. Positions are in low-resolution pixel indices, see :mod:`~NExpRLib.function.samples`.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray


def kspace_crop(image: np.ndarray, shape: Sequence[int], first: Sequence[float] = (0.0, 0.0)) -> np.ndarray:
    """Low-resolution image that a scanner would have measured: the central part of k-space.

    >>> kspace_crop(np.ones((4, 6)), (2, 3))
    array([[1., 1., 1.],
           [1., 1., 1.]])

    :param image: float array (..., H, W).
    :param shape: (h, w), not larger than (H, W).
    :param first: position of the first high-resolution pixel, in low-resolution pixels; (0, 0) is the k-space grid.
    :return: array (..., h, w) of the same dtype.
    """
    for axis, size, start in zip((-2, -1), shape, first):
        image = _resample_axis(image, size, axis, -start, size)
    return image


def zero_fill(image: np.ndarray, shape: Sequence[int], first: Sequence[float] = (0.0, 0.0)) -> np.ndarray:
    """Band-limited (sinc) interpolation of (..., h, w) to ``shape`` (H, W), by padding k-space with zeros.

    >>> zero_fill(np.array([[0.0, 1.0]]), (1, 4)).round(3)
    array([[0. , 0.5, 1. , 0.5]])
    """
    for axis, size, start in zip((-2, -1), shape, first):
        image = _resample_axis(image, size, axis, start, image.shape[axis])
    return image


def enforce_data_consistency(
    result: np.ndarray, measured: np.ndarray, first: Sequence[float] = (0.0, 0.0)
) -> np.ndarray:
    """Replace the measured band of k-space of a super-resolved image by that of its input.

    >>> measured = np.array([[1.0, 2.0], [3.0, 5.0]])
    >>> kspace_crop(enforce_data_consistency(np.zeros((4, 4)), measured), (2, 2)).round(6)
    array([[1., 2.],
           [3., 5.]])

    :param result: float array (..., H, W).
    :param measured: the input (..., h, w); its periodic continuation is what was measured.
    :param first: position of the first pixel of ``result``, in pixels of ``measured``.
    :return: array (..., H, W) whose :func:`kspace_crop` is ``measured``.
    """
    missing = measured - kspace_crop(result, measured.shape[-2:], first)
    return result + zero_fill(missing, result.shape[-2:], first)


def band_limited(image: np.ndarray, rows: ArrayLike, columns: ArrayLike) -> np.ndarray:
    """Band-limited (sinc) interpolation at any positions; on a regular grid over the image it is :func:`zero_fill`.

    >>> band_limited(np.array([[0.0, 1.0]]), [0.0], [0.0, 0.5, 1.0]).round(3)
    array([[0. , 0.5, 1. ]])

    :param image: float array (..., h, w), continued periodically.
    :param rows, columns: float64 arrays (H,) and (W,) of positions in pixel indices.
    :return: array (..., H, W) of the same dtype.
    """
    by_rows, by_columns = (sinc_weights(p, n).astype(image.dtype) for p, n in zip((rows, columns), image.shape[-2:]))
    return by_rows @ image @ by_columns.T


def sinc_weights(positions: ArrayLike, size: int) -> NDArray[np.float64]:
    """Weights (positions, size) of band-limited interpolation between pixels that continue periodically.

    The Nyquist wave of even sizes stays a cosine.

    >>> sinc_weights([0.5, 1.5], 3).round(3).tolist()
    [[0.667, 0.667, -0.333], [-0.333, 0.667, 0.667]]
    """
    positions = np.asarray(positions, dtype=np.float64)
    pixels = np.arange(size)
    # sin(pi (u - k)) and sin(pi (u - k) / size) as products, which are much faster than the sine of every difference.
    nearest = np.round(positions)
    wave = np.sin(np.pi * (positions - nearest)) * (1 - 2 * (nearest % 2))
    at, of = np.pi / size * positions, np.pi / size * pixels
    sine = np.outer(np.sin(at), np.cos(of)) - np.outer(np.cos(at), np.sin(of))
    on_pixel = np.abs(sine) < 1e-7
    weights = np.outer(wave, 1 - 2 * (pixels % 2)) / (size * np.where(on_pixel, 1, sine))
    if size % 2 == 0:
        weights *= np.outer(np.cos(at), np.cos(of)) + np.outer(np.sin(at), np.sin(of))
    return np.where(on_pixel, 1.0, weights)


def _resample_axis(image: np.ndarray, size: int, axis: int, shift: float, low_resolution_size: int) -> np.ndarray:
    """Fourier resampling along one axis; the content moves by ``shift`` low-resolution pixels."""
    old_size = image.shape[axis]
    if size == old_size and shift == 0:
        return image
    spectrum = np.moveaxis(np.fft.rfft(image, axis=axis), axis, -1)
    bins = min(size, old_size) // 2 + 1
    spectrum = spectrum[..., :bins] * np.exp(2j * np.pi * np.arange(bins) * shift / low_resolution_size)
    if size != old_size and min(size, old_size) % 2 == 0:
        spectrum[..., -1] *= 2 if size < old_size else 0.5
    resampled = np.fft.irfft(spectrum * (size / old_size), n=size, axis=-1)
    return np.moveaxis(resampled, -1, axis).astype(image.dtype, copy=False)
