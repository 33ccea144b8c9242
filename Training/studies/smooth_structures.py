"""Whether smooth structures stay as bright as they are, and where they are.

A round blob, Gaussian and smooth enough to be known from its pixels, may be taken for a point that the scanner has
filtered, and be sharpened: most of all where no noise tells that nothing was filtered.

Run: ``python -m NExpRTraining.studies.smooth_structures [--model mri ...]``
"""

import argparse
import sys

import numpy as np

from NExpRLib.function.samples import Samples
from NExpRLib.model import load_model

from ..markdown import markdown_table

SIZE, CENTER, BACKGROUND, HEIGHT, SCALE = 64, (30.3, 31.7), 0.2, 0.7, 4
SIGMAS = (1.0, 1.5, 2.0, 3.0)  # pixels
NOISE = (0.0, 0.005, 0.02)  # of the range from 0 to 1
DRAWS = 8


def blob(rows, columns, sigma):
    """A blob on a constant background at positions in pixels: (H, W)."""
    r, c = (np.exp(-((p - center) ** 2) / (2 * sigma**2)) for p, center in zip((rows, columns), CENTER))
    return BACKGROUND + HEIGHT * np.outer(r, c)


def height_and_shift(model, sigma, noise, rng):
    """Height of the drawn blob at its center, as a share of the true one, and how far it moved, in pixels."""
    pixels = np.arange(SIZE)
    low = (blob(pixels, pixels, sigma) + noise * rng.standard_normal((SIZE, SIZE))).astype(np.float32)
    image = model.represent(low, (0.0, 1.0))
    (peak,) = image.rasterize(rows=CENTER[:1], columns=CENTER[1:])[0]
    along = Samples.over(SIZE, SCALE * SIZE).positions()
    weights = image.rasterize(rows=along, columns=along) - BACKGROUND
    near = np.hypot(along[:, None] - CENTER[0], along - CENTER[1]) < 4 * sigma
    weights = np.where(near, weights, 0)
    moved = [(weights.sum(axis=1 - axis) @ along) / weights.sum() - CENTER[axis] for axis in (0, 1)]
    return (peak - BACKGROUND) / HEIGHT, np.hypot(*moved)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", nargs="+", default=["mri", "mri-fast", "ct", "ct-fast"])
    arguments = parser.parse_args()
    rows = []
    for name in arguments.model:
        model = load_model(name)
        for noise in NOISE:
            cells = []
            for sigma in SIGMAS:
                rng = np.random.default_rng(0)
                found = [height_and_shift(model, sigma, noise, rng) for _ in range(DRAWS if noise else 1)]
                height, shift = np.mean(found, axis=0)
                cells.append(f"{height:.3f}" if noise else f"{height:.3f}, {shift:.4f}")
            rows.append([name, f"{100 * noise:g} %", *cells])
    print("Height of the blob, as a share of the true one; without noise, also how far it moved, in pixels.\n")
    print(markdown_table(["Model", "Noise", *(f"Standard deviation {s:g} pixels" for s in SIGMAS)], rows))


if __name__ == "__main__":
    try:
        main()
    except ValueError as error:
        sys.exit(f"smooth_structures: error: {error}")
