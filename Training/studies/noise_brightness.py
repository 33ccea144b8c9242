"""Whether tissue and background stay as bright as they were measured, where noise is removed.

Noise makes magnitudes brighter: dark pixels by 1.25 of its standard deviations, tissue hardly. A network that sees
differences of pixels cannot know how bright a pixel is, and may take from tissue what it takes from the background.
Here both are constant: a disk in the dark, in slices of Rician noise.

Run: ``python -m NExpRTraining.studies.noise_brightness [--model mri ...]``
"""

import argparse
import sys

import numpy as np

from NExpRLib.function.samples import Samples
from NExpRLib.model import load_model
from NExpRLib.model_card import is_of_stacks, reduces_noise
from NExpRLib.volumes.through_plane import through_plane

from ..markdown import markdown_table

SLICES, SIZE, RADIUS, MARGIN, BRIGHTNESS = 12, 64, 22.0, 4.0, 1.0
SNR = (20, 10, 5)
RATIO = 4  # pixels from slice to slice
NAMES = {"consistency": "slice consistency {:g}", "noise_reduction": "noise reduction {:g}"}


def scanned(snr, rng):
    """Slices (n, h, w) of a disk, and where tissue and background are, both (h, w)."""
    along = np.arange(SIZE) - (SIZE - 1) / 2
    radius = np.hypot(along[:, None], along)
    sigma = BRIGHTNESS / snr
    real, imaginary = sigma * rng.standard_normal((2, SLICES, SIZE, SIZE))
    magnitude = np.hypot(BRIGHTNESS * (radius < RADIUS) + real, imaginary).astype(np.float32)
    return magnitude, radius < RADIUS - MARGIN, radius > RADIUS + MARGIN


def drawn(model, slices, options):
    """The slices in place, by a model for pixels, or as many as there are pixels between them, by one for stacks."""
    if is_of_stacks(model.card):
        return through_plane(
            slices, Samples.over(SLICES, RATIO * SLICES).positions(), model, pixel=1 / RATIO, **options
        )
    along = Samples.pixels(SIZE)
    return model.represent(slices[:, None], (0.0, BRIGHTNESS), **options).rasterize(rows=along, columns=along)[:, 0]


def changes(model, snr, options):
    """Of the mean of tissue, as a share of it, and of that of the background, in standard deviations of the noise."""
    slices, tissue, background = scanned(snr, np.random.default_rng(0))
    result = drawn(model, slices, options)
    of_tissue = result[:, tissue].mean() / slices[:, tissue].mean() - 1
    return of_tissue, (result[:, background].mean() - slices[:, background].mean()) * snr / BRIGHTNESS


def settings(card):
    """What a model is run with."""
    if is_of_stacks(card):
        return [{"consistency": 0.5}, {"consistency": 1.0}]
    return [{"noise_reduction": share} for share in ((0.0, 1.0) if reduces_noise(card) else (0.0,))]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", nargs="+", default=["mri", "mri-fast", "mri-slices"])
    arguments = parser.parse_args()
    rows = []
    for name in arguments.model:
        model = load_model(name)
        for options in settings(model.card):
            cells = []
            for snr in SNR:
                of_tissue, of_background = changes(model, snr, options)
                cells.append(f"{100 * of_tissue:+.2f} %, {of_background:+.2f}")
            ((option, value),) = options.items()
            rows.append([name, NAMES[option].format(value), *cells])
    print("Change of the mean of tissue, and of that of the background in standard deviations of the noise.\n")
    print(markdown_table(["Model", "", *(f"SNR {snr}" for snr in SNR)], rows))


if __name__ == "__main__":
    try:
        main()
    except ValueError as error:
        sys.exit(f"noise_brightness: error: {error}")
