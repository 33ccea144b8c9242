"""How close a restored slice comes to the truth, for every method on equal terms."""

import numpy as np
import torch
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from NExpRLib.grid import first_position, scaled_size
from NExpRLib.intensity import robust_range
from NExpRLib.interpolation import interpolate, prefilter
from NExpRLib.kspace import zero_fill

from .degradation import degrade, grid_of, truth_positions

METRICS = ("PSNR", "SSIM", "Consistency")


def classical_methods(degradation):
    """The methods without training: ``{name: function(low, shape) -> restored}``, all on the grid of the truth."""

    def interpolation(kind):
        def restore(low, shape):
            rows, columns = (truth_positions(n, size, degradation) for n, size in zip(low.shape, shape))
            return interpolate(prefilter(low, kind), rows, columns, kind)

        return restore

    def zero_filling(low, shape):
        first = [first_position(n, size, grid_of(degradation)) for n, size in zip(low.shape, shape)]
        return zero_fill(low, shape, first)

    return {
        "Zero-filling": zero_filling,
        "Bicubic": interpolation("bicubic"),
        "Cubic B-spline": interpolation("bspline"),
    }


def nexpr_method(model, degradation):
    """NExpR as ``function(low, shape)``; intensities are already normalized."""

    grid = grid_of(degradation)

    def restore(low, shape):
        image = model.represent(low, intensity_range=(0.0, 1.0), periodic=grid == "kspace")
        return image.rasterize(shape=shape, grid=grid)

    return restore


def normalized_slices(volume, window=None):
    """Slices (n, H, W) of a volume as float32 in [0, 1]: ``window`` (low, high) or its robust range, clipped."""
    low, high = window or robust_range(volume)
    return np.clip((volume.astype(np.float32) - low) / (high - low), 0, 1)


def evaluate_slice(truth, scale, degradation, methods):
    """Degrade a slice, restore it by every method and measure.

    :param truth: float32 array (H, W) in [0, 1].
    :return: ``(low, {method: (restored, {metric: value})})``; PSNR and SSIM of the result clipped to [0, 1],
        consistency (paper Eq. 5) as the PSNR in dB of the degraded result against the input.
    """
    low = degrade(truth, [scaled_size(n, 1 / scale) for n in truth.shape], degradation)
    results = {}
    for name, restore in methods.items():
        restored = np.asarray(restore(low, truth.shape), dtype=np.float32)
        results[name] = (
            restored,
            {
                "PSNR": psnr(np.clip(restored, 0, 1), truth),
                "SSIM": ssim(np.clip(restored, 0, 1), truth),
                "Consistency": psnr(degrade(restored, low.shape, degradation), low),
            },
        )
    return low, results


def psnr(image, truth):
    """Peak signal-to-noise ratio in dB for a data range of 1."""
    return peak_signal_noise_ratio(_tensor(image), _tensor(truth), data_range=1.0).item()


def ssim(image, truth):
    """Structural similarity with the 11 x 11 Gaussian window, over the pixels where it fits."""
    return structural_similarity_index_measure(_tensor(image), _tensor(truth), data_range=1.0).item()


def _tensor(image):
    return torch.from_numpy(np.ascontiguousarray(image, dtype=np.float64))[None, None]
