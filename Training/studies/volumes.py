"""What the studies share: volumes named in the shell, the middle slice of each, and methods that double its size."""

import argparse
from pathlib import Path

import SimpleITK as sitk

from NExpRLib import load_model
from NExpRLib.intensity import robust_range
from NExpRLib.model_card import model_cards

from ..evaluation.metrics import normalized_slices
from ..evaluation.restorers import classical_methods
from ..files.volume_files import read_volume


def volumes_of_shell(module):
    """Volumes that are named in the shell: ``[(name, SimpleITK image), ...]``. Help is the module's docstring."""
    program = f"python -m NExpRTraining.studies.{Path(module.__file__).stem}"
    parser = argparse.ArgumentParser(
        prog=program,
        usage=f"{program} VOLUME ...",
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("volumes", nargs="+", metavar="VOLUME", help="file, or folder of a DICOM series")
    try:
        return [(Path(path).name, read_volume(path)) for path in parser.parse_args().volumes]
    except ValueError as error:
        parser.exit(2, f"{parser.prog}: error: {error}\n")


def middle_slice(image):
    """The middle slice of a volume: float32 in [0, 1], from its robust range."""
    pixels = sitk.GetArrayFromImage(image)
    return normalized_slices(pixels)[len(pixels) // 2]


def whole_slice(image):
    """The same with all of its intensities: float64, in parts of the range."""
    pixels = sitk.GetArrayFromImage(image)
    low, high = robust_range(pixels)
    return (pixels[len(pixels) // 2] - low) / (high - low)


def spline(pixels):
    """Twice as many rows and columns by a cubic B-spline."""
    return classical_methods("bicubic")["Cubic B-spline"](pixels, [2 * n for n in pixels.shape])


def doubling_methods(intensity_range=None):
    """``{name: function}`` from a slice (h, w) to the result at 2x: the cubic B-spline, and all models in the package.

    :param intensity_range: that models see as 0 and 1; the robust range of the slice, if left out.
    """
    models = {name: load_model(name) for name in model_cards()}
    of_models = {
        name: lambda pixels, model=model: model.represent(pixels, intensity_range).rasterize(2)
        for name, model in models.items()
    }
    return {"Cubic B-spline": spline, **of_models}
