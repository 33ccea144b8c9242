"""What becomes of MRI that the scanner has interpolated already, by zero-filling k-space.

    python -m NExpRTraining.studies.interpolated_by_scanner VOLUME ...

prints a table. Half of k-space of the three middle slices of each volume is measured along both axes, with a smooth
phase and with noise of 0, 1.5 and 3 % of the intensity range, and stored as magnitude with 1.5 times the measured
pixels. Drawn on the grid of the volume: PSNR of a cubic B-spline of the stored pixels, and what NExpR (``mri``) gains
over that when it takes the pixels as stored, as recognized, and as named by hand.
"""

import sys

import numpy as np
import SimpleITK as sitk

from NExpRLib import load_model, upsample
from NExpRLib.intensity import robust_range

from ..evaluation.metrics import psnr
from ..markdown import markdown_table
from .measured_band import resized, smooth_phase, to_image, to_kspace
from .volumes import volumes_of_shell

NOISE = (0.0, 0.015, 0.03)  # shares of the intensity range
COLUMNS = ["Volume", "Noise", "Cubic B-spline", "as stored", "recognized", "named"]


def stored_by_scanner(truth, noise, generator):
    """The image that a scanner stores of a volume.

    :param truth: SimpleITK image of slices across k, 3D.
    :param noise: standard deviation in a measured pixel, in the intensities of the image.
    """
    slices = sitk.GetArrayFromImage(truth)
    full = slices.shape[1:]
    measured = [n // 2 for n in full]
    stored = [round(1.5 * m) for m in measured]
    kspace = resized(to_kspace(slices * smooth_phase(full, generator)), measured)
    real, imaginary = generator.normal(size=(2, *kspace.shape)) * noise / np.sqrt(np.prod(measured))
    image = sitk.GetImageFromArray(np.abs(to_image(resized(kspace + real + 1j * imaginary, stored))).astype(np.float32))
    # The center of k-space images is pixel n // 2, whatever their size.
    steps = [n / m for n, m in zip(full, stored)]
    rows, columns = (n // 2 - (m // 2) * step for n, m, step in zip(full, stored, steps))
    x, y, z = truth.GetSpacing()
    image.SetSpacing((x * steps[1], y * steps[0], z))
    image.SetOrigin((x * columns, y * rows, 0))
    return image


def main(volumes):
    model = load_model("mri")
    rows = []
    for name, image in volumes:
        slices = sitk.GetArrayFromImage(image).astype(np.float32)
        middle = len(slices) // 2
        slices = slices[max(0, middle - 1) : middle + 2]
        low, high = robust_range(slices)
        truth = sitk.GetImageFromArray(slices)
        truth.SetSpacing(image.GetSpacing())
        by_hand = [mm * n / (n // 2) for mm, n in zip(image.GetSpacing()[1::-1], slices.shape[1:])]

        def quality(result, slices=slices, low=low, high=high):
            shares = [
                np.clip((pixels - low) / (high - low), 0, 1) for pixels in (sitk.GetArrayFromImage(result), slices)
            ]
            return psnr(*shares)

        for noise in NOISE:
            stored = stored_by_scanner(truth, noise * (high - low), np.random.default_rng(0))
            spline = quality(sitk.Resample(stored, truth, sitk.Transform(), sitk.sitkBSpline))
            gains = [
                quality(upsample(stored, like=truth, plane=2, measured=measured, model=model)) - spline
                for measured in ("stored", "auto", by_hand)
            ]
            rows.append([name, f"{noise:.1%}", f"{spline:.2f}", *(f"{gain:+.2f}" for gain in gains)])
    print("PSNR of the B-spline, and gains over it, in dB\n")
    print(markdown_table(COLUMNS, rows))


if __name__ == "__main__":
    main(volumes_of_shell(sys.modules[__name__]))
