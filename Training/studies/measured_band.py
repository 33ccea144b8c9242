"""How well the measured band is recognized: scans simulated from slices that were measured in full.

    python -m NExpRTraining.studies.measured_band VOLUME ...

Of each scan, a share of 0.45 to 0.97 of k-space is measured along either axis, with complex noise at an SNR (mean of
the object over noise) of 6 to 60, a smooth phase, and one of the windows below; it is stored as magnitude with 256 to
512 pixels along either axis, rounded or not, whole, in part, masked or defaced, in 1, 3 or 8 slices.
It prints the share of axes whose edge is found within 3 % of the Nyquist frequency.
"""

import sys

import numpy as np

from NExpRLib.volumes.measured_band import measured_edge, spectra
from NExpRLib.volumes.volume import Volume

from ..markdown import markdown_table
from .volumes import volumes_of_shell

SCANS = 60  # of each volume
SHARP = ("box", "ellipse", "6/8 partial Fourier", "7/8 partial Fourier", "Fermi")
WINDOWS = (*SHARP, "Hann")
VARIANTS = ("whole", "whole", "masked", "defaced", "part")
# The scanner's own filter has rounded the spectra of the slices beyond.
_OBJECT = 0.85


def window_of(kind, size, generator):
    """Window (h, w) over centered k-space."""
    along = [np.abs((np.arange(n) - n // 2) / (n / 2)) for n in size]
    signed = [(np.arange(n) - n // 2) / (n / 2) for n in size]
    windows = [np.ones(n) for n in size]
    if kind == "ellipse":
        return np.add.outer(along[0] ** 2, along[1] ** 2) <= 1
    if "partial" in kind:
        axis = generator.integers(2)
        windows[axis] = signed[axis] >= (-0.5 if kind.startswith("6") else -0.75)
    elif kind == "Fermi":  # Radius and width of a common implementation: at the edge, and 10 of 256 samples.
        windows = [1 / (1 + np.exp((k - 1) / 0.078)) for k in along]
    elif kind == "Hann":
        windows = [0.5 + 0.5 * np.cos(np.pi * k) for k in along]
    return np.multiply.outer(*windows)


def to_kspace(image):
    """Centered k-space (..., H, W), scaled so that mean intensities do not depend on its size."""
    size = image.shape[-2] * image.shape[-1]
    return np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(image, axes=(-2, -1))), axes=(-2, -1)) / size


def to_image(kspace):
    """Inverse of :func:`to_kspace`."""
    size = kspace.shape[-2] * kspace.shape[-1]
    return np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(kspace, axes=(-2, -1))), axes=(-2, -1)) * size


def resized(kspace, size):
    """Centered k-space cropped or padded with zeros to (h, w)."""
    for axis, n in zip((-2, -1), size):
        old = kspace.shape[axis]
        if n <= old:
            kspace = np.take(kspace, range(old // 2 - n // 2, old // 2 - n // 2 + n), axis=axis)
        else:
            padding = [(0, 0)] * kspace.ndim
            padding[axis] = (n // 2 - old // 2, n - old - (n // 2 - old // 2))
            kspace = np.pad(kspace, padding)
    return kspace


def smooth_phase(shape, generator):
    """Phase factor (h, w): a polynomial of second degree."""
    y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    a, b, c, d, e = generator.normal(size=5) * (1.5, 1.5, 0.8, 0.8, 0.8)
    return np.exp(1j * (a * x + b * y + c * x * y + d * x**2 + e * y**2))


def scan(slices, measured, stored, snr, kind, generator):
    """Magnitude (n, H, W) that a scanner stores of slices (n, h, w)."""
    kspace = to_kspace(slices * smooth_phase(slices.shape[-2:], generator))
    kspace = resized(resized(kspace, [int(_OBJECT * n) for n in slices.shape[-2:]]), measured)
    image = np.abs(to_image(kspace))
    sigma = image[image > 0.1 * np.percentile(image, 99)].mean() / snr
    noise = generator.normal(size=(2, *kspace.shape)) * sigma / np.sqrt(measured[0] * measured[1])
    kspace = (kspace + noise[0] + 1j * noise[1]) * window_of(kind, measured, generator)
    return np.abs(to_image(resized(kspace, stored)))


def as_delivered(pixels, variant, values, generator):
    """What becomes of pixels (n, H, W) later."""
    h, w = pixels.shape[-2:]
    if variant == "masked":
        y, x = np.meshgrid(np.linspace(-1, 1, h), np.linspace(-1, 1, w), indexing="ij")
        a, b = generator.uniform(0.5, 0.8, 2)
        pixels = pixels * ((y / a) ** 2 + (x / b) ** 2 < 1)
    elif variant == "defaced":
        pixels = pixels.copy()
        pixels[:, : int(h * generator.uniform(0.15, 0.35)), : int(w * generator.uniform(0.3, 0.6))] = 0
    elif variant == "part":
        (top, left), (bottom, right) = generator.uniform(0.05, 0.2, 2), generator.uniform(0.8, 0.95, 2)
        pixels = pixels[:, int(h * top) : int(h * bottom), int(w * left) : int(w * right)]
    return pixels if values is None else np.round(pixels * (values / pixels.max()))


def edges_found(slices, scans, generator):
    """:return: list of (window, SNR, edge - truth, whether it is found filtered), two per scan."""
    found = []
    for _ in range(scans):
        count = int(generator.choice([1, 3, 8]))
        first = generator.integers(0, max(1, len(slices) - count + 1))
        shares = generator.uniform(0.45, 0.97, size=2)
        # No more is measured than the slices hold: objects do not end below the edge of the measured band.
        largest = np.minimum(512, _OBJECT * np.array(slices.shape[1:]) / shares).astype(int)
        stored = generator.integers(np.minimum(256, largest), largest + 1)
        measured = np.round(stored * shares).astype(int)
        kind, snr = str(generator.choice(WINDOWS)), float(np.exp(generator.uniform(np.log(6), np.log(60))))
        pixels = scan(slices[first : first + count], measured, stored, snr, kind, generator)
        values = generator.choice([None, 255, 1000, 4000])
        pixels = as_delivered(pixels, str(generator.choice(VARIANTS)), values, generator)
        for spectrum, m, n in zip(spectra(pixels), measured, stored):
            edge = measured_edge(spectrum)
            found.append((kind, snr, edge.share - m / n, edge.filtered))
    return found


def right(found, kinds, lowest_snr=6):
    """Share of edges that are found, as text."""
    errors = [abs(error) for kind, snr, error, _ in found if kind in kinds and snr >= lowest_snr]
    return f"{np.mean(np.array(errors) < 0.03):.1%} of {len(errors)}" if errors else "-"


def main():
    volumes = volumes_of_shell(sys.modules[__name__])
    generator, everything, rows = np.random.default_rng(0), [], []
    for name, image in volumes:
        slices = Volume.from_image(image).slices(2)
        margin = len(slices) // 6
        found = edges_found(slices[margin : len(slices) - margin].astype(np.float64), SCANS, generator)
        rows.append([name, *(right(found, [kind]) for kind in SHARP), right(found, SHARP)])
        everything += found
    print(markdown_table(["Volume", *SHARP, "all"], rows))
    print(
        f"\nAll volumes: {right(everything, SHARP)} axes at SNR 6 and above, {right(everything, SHARP, 20)} at SNR 20."
    )
    for kind in SHARP:
        print(f"{kind}: {right(everything, [kind])}, {right(everything, [kind], 20)} at SNR 20 and above.")
    for kind in WINDOWS:
        filtered = [f for window, snr, _, f in everything if window == kind and snr >= 20]
        if filtered:
            print(f"{kind}: {np.mean(filtered):.1%} of {len(filtered)} found filtered at SNR 20 and above.")


if __name__ == "__main__":
    main()
