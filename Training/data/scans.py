"""What scanners make of a slice: fewer pixels, k-space or a kernel that filters, and noise.

``scan.acquired(image, rng)`` gives the stored slice (h, w) of a slice (H, W) from 0 to 1, and what a network is to make
of it, (H, W); all are float32. ``scan.told`` says whether the network is told the noise that is measured in the stored
slice, to remove it; otherwise it is told that there is none, and is to keep what there is.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.ndimage import gaussian_filter

from NExpRLib.function.interpolant import interpolate, prefilter
from NExpRLib.function.samples import scaled_size
from NExpRLib.kspace import kspace_crop, zero_fill

from .degradation import degrade, truth_positions


@dataclass(frozen=True)
class MRScan:
    """How an MRI scanner acquires a slice: k-space is bounded, filtered and noisy, and a magnitude is stored.

    :ivar shape: (h, w), measured pixels.
    :ivar window: one of :attr:`WINDOWS`. 3D sequences often measure the ellipse only; Hann and Fermi filter all of
        k-space; partial Fourier leaves out ``missing`` of it along rows.
    :ivar missing: share of k-space, 0 to 1/4.
    :ivar floor: weight that a Hann window has at the border, at least.
    :ivar sigma: standard deviation of either channel of the noise before the window, in intensities.
    :ivar smoothness: standard deviation, in measured pixels, of a Gaussian that what is scanned is smoothed by. No
        scanner filters like this without leaving noise: what looks so is to stay smooth.
    """

    WINDOWS: ClassVar = ("box", "ellipse", "hann", "fermi", "partial fourier")

    shape: tuple[int, int]
    window: str = "box"
    missing: float = 0.0
    sigma: float = 0.0
    floor: float = 0.08
    smoothness: float = 0.0
    told: bool = False

    def acquired(self, image, rng):
        """Phase and noise are drawn."""
        if self.smoothness:
            image = gaussian_filter(
                image, [self.smoothness * n / m for n, m in zip(image.shape, self.shape)], mode="wrap"
            )
        if self.window == "box" and not self.sigma:
            return kspace_crop(image, self.shape), image
        spectrum = np.fft.fft2(image * np.exp(1j * smooth_phase(image.shape, rng)), norm="forward")
        for axis, (size, measured) in enumerate(zip(image.shape, self.shape)):
            kept = np.fft.fftfreq(measured, 1 / measured).astype(int) % size
            spectrum = spectrum.take(kept, axis)
        real, imaginary = self.sigma / np.sqrt(np.prod(self.shape)) * rng.standard_normal((2, *self.shape))
        clean, noisy = (
            np.abs(np.fft.ifft2(measured * self._weights(), norm="forward")).astype(np.float32)
            for measured in (spectrum, spectrum + real + 1j * imaginary)
        )
        return noisy, image if self.told else image + zero_fill(noisy - clean, image.shape)

    def _weights(self):
        """Factors (h, w) of k-space, in the order of the FFT."""
        rows, columns = (2 * np.fft.fftfreq(n) for n in self.shape)  # -1 to 1 is what was measured.
        radius = np.hypot(rows[:, None], columns)
        if self.window == "ellipse":
            return (radius <= 1).astype(float)
        if self.window == "hann":
            hann = np.outer(np.cos(np.pi / 2 * rows) ** 2, np.cos(np.pi / 2 * columns) ** 2)
            return self.floor + (1 - self.floor) * hann
        if self.window == "fermi":
            return 1 / (1 + np.exp((radius - 0.9) / 0.05))
        if self.window == "partial fourier":
            return np.broadcast_to((rows >= 2 * self.missing - 1)[:, None], self.shape).astype(float)
        return np.ones(self.shape)


def draw_mr_scan(shape, scales, smallest, rng):
    """An MRI scan as clinics do them.

    :param shape: (H, W) of the slice.
    :param scales: lowest and highest, along an axis; one of both is at most 2.5 times the other.
    :param smallest: fewest pixels along an axis.
    """
    low, high = scales
    first = rng.uniform(low, high)
    second = first if rng.random() < 0.5 else rng.uniform(max(low, first / 2.5), min(high, first * 2.5))
    measured = tuple(max(smallest, scaled_size(n, 1 / scale)) for n, scale in zip(shape, (first, second)))
    kind = rng.random()
    if kind < 0.4:
        return MRScan(measured)  # Most is to be had of these.
    if kind < 0.48:
        return MRScan(measured, smoothness=0.6 * 8 ** rng.random())
    window = str(rng.choice(MRScan.WINDOWS, p=(0.5, 0.18, 0.04, 0.05, 0.23)))
    missing = rng.uniform(0.1, 0.25) if window == "partial fourier" else 0.0
    sigma = 0.0 if rng.random() < 0.3 else 0.08 * rng.random() ** 1.5
    # A network that has learned to undo strong filters overshoots at the edges of images that only look filtered.
    floor = rng.uniform(0.4, 0.9)
    return MRScan(measured, window, missing, sigma, floor, told=rng.random() < (0.7 if sigma else 0.5))


def smooth_phase(shape, rng):
    """Phase (H, W) in radians that varies slowly, as coils and the field make it."""
    rows, columns = (np.linspace(-1, 1, n) for n in shape)
    constant, linear, quadratic, mixed = rng.standard_normal((4, 2)) * ((np.pi,), (1.0,), (0.5,), (0.5,))
    along_rows, along_columns = (linear[i] * u + quadratic[i] * u**2 for i, u in enumerate((rows, columns)))
    return constant[0] + np.add.outer(along_rows, along_columns) + mixed[0] * np.outer(rows, columns)


@dataclass(frozen=True)
class CTScan:
    """How a CT scanner reconstructs a slice: the kernel blurs it and gives the noise its color.

    :ivar shape: (h, w), pixels.
    :ivar blur: standard deviation of the kernel, in pixels.
    :ivar sigma: standard deviation of the noise, in intensities.
    :ivar ramp: whether the noise has the color of filtered back-projection, not that of the kernel alone.
    """

    shape: tuple[int, int]
    blur: float = 0.0
    sigma: float = 0.0
    ramp: bool = True
    told: bool = False

    def acquired(self, image, rng):
        """The noise is drawn."""
        low = degrade(image, self.shape, "bicubic")
        if self.blur:
            low = gaussian_filter(low, self.blur, mode="nearest")
        if not self.sigma:
            return low, image
        radius = np.hypot(np.fft.fftfreq(self.shape[0])[:, None], np.fft.rfftfreq(self.shape[1]))
        noise = np.fft.irfft2(np.fft.rfft2(rng.standard_normal(self.shape)) * self._color(radius), s=self.shape)
        noise = (self.sigma / noise.std() * noise).astype(np.float32)
        if not self.told:
            positions = truth_positions(self.shape, image.shape, "bicubic")
            image = image + interpolate(prefilter(noise, "bspline"), *positions, "bspline")
        return low + noise, image

    def _color(self, radius):
        """Amplitude of the noise at radii in cycles per pixel."""
        blur = np.exp(-2 * (np.pi * self.blur * radius) ** 2)
        return blur * np.sqrt(np.minimum(radius, 0.5)) if self.ramp else blur


def draw_ct_scan(shape, scales, smallest, rng):
    """A CT scan as clinics do them; parameters as of :func:`draw_mr_scan`."""
    scale = rng.uniform(*scales)
    size = tuple(max(smallest, scaled_size(n, 1 / scale)) for n in shape)
    if rng.random() < 0.4:
        return CTScan(size)
    blur = 0.0 if rng.random() < 0.5 else rng.uniform(0, 0.5)
    sigma = 0.0 if rng.random() < 0.2 else 0.12 * rng.random() ** 2
    return CTScan(size, blur, sigma, ramp=rng.random() < 0.7, told=rng.random() < 0.5)


DRAWS = {"kspace": draw_mr_scan, "bicubic": draw_ct_scan}
