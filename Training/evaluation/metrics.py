"""How close a restored slice comes to the truth, for every method on equal terms."""

import numpy as np
import torch
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from NExpRLib.function.samples import scaled_size
from NExpRLib.intensity import robust_range

from ..data.degradation import degrade

METRICS = ("PSNR", "SSIM", "Consistency")
INSIDE = "PSNR inside the body"  # of CT


def normalized_slices(volume, window=None):
    """Slices (n, H, W) of a volume as float32 in [0, 1]: ``window`` (low, high) or its robust range, clipped."""
    low, high = window or robust_range(volume)
    return np.clip((volume.astype(np.float32) - low) / (high - low), 0, 1)


def evaluate_slice(truth, scale, degradation, methods, body=None):
    """Degrade a slice, restore it by every method and measure.

    :param truth: float32 array (H, W) in [0, 1].
    :param methods: ``{name: function(low, shape)}``, see :mod:`~NExpRTraining.evaluation.restorers`.
    :param body: bool array (H, W), see :func:`measure`.
    :return: ``(low, {method: (restored, metrics)})``, see :func:`measure`.
    """
    shape = [scaled_size(n, 1 / scale) for n in truth.shape]
    low = degrade(truth, shape, degradation)
    measured = degrade(truth, shape, degradation, rounded=False)
    results = {}
    for name, restore in methods.items():
        restored = np.asarray(restore(low, truth.shape), dtype=np.float32)
        results[name] = restored, measure(restored, truth, measured, degradation, body)
    return low, results


def measure(restored, truth, low, degradation, body=None):
    """Metrics of a restored slice: ``{metric: value}``.

    PSNR and SSIM of the result clipped to [0, 1]; consistency (paper Eq. 5) as the PSNR in dB of the degraded result
    against the input, neither of them rounded.

    :param restored, truth: float32 arrays (H, W).
    :param low: float32 array (h, w), the input before it was rounded.
    :param body: bool array (H, W), where PSNR is measured once more, as :data:`INSIDE`.
    """
    clipped = np.clip(restored, 0, 1)
    inside = {} if body is None or not body.any() else {INSIDE: psnr(clipped[body], truth[body])}
    return inside | {
        "PSNR": psnr(clipped, truth),
        "SSIM": ssim(clipped, truth),
        "Consistency": psnr(degrade(restored, low.shape, degradation, rounded=False), low),
    }


def psnr(image, truth):
    """Peak signal-to-noise ratio in dB for a data range of 1."""
    return peak_signal_noise_ratio(*_tensors(np.float64, image, truth), data_range=1.0).item()


def ssim(image, truth):
    """Structural similarity with the 11 x 11 Gaussian window, over the pixels where it fits."""
    # In float32, which takes a tenth of the time of float64, it differs by some 1e-6.
    images = _tensors(np.float32, image, truth)
    _, of_pixels = structural_similarity_index_measure(*images, data_range=1.0, return_full_image=True)
    # torchmetrics means over all pixels, with the images mirrored beyond their borders.
    return of_pixels[..., 5:-5, 5:-5].double().mean().item()


def _tensors(dtype, *images):
    return [torch.from_numpy(np.ascontiguousarray(image, dtype=dtype))[None, None] for image in images]
