"""Phase images: angles that wrap, which are upsampled through their cosine and sine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..intensity import to_dtype

_ROWS = 400


@dataclass(frozen=True)
class Phase:
    """How numbers stand for angles: ``low`` for -pi, ``low + period`` for pi."""

    low: float
    period: float

    def parts(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Cosine and sine, float32."""
        angle = (pixels.astype(np.float64) - self.low) * (2 * np.pi / self.period) - np.pi
        return np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)

    def joined(self, cosine: np.ndarray, sine: np.ndarray, dtype: np.dtype) -> np.ndarray:
        """The numbers of the angle of a cosine and a sine; rounded to integers, pi is ``low``."""
        angle = np.arctan2(sine, cosine, dtype=np.float64)
        values = to_dtype((angle + np.pi) * (self.period / (2 * np.pi)) + self.low, dtype)
        if np.issubdtype(values.dtype, np.integer):
            values[values == self.low + self.period] = self.low
        return values


def phase_of(pixels: np.ndarray, facts: Mapping) -> Phase | None:
    """How an image of phase stands for angles; ``None`` for other images.

    Without a header that says it, phase is known by a range of -pi to pi, of 0 to 4095 or of -4096 to 4095 (as dcm2niix
    writes that of Siemens), with neighbors that jump from one end to the other.

    >>> wrapped = np.angle(np.exp(0.4j * np.arange(400.0).reshape(1, 20, 20)))
    >>> phase_of(wrapped, {})
    Phase(low=-3.141592653589793, period=6.283185307179586)

    :param facts: of the header (ImageType).
    :raises ValueError: where the header says phase and the numbers are in no known unit.
    """
    finite = pixels[np.isfinite(pixels)] if np.issubdtype(pixels.dtype, np.floating) else pixels
    if not finite.size:
        return None
    low, high = float(finite.min()), float(finite.max())
    kinds = {str(kind).upper() for kind in facts.get("ImageType", ()) or ()}
    announced = bool(kinds & {"P", "PHASE"}) and facts.get("Modality", "MR") == "MR"
    radians = Phase(-np.pi, 2 * np.pi)
    floating = np.issubdtype(pixels.dtype, np.floating)
    if not announced:
        if floating and -3.1417 <= low < -3.1 and 3.1 < high <= 3.1417 and _wraps(pixels, 2 * np.pi):
            return radians
        if -4096 <= low < -4080 and 4080 <= high <= 4096 and _wraps(pixels, 8192):
            return Phase(-4096.0, 8192.0)
        return Phase(0.0, 4096.0) if 0 <= low < 16 and 4080 <= high <= 4096 and _wraps(pixels, 4096) else None
    if low == high:
        return None
    if floating and -3.1417 <= low and high <= 3.1417:
        return radians
    if low < 0 and max(-low, high) <= 4096 and max(-low, high) > 3142:
        return Phase(-4096.0, 8192.0)
    if low < 0 and 3000 < max(-low, high) <= 3142:
        return Phase(-1000 * np.pi, 2000 * np.pi)
    if 0 <= low and 3900 < high <= 4096:
        return Phase(0.0, 4096.0)
    raise ValueError(
        f"The image is phase (ImageType) from {low:g} to {high:g}, in no known unit: convert it to radians, or "
        "upsample its cosine and sine."
    )


def _wraps(pixels: np.ndarray, period: float) -> bool:
    """Whether neighbors jump from one end to the other."""
    rows = pixels.reshape(-1, pixels.shape[-1])
    rows = rows[:: 1 + len(rows) // _ROWS].astype(np.float64)
    steps = np.abs(np.diff(rows, axis=1))
    return bool(steps.size) and float((steps > 0.75 * period).mean()) > 0.01
