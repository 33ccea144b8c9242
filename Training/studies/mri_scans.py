"""How MRI scans of all kinds are restored: noisy, filtered, of another resolution along each axis.

    python -m NExpRTraining.studies.mri_scans VOLUME ... [--models mri ...] [--slices 3] [-o PNG]

prints a table per kind of scan: PSNR of zero-filling against the noise-free slice in dB, and what is gained over it by
non-local means of scikit-image after zero-filling, and by each model with a noise reduction of 0 and of 1. Slices are
evenly spaced and acquired with a smooth phase; what a volume's scanner interpolated is cropped first. Nobody is told
the noise level: it is measured in each noisy slice. The figure shows the middle slice of the first volume with a noise
of 4 %, restored by the first model that reduces it.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from skimage.restoration import denoise_nl_means

from NExpRLib import load_model
from NExpRLib.function.samples import scaled_size
from NExpRLib.kspace import zero_fill
from NExpRLib.model_card import reduces_noise
from NExpRLib.volumes.noise import noise_level

from ..data.scans import MRScan
from ..data.slices import slices_in_plane
from ..evaluation.metrics import normalized_slices, psnr
from ..files.volume_files import read_volume
from ..markdown import markdown_table
from ..option_types import count

KINDS = {
    "2x": {},
    "3x": {"scales": (3, 3)},
    "4x": {"scales": (4, 4)},
    "2x, noise 1 %": {"sigma": 0.01},
    "2x, noise 2 %": {"sigma": 0.02},
    "2x, noise 4 %": {"sigma": 0.04},
    "2x, Hann": {"window": "hann"},
    "2x, Fermi": {"window": "fermi"},
    "2x, ellipse": {"window": "ellipse"},
    "2x, partial Fourier 6/8": {"window": "partial fourier", "missing": 0.25},
    "2 x 1.3": {"scales": (2, 1.3)},
}
# Of non-local means, in standard deviations of the noise; the best on the prostate volumes for training.
FILTERING = 0.6


def scanned(truth, generator, scales=(2, 2), **facts):
    """:return: the stored slice of a slice (H, W), both float32, from 0 to 1."""
    scan = MRScan(tuple(scaled_size(n, 1 / scale) for n, scale in zip(truth.shape, scales)), **facts)
    return scan.acquired(truth, generator)[0]


def non_local_means(image, sigma):
    """Noise of a zero-filled image reduced, with patches of 5 x 5 pixels in windows of 15 x 15."""
    if sigma == 0:
        return image
    return denoise_nl_means(image, patch_size=5, patch_distance=7, h=FILTERING * sigma, sigma=sigma, fast_mode=True)


def restorations(low, shape, models):
    """``{name: restored (H, W)}`` of a stored slice."""
    filled = zero_fill(low, shape)
    results = {"Zero-filling": filled, "Non-local means": non_local_means(filled, noise_level(low[None])[0])}
    for name, model in models.items():
        for share in (0, 1) if reduces_noise(model.card) else (0,):
            function = model.represent(low, (0, 1), periodic=True, noise_reduction=share)
            results[f"{name}, {share}" if share else name] = function.rasterize(shape=shape, grid="kspace")
    return results


def evenly_spaced(slices, count):
    inner = np.linspace(0, len(slices) - 1, count + 2)[1:-1]
    return [slices[i] for i in np.unique(inner.round().astype(int))]


def figure(truth, name, model):
    """Restorations of a slice (H, W) with 4 % of noise, and the part of each in the middle."""
    low = scanned(truth, np.random.default_rng(0), sigma=0.04)
    by_classics = restorations(low, truth.shape, {})
    panels = {"Truth": truth, **by_classics}
    for share in (0, 0.5, 1):
        function = model.represent(low, (0, 1), periodic=True, noise_reduction=share)
        panels[f"{name}, noise reduction {share}"] = function.rasterize(shape=truth.shape, grid="kspace")
    drawing = Figure(figsize=(12, 8.4), layout="constrained")
    h, w = truth.shape
    side = min(h, w) // 2
    for axes, (title, image) in zip(drawing.subplots(2, 3).flat, panels.items()):
        part = image[(h - side) // 2 :, (w - side) // 2 :][:side, :side]
        axes.imshow(part, cmap="gray", vmin=0, vmax=np.percentile(truth, 99.5), interpolation="nearest")
        quality = "" if image is truth else f": {psnr(np.clip(image, 0, 1), truth):.1f} dB"
        axes.set_title(f"{title}{quality}")
        axes.axis("off")
    return drawing


def main():
    parser = argparse.ArgumentParser(
        prog="python -m NExpRTraining.studies.mri_scans",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("volumes", nargs="+", metavar="VOLUME", help="file, or folder of a DICOM series")
    parser.add_argument("--models", nargs="+", default=["mri", "mri-fast"], metavar="MODEL", help="names or folders")
    parser.add_argument("--slices", type=count, default=3, help="of each volume (default: 3)")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), help="of scans (default: all)")
    parser.add_argument("-o", "--output", metavar="PNG", help="figure")
    arguments = parser.parse_args()
    try:
        models = {Path(name).name: load_model(name) for name in arguments.models}
        volumes = {Path(path).name: slices_in_plane(read_volume(path)) for path in arguments.volumes}
    except ValueError as error:
        parser.exit(2, f"{parser.prog}: error: {error}\n")
    truths = {
        name: evenly_spaced([s for s in normalized_slices(slices) if s.min() < s.max()], arguments.slices)
        for name, slices in volumes.items()
    }
    able = [(name, model) for name, model in models.items() if reduces_noise(model.card)]
    if arguments.output and able:
        slices = next(iter(truths.values()))
        figure(slices[len(slices) // 2], *able[0]).savefig(arguments.output, dpi=80)
    for kind in arguments.kinds:
        rows = []
        for name, slices in truths.items():
            generator = np.random.default_rng(0)
            measured = {}
            for truth in slices:
                for method, result in restorations(
                    scanned(truth, generator, **KINDS[kind]), truth.shape, models
                ).items():
                    measured.setdefault(method, []).append(psnr(np.clip(result, 0, 1), truth))
            means = {method: np.mean(values) for method, values in measured.items()}
            base = means.pop("Zero-filling")
            rows.append([name, base, *(value - base for value in means.values())])
        rows.append(["mean", *np.mean([row[1:] for row in rows], axis=0)])
        texts = [[name, f"{base:.2f}", *(f"{gain:+.2f}" for gain in gains)] for name, base, *gains in rows]
        print(f"{kind}\n\n{markdown_table(['Volume', 'Zero-filling', *means], texts)}\n", flush=True)


if __name__ == "__main__":
    try:
        main()
    except ValueError as error:
        sys.exit(f"mri_scans: error: {error}")
