"""How strong the noise of an input is in the result.

    python -m NExpRTraining.studies.noise_gain VOLUME ...

prints a table of all models in the package, and of the cubic B-spline: white noise is added to the middle slice of each
volume, and what it adds to the result at 2x is divided by it (standard deviations). A method that keeps all spatial
frequencies of the input as they are has 1.
"""

import sys
from pathlib import Path

import numpy as np

from NExpRLib import load_model
from NExpRLib.model_card import model_names

from ..evaluation.markdown import markdown_table
from .hard_borders import spline
from .intensity_ranges import middle_slice

STANDARD_DEVIATIONS = (0.005, 0.02, 0.08)  # of the noise, in parts of the intensity range


def noise_gain(restore, pixels, deviation):
    """:param restore: function from a slice (h, w) to the result at 2x."""
    noise = deviation * np.random.default_rng(0).standard_normal(pixels.shape)
    return np.std(restore(pixels + noise) - restore(pixels)) / deviation


def main(paths):
    methods = {"Cubic B-spline": spline}
    for name in model_names():
        model = load_model(name)
        methods[name] = lambda pixels, model=model: model.represent(pixels, (0, 1)).rasterize(2)
    rows = []
    for path in paths:
        pixels = middle_slice(path).astype(np.float64)
        for deviation in STANDARD_DEVIATIONS:
            gains = [f"{noise_gain(restore, pixels, deviation):.2f}" for restore in methods.values()]
            rows.append([Path(path).name, f"{deviation:.1%}", *gains])
    print("Noise in the result at 2x, in parts of the noise in the input\n")
    print(markdown_table(["Volume", "Noise", *methods], rows))


if __name__ == "__main__":
    main(sys.argv[1:])
