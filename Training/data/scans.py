"""What scanners make of a slice: fewer pixels, k-space or a kernel that filters, and noise."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from NExpRLib.function.samples import scaled_size
from NExpRLib.kspace import kspace_crop

from .degradation import truth_positions


@dataclass(frozen=True)
class MRScan:
    """How an MRI scanner acquires a slice: k-space is bounded, filtered and noisy, and a magnitude is stored.

    :ivar shape: (h, w), measured pixels.
    :ivar window: one of :attr:`WINDOWS`. 3D sequences often measure the ellipse only; Hann and Fermi filter all of
        k-space; partial Fourier leaves out ``missing`` of it along rows.
    :ivar missing: share of k-space, 0 to 1/4.
    :ivar sigma: standard deviation of either channel of the noise before the window, in intensities.
    """

    WINDOWS: ClassVar = ("box", "ellipse", "hann", "fermi", "partial fourier")

    shape: tuple[int, int]
    window: str = "box"
    missing: float = 0.0
    sigma: float = 0.0

    @property
    def noise(self):
        """Standard deviation of the noise in the stored slice, where the signal is much larger."""
        return self.sigma * float(np.sqrt(np.mean(self._weights() ** 2)))

    def positions(self, shape):
        """Positions of the rows and columns of the slice of ``shape``, in indices of measured pixels."""
        return [truth_positions(low, high, "kspace") for low, high in zip(self.shape, shape)]

    def acquired(self, image, rng):
        """Stored slice (h, w) of a slice (H, W), both float32. The phase and the noise are drawn."""
        if self.window == "box" and not self.sigma:
            return kspace_crop(image, self.shape)
        spectrum = np.fft.fft2(image * np.exp(1j * smooth_phase(image.shape, rng)), norm="forward")
        for axis, (size, measured) in enumerate(zip(image.shape, self.shape)):
            kept = np.fft.fftfreq(measured, 1 / measured).astype(int) % size
            spectrum = spectrum.take(kept, axis)
        real, imaginary = self.sigma / np.sqrt(np.prod(self.shape)) * rng.standard_normal((2, *self.shape))
        spectrum = (spectrum + real + 1j * imaginary) * self._weights()
        return np.abs(np.fft.ifft2(spectrum, norm="forward")).astype(np.float32)

    def _weights(self):
        """Factors (h, w) of k-space, in the order of the FFT."""
        rows, columns = (2 * np.fft.fftfreq(n) for n in self.shape)  # -1 to 1 is what was measured.
        radius = np.hypot(rows[:, None], columns)
        if self.window == "ellipse":
            return (radius <= 1).astype(float)
        if self.window == "hann":
            return 0.08 + 0.92 * np.outer(np.cos(np.pi / 2 * rows) ** 2, np.cos(np.pi / 2 * columns) ** 2)
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
    second = first if rng.random() < 0.4 else rng.uniform(max(low, first / 2.5), min(high, first * 2.5))
    measured = tuple(max(smallest, scaled_size(n, 1 / scale)) for n, scale in zip(shape, (first, second)))
    window = str(rng.choice(MRScan.WINDOWS, p=(0.55, 0.12, 0.08, 0.12, 0.13)))
    missing = rng.uniform(0.1, 0.25) if window == "partial fourier" else 0.0
    sigma = 0.0 if rng.random() < 0.35 else 0.08 * rng.random() ** 1.5
    return MRScan(measured, window, missing, sigma)


def smooth_phase(shape, rng):
    """Phase (H, W) in radians that varies slowly, as coils and the field make it."""
    rows, columns = (np.linspace(-1, 1, n) for n in shape)
    constant, linear, quadratic, mixed = rng.standard_normal((4, 2)) * ((np.pi,), (1.0,), (0.5,), (0.5,))
    along_rows, along_columns = (linear[i] * u + quadratic[i] * u**2 for i, u in enumerate((rows, columns)))
    return constant[0] + np.add.outer(along_rows, along_columns) + mixed[0] * np.outer(rows, columns)


DRAWS = {"kspace": draw_mr_scan}
