"""What becomes of MRI that the scanner has interpolated already, by zero-filling k-space.

    python -m NExpRTraining.studies.interpolated_by_scanner VOLUME ...

prints a table: half of k-space of the middle slice of each volume is taken as measured, along both axes, and all
results are compared with the slice. To a network, an interpolated image is one without detail, so it adds none.
Resampled to the pixels that were measured (cubic B-spline, as in Slicer's module Resample Scalar/Vector/DWI Volume), it
is what networks know, and nothing is lost, because it holds nothing beyond the measured band.
"""

import sys

import numpy as np
import SimpleITK as sitk

from NExpRLib import load_model
from NExpRLib.kspace import kspace_crop, zero_fill

from ..evaluation.metrics import psnr
from ..markdown import markdown_table
from .volumes import middle_slice, volumes_of_shell


def resampled(pixels, shape):
    """Pixels (h, w) at fewer positions, the first of which stays in place."""
    image = sitk.GetImageFromArray(pixels)
    spacing = [n / m for n, m in zip(pixels.shape[::-1], shape[::-1])]
    size, identity = [int(n) for n in shape[::-1]], sitk.Transform()
    return sitk.GetArrayFromImage(
        sitk.Resample(image, size, identity, sitk.sitkBSpline, image.GetOrigin(), spacing, image.GetDirection())
    )


def main(volumes):
    model = load_model("mri")
    rows = []
    for name, image in volumes:
        truth = middle_slice(image).astype(np.float32).clip(0, 1)
        measured_shape = [n // 2 for n in truth.shape]
        measured = kspace_crop(truth, measured_shape)
        interpolated = zero_fill(measured, truth.shape, (0, 0)).astype(np.float32)
        results = [interpolated]
        for pixels in (interpolated, resampled(interpolated, measured_shape), measured):
            results.append(model.represent(pixels, (0, 1)).rasterize(shape=truth.shape, grid="kspace"))
        rows.append([name, *(f"{psnr(np.clip(result, 0, 1), truth):.2f}" for result in results)])
    columns = ["interpolated by the scanner", "then NExpR", "then resampled, then NExpR", "NExpR on what was measured"]
    print("PSNR in dB\n")
    print(markdown_table(["Volume", *columns], rows))


if __name__ == "__main__":
    main(volumes_of_shell(sys.modules[__name__]))
