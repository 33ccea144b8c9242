"""How bright a rim models draw where an image ends at a constant without any transition, as at the border of a circular
field of view, or of a mask.

    python -m NExpRTraining.studies.hard_borders VOLUME ...

prints a table of all models in the package, and of the cubic B-spline. The middle slice of each volume is cut at a
circle beyond which it holds a constant: its lowest intensity, and one intensity range below it. The slice as it is
shows how far results overshoot at edges inside the image.
"""

import sys
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy.ndimage import maximum_filter

from NExpRLib import load_model
from NExpRLib.intensity import robust_range
from NExpRLib.model_card import model_names

from ..evaluation.markdown import markdown_table
from ..evaluation.restorers import classical_methods


def whole_slice(path):
    """The middle slice of a volume: float64 array, intensities in parts of its range."""
    image = sitk.GetArrayFromImage(sitk.ReadImage(path))
    low, high = robust_range(image)
    return (image[len(image) // 2] - low) / (high - low)


def cut_slices(path):
    """The same with both constants: two arrays."""
    pixels = whole_slice(path)
    height, width = pixels.shape
    radius = np.hypot(*np.ogrid[-height / 2 + 0.5 : height / 2, -width / 2 + 0.5 : width / 2])
    inside = radius < 0.3 * min(height, width)
    return [np.where(inside, pixels, constant) for constant in (pixels[inside].min(), -1.0)]


def spline(pixels):
    """Twice as many rows and columns by a cubic B-spline."""
    return classical_methods("bicubic")["Cubic B-spline"](pixels, [2 * n for n in pixels.shape])


def rim(pixels, result):
    """How far each pixel (H, W) of a result at 2x exceeds all of the 5 x 5 pixels about it in the input, at least 0."""
    highest = maximum_filter(pixels, 5).repeat(2, axis=0).repeat(2, axis=1)
    return np.maximum(result - highest, 0)


def main(paths):
    methods = {"Cubic B-spline": spline}
    for name in model_names():
        model = load_model(name)
        methods[name] = lambda pixels, model=model: model.represent(pixels).rasterize(2)
    rows = []
    for path in paths:
        slices = whole_slice(path), *cut_slices(path)
        for pixels, constant in zip(slices, ("not cut", "lowest", "far below")):
            rims = [rim(pixels, method(pixels)) for method in methods.values()]
            rows.append([Path(path).name, constant, *(f"{x.max():.3f} ({np.sum(x > 0.1)})" for x in rims)])
    print("Largest overshoot in parts of the intensity range (number of pixels above 0.1)\n")
    print(markdown_table(["Volume", "Constant", *methods], rows))


if __name__ == "__main__":
    main(sys.argv[1:])
