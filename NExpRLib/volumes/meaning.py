"""What the values of voxels mean, and what follows for a run: padding, phase, and values that have limits."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..intensity import to_dtype
from .box import Box
from .checks import check_values
from .padding import filled, mask_of, padding_value, sampled_mask
from .phase import phase_of
from .plan import Plan
from .volume import Volume

RANGES = ("auto", "keep", "free")
_MAPS = {"ADC", "FA", "T1 MAP", "T2 MAP", "T2_STAR MAP", "T1", "T2", "FRACT", "FRACT_ANISO", "MAP"}
_SAMPLES = 200_000


class Meaning:
    """What is done to the voxels of one volume before a run, and to its result.

    :ivar padding: value of voxels without data, ``None`` where there are none.
    :ivar missing: share of the voxels that hold no data.
    :ivar is_map: whether the values were recognized as those of a map.
    :ivar limits: lowest and highest value of the result, ``None`` for no limit.
    """

    def __init__(self, volume: Volume, facts: Mapping | None = None, value_range: str = "auto"):
        """
        :param facts: of the header, under their BIDS names.
        :param value_range: of the result: ``keep`` that of the input, ``free``, or ``auto``: ``keep`` for maps. These
            are volumes without negative values that the header (ImageType) calls so, or whose values are fractions from
            0 to 1 in floating point, or which are 0 outside and nowhere else near 0.
        :raises ValueError: for values that are no intensities, and for an unknown ``value_range``.
        """
        if value_range not in RANGES:
            raise ValueError(f'Unknown range "{value_range}": choose one of {", ".join(RANGES)}.')
        facts, pixels = facts or {}, volume.pixels
        self._volume = volume
        self._facts = facts
        self.padding = padding_value(pixels, facts.get("PixelPaddingValue"))
        valid = pixels if (mask := self._mask()) is None else pixels[~mask]
        if not valid.size:
            raise ValueError("The image contains no data: all its voxels are NaN or padding.")
        self._phase = phase_of(pixels, facts)
        if self._phase is None:
            check_values(valid)
        self.missing = 1 - valid.size / pixels.size
        self.is_map = False
        self.limits = self._limits_of(valid, value_range)

    @property
    def is_phase(self) -> bool:
        return self._phase is not None

    @property
    def dtype(self) -> np.dtype:
        """Of the result: that of the volume."""
        return self._volume.pixels.dtype

    def cropped(self, box: Box) -> Meaning:
        """The same for the voxels of a box: what they mean is known from all.

        :raises ValueError: if none of them holds data.
        """
        cropped = copy.copy(self)
        cropped._volume = self._volume.cropped(box)
        if (mask := cropped._mask()) is not None and mask.all():
            raise ValueError("This part of the image contains no data: all its voxels are NaN or padding.")
        return cropped

    def parts(self, across: int | None) -> list[Volume]:
        """What is to be upsampled: the volume, or the cosine and the sine of phase.

        :param across: the axis across the slices.
        """
        volume = self._volume
        pixels = [volume.pixels] if self._phase is None else self._phase.parts(volume.pixels)
        parts = [replace(volume, pixels=part) for part in pixels]
        # Filled after phase was taken apart: between angles on both sides of a wrap there is no mean.
        mask = self._mask()
        return parts if mask is None else [_filled(part, mask, across) for part in parts]

    def joined(self, results: list[Volume], plan: Plan) -> Volume:
        """The result, made of those of the parts."""
        dtype = self.dtype
        if self._phase is not None:
            cosine, sine = (result.pixels for result in results)
            pixels = self._phase.joined(cosine, sine, dtype)
        else:
            pixels = results[0].pixels
            if self.limits != (None, None):
                np.clip(pixels, *self.limits, out=pixels)
        if (mask := self._mask()) is not None:
            pixels[sampled_mask(mask, plan.samples)] = dtype.type(self.padding)
        return Volume(pixels, plan.geometry, self._volume.periodic)

    def default_fill(self) -> float:
        """What lies outside the input: the padding value, 0 where values are signed about 0, else the lowest value."""
        if self.padding is not None:
            return self.padding
        pixels = self._volume.pixels
        lowest, highest = float(pixels.min()), float(pixels.max())
        if lowest >= 0 or highest <= 0 or self._facts.get("Modality") == "CT":
            return lowest
        sample = pixels.ravel()[:: 1 + pixels.size // _SAMPLES].astype(np.float64)
        among_lowest = np.count_nonzero(sample < lowest + 0.1 * (highest - lowest)) / sample.size
        low, high = np.percentile(sample, (10, 90))
        return 0.0 if low <= 0 <= high and among_lowest < 0.02 else lowest

    def _mask(self):
        """Where voxels hold no data; made when it is needed, as the volumes of a series are many."""
        return None if self.padding is None else mask_of(self._volume.pixels, self.padding)

    def _limits_of(self, valid, value_range):
        """Lowest and highest value of the result, ``None`` for no limit."""
        if value_range == "free" or self._phase is not None:
            return None, None
        low, high = valid.min(), valid.max()
        if value_range == "keep":
            return low, high
        if low < 0 or low == high:
            return None, None
        kinds = {str(kind).upper() for kind in self._facts.get("ImageType", ()) or ()}
        fractions = high <= 1 and np.issubdtype(valid.dtype, np.floating)
        if not (kinds & _MAPS or fractions or _set_off_from_zero(valid, float(high))):
            return None, None
        self.is_map = True
        return low, high


def notes_on(meanings: Sequence[Meaning]) -> list[str]:
    """Sentences for the user on what was recognized in the volumes of an image: one for all of them.

    >>> from .geometry import Geometry
    >>> grid = Geometry((9, 9), (1.0, 1.0), (0.0, 0.0), np.eye(2))
    >>> fractions = np.random.default_rng(0).random((2, 9, 9))
    >>> fractions[:, 0, :2] = [[0, 0.5], [0.25, 1]]
    >>> notes_on([Meaning(Volume(pixels, grid)) for pixels in fractions])
    ['The values are those of a map: the result keeps their range, 0 to 1.']
    """

    def of(some: Sequence[Meaning]) -> str:
        return "" if len(some) == len(meanings) else f" of {len(some)} of {len(meanings)} volumes"

    notes = []
    if padded := [meaning for meaning in meanings if meaning.padding is not None]:
        values = ", ".join(dict.fromkeys(f"{meaning.padding:g}".replace("nan", "NaN") for meaning in padded))
        share = sum(meaning.missing for meaning in meanings) / len(meanings)
        notes.append(f"Voxels without data ({values}, {share:.0%} of all) are held out and put back.")
    if phase := [meaning for meaning in meanings if meaning.is_phase]:
        notes.append(f"The values{of(phase)} are phase: they are upsampled through their cosine and sine.")
    if maps := [meaning for meaning in meanings if meaning.is_map]:
        low, high = min(meaning.limits[0] for meaning in maps), max(meaning.limits[1] for meaning in maps)
        notes.append(f"The values{of(maps)} are those of a map: the result keeps their range, {low:g} to {high:g}.")
    return notes


def _filled(volume, mask, across):
    """A volume whose voxels without data continue the others."""
    result = Volume.empty(volume.geometry, volume.pixels.dtype, volume.periodic)
    slices = volume.slices(across), Volume(mask, volume.geometry).slices(across)
    result.slices(across)[:] = filled(*slices)
    return replace(result, missing=mask)


def _set_off_from_zero(pixels, highest):
    """Whether some voxels are 0 and no others near it, as those outside of a map of times or diffusion."""
    sample = pixels.ravel()[:: 1 + pixels.size // _SAMPLES]
    others = sample[sample > 0]
    return 0.01 * sample.size < sample.size - others.size and bool(others.size) and others.min() > 0.2 * highest


def fill_outside(result: Volume, plan: Plan, size: tuple[int, ...], value: float) -> None:
    """Set the voxels of a result that lie beyond the input.

    >>> from ..function.samples import Samples
    >>> from .geometry import Geometry
    >>> grid = Geometry((3, 1), (1.0, 1.0), (0.0, 0.0), np.eye(2))
    >>> result = Volume(np.ones((1, 3), np.int16), grid)
    >>> fill_outside(result, Plan(None, (Samples(0, 1, 3), Samples(0, 1, 1)), grid, True), (2, 1), -5)
    >>> result.pixels.tolist()
    [[1, 1, -5]]
    """
    for axis, (along, n) in enumerate(zip(plan.samples, size)):
        positions = along.positions()
        beyond = (positions < -0.5 - 1e-6) | (positions > n - 0.5 + 1e-6)
        if beyond.any():
            where: list = [slice(None)] * result.pixels.ndim
            where[result.pixels.ndim - 1 - axis] = beyond
            result.pixels[tuple(where)] = to_dtype(np.full(1, value), result.pixels.dtype)
