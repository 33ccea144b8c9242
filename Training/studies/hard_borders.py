"""How bright a rim models draw where an image ends at a constant without any transition, as at the border of a circular
field of view, or of a mask.

    python -m NExpRTraining.studies.hard_borders VOLUME ...

prints a table of all models in the package, and of the cubic B-spline. The middle slice of each volume is cut at a
circle beyond which it holds a constant: its lowest intensity, and one intensity range below it. The slice as it is
shows how far results overshoot at edges inside the image.
"""

import sys

import numpy as np
from scipy.ndimage import maximum_filter

from ..markdown import markdown_table
from .volumes import doubling_methods, volumes_of_shell, whole_slice


def cut_slices(image):
    """The middle slice of a volume with both constants beyond the circle: two arrays."""
    pixels = whole_slice(image)
    height, width = pixels.shape
    radius = np.hypot(*np.ogrid[-height / 2 + 0.5 : height / 2, -width / 2 + 0.5 : width / 2])
    inside = radius < 0.3 * min(height, width)
    return [np.where(inside, pixels, constant) for constant in (pixels[inside].min(), -1.0)]


def rim(pixels, result):
    """How far each pixel (H, W) of a result at 2x exceeds all of the 5 x 5 pixels about it in the input, at least 0."""
    highest = maximum_filter(pixels, 5).repeat(2, axis=0).repeat(2, axis=1)
    return np.maximum(result - highest, 0)


def main(volumes):
    methods = doubling_methods()
    rows = []
    for name, image in volumes:
        slices = whole_slice(image), *cut_slices(image)
        for pixels, constant in zip(slices, ("not cut", "lowest", "far below")):
            rims = [rim(pixels, method(pixels)) for method in methods.values()]
            rows.append([name, constant, *(f"{x.max():.3f} ({np.sum(x > 0.1)})" for x in rims)])
    print("Largest overshoot in parts of the intensity range (number of pixels above 0.1)\n")
    print(markdown_table(["Volume", "Constant", *methods], rows))


if __name__ == "__main__":
    main(volumes_of_shell(sys.modules[__name__]))
