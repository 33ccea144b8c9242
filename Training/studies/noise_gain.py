"""How strong the noise of an input is in the result.

    python -m NExpRTraining.studies.noise_gain VOLUME ...

prints a table of all models in the package, and of the cubic B-spline: white noise is added to the middle slice of each
volume, and what it adds to the result at 2x is divided by it (standard deviations). A method that keeps all spatial
frequencies of the input as they are has 1.
"""

import sys

import numpy as np

from ..markdown import markdown_table
from .volumes import doubling_methods, middle_slice, volumes_of_shell

STANDARD_DEVIATIONS = (0.005, 0.02, 0.08)  # of the noise, in parts of the intensity range


def noise_gain(restore, pixels, deviation):
    """:param restore: function from a slice (h, w) to the result at 2x."""
    noise = deviation * np.random.default_rng(0).standard_normal(pixels.shape)
    return np.std(restore(pixels + noise) - restore(pixels)) / deviation


def main(volumes):
    methods = doubling_methods(intensity_range=(0, 1))
    rows = []
    for name, image in volumes:
        pixels = middle_slice(image).astype(np.float64)
        for deviation in STANDARD_DEVIATIONS:
            gains = [f"{noise_gain(restore, pixels, deviation):.2f}" for restore in methods.values()]
            rows.append([name, f"{deviation:.1%}", *gains])
    print("Noise in the result at 2x, in parts of the noise in the input\n")
    print(markdown_table(["Volume", "Noise", *methods], rows))


if __name__ == "__main__":
    main(volumes_of_shell(sys.modules[__name__]))
