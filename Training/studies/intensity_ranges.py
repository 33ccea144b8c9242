"""How much the result depends on the intensities that a network sees as 0 and 1: a volume has brighter ones than its
robust range, such as metal in CT or fat beside a coil in MRI, and a crop of the volume has another range.

    python -m NExpRTraining.studies.intensity_ranges VOLUME ...

prints a table of all models in the package: PSNR in dB of the middle slice of each volume, reduced as the model's
training data was and restored at 2x, when all of its intensities are seen as 0 to 1, or only a part of them.
"""

import sys

from NExpRLib import load_model
from NExpRLib.model_card import model_cards

from ..data.degradation import degrade, grid_of
from ..evaluation.metrics import psnr
from ..markdown import markdown_table
from .volumes import middle_slice, volumes_of_shell

SEEN_AS_0_TO_1 = {"all": (0, 1), "lower half": (0, 0.5), "lower quarter": (0, 0.25), "upper half": (0.5, 1)}


def restored(model, truth, seen):
    """The slice reduced to half as many rows and columns and restored, intensities ``seen`` = (low, high) as 0 to 1."""
    degradation = model.card["degradation"]
    low = degrade(truth, [n // 2 for n in truth.shape], degradation)
    image = model.represent(low, seen, periodic=degradation == "kspace")
    return image.rasterize(shape=truth.shape, grid=grid_of(degradation))


def main(volumes):
    models = [load_model(name) for name in model_cards()]
    rows = []
    for name, image in volumes:
        truth = middle_slice(image)
        for model in models:
            values = [f"{psnr(restored(model, truth, seen), truth):.2f}" for seen in SEEN_AS_0_TO_1.values()]
            rows.append([name, model.card["name"], *values])
    print("PSNR in dB at 2x, for the intensities that the network sees as 0 to 1\n")
    print(markdown_table(["Volume", "Model", *SEEN_AS_0_TO_1], rows))


if __name__ == "__main__":
    main(volumes_of_shell(sys.modules[__name__]))
