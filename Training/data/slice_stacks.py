"""Training samples for super-resolution through the slices: an image turned into rows as thick as acquired slices.

Along its rows, an image is averaged over slice profiles; along its columns it keeps its pixels. Networks that learn
from it take the slice axis along rows.
"""

from dataclasses import dataclass

import numpy as np
import torch

from NExpRLib.kspace import kspace_crop
from NExpRLib.volumes.slice_profile import slice_operator
from NExpRLib.volumes.through_plane import stack_conditions

from .items import Crops, DrawnSlices, slices_to_validate


@dataclass(frozen=True)
class SliceStack:
    """Slices along the rows of an image, in pixels of the image.

    :ivar first, spacing: centers of the slices are ``first + k * spacing``.
    :ivar thickness: full width at half maximum.
    """

    first: float
    spacing: float
    count: int
    thickness: float
    profile: str = "gaussian"
    time_bandwidth: float = 12.0

    def centers(self):
        return self.first + self.spacing * np.arange(self.count)

    def operator(self, rows):
        """Matrix (count, rows) from the rows of an image to slices."""
        samples = np.arange(rows)
        return slice_operator(samples, self.centers(), self.thickness, self.profile, self.time_bandwidth)

    def seen_from(self, rows):
        """Positions of the rows of an image, in indices of slices."""
        return (np.arange(rows) - self.first) / self.spacing


@dataclass(frozen=True)
class StackVariety:
    """What is drawn at random for training.

    :ivar gaps: from one slice to the next, in thicknesses; below 0, slices overlap.
    :ivar profiles: with their shares.
    :ivar noise: the largest standard deviation, of images from 0 to 1; ``noisy`` is the share of images with noise.
    :ivar uneven: share of images, for either of two: gains that differ from slice to slice, and slices that moved.
    :ivar wrong_thickness: standard deviation of the logarithm of the thickness that the network is told.
    :ivar cropped: share of images with lower resolution along columns, down to ``1 / coarsest``; and of
        images that are reduced in size before anything else.
    """

    gaps: tuple[float, float] = (-0.3, 0.3)
    profiles: tuple[tuple[str, float], ...] = (
        ("gaussian", 0.35),
        ("slr", 0.35),
        ("super-gaussian", 0.15),
        ("box", 0.15),
    )
    noise: float = 0.03
    noisy: float = 0.4
    uneven: float = 0.25
    wrong_thickness: float = 0.07
    cropped: float = 0.25
    coarsest: float = 1.5


def reached_ratio(volumes, slices):
    """Largest ratio at which so many slices fit along the shorter side of the smallest image, and the longer of the
    largest one.
    """
    sides = [side for volume in volumes for image in volume for side in image.shape]
    return (min(sides) - 1) / slices, (max(sides) - 1) / slices


def draw_stack(rows, ratio, variety, rng):
    """Stack over all rows of an image, with slices ``ratio`` rows apart."""
    count = int(rows / ratio)
    first = ratio / 2 - 0.5 + rng.uniform(0, rows - count * ratio)
    thickness = ratio / (1 + rng.uniform(*variety.gaps))
    names, shares = zip(*variety.profiles)
    profile = str(rng.choice(names, p=shares))
    return SliceStack(first, ratio, count, max(1.0, thickness), profile, float(rng.integers(8, 17)))


def moved_along_columns(slices, shifts):
    """Rows of (m, w) moved by ``shifts`` (m,) pixels, exactly for the periodic continuation."""
    width = slices.shape[1]
    phases = np.exp(-2j * np.pi * np.fft.rfftfreq(width) * np.asarray(shifts)[:, None])
    return np.fft.irfft(np.fft.rfft(slices) * phases, n=width).astype(slices.dtype)


def acquired(slices, variety, rng):
    """Slices (m, w) as scanners deliver them: uneven gains, slices that moved, noise. Each in a share of the images."""
    count, width = slices.shape
    odd = np.arange(count) % 2
    if rng.random() < variety.uneven:
        gains = rng.uniform(0, 0.02) * rng.standard_normal(count) + rng.uniform(-0.04, 0.04) * odd
        slices = slices * (1 + gains[:, None])
    if rng.random() < variety.uneven:
        shifts = rng.uniform(0, 0.2) * rng.standard_normal(count) + rng.uniform(-0.25, 0.25) * odd
        slices = moved_along_columns(slices, np.clip(shifts, -0.5, 0.5))
    if rng.random() < variety.noisy:
        # Not that of a magnitude: networks that see differences of pixels do not know where dark noise is brighter, and
        # would make tissue darker, too.
        slices = slices + rng.uniform(0, variety.noise) * rng.standard_normal((count, width))
    return slices.astype(np.float32)


@dataclass(kw_only=True, eq=False)
class SliceStackCrops(DrawnSlices):
    """Crops of stacks. Either axis of an image plays the slice axis.

    The ratio of slice spacing to pixel size is drawn uniformly on a logarithmic scale.

    :ivar ratios: lowest and highest slice spacing, in pixels.
    :ivar crop_size: slices and columns of a crop.
    :raises ValueError: if an image is smaller than a crop at the lowest ratio.
    """

    ratios: tuple
    crop_size: tuple
    variety: StackVariety = StackVariety()

    def __post_init__(self):
        super().__post_init__()
        self.needed = max(self.crop_size[0] * self.ratios[0] + 1, self.crop_size[1])
        for (subject, source), volume in self.volumes.items():
            if min(min(image.shape) for image in volume) < self.needed:
                raise ValueError(
                    f"{source} of {subject} has slices smaller than {self.needed:.0f} pixels: leave it out, or choose "
                    "a smaller --data.stack_crop."
                )

    def __getitem__(self, index):
        rng, image = self.draw(index)
        image = image[:: rng.choice([-1, 1]), :: rng.choice([-1, 1])]
        image = image.T if rng.random() < 0.5 else image
        variety = self.variety
        coarsest = min(variety.coarsest, min(image.shape) / self.needed)
        if rng.random() < variety.cropped and coarsest > 1:
            image = self._reduced(image, rng.uniform(1, coarsest), both=True)
        largest = min(self.ratios[1], (image.shape[0] - 1) / self.crop_size[0])
        ratio = float(np.exp(rng.uniform(*np.log([self.ratios[0], largest]))))
        stack = draw_stack(len(image), ratio, variety, rng)
        low = stack.operator(len(image)).astype(np.float32) @ image
        coarsest = min(variety.coarsest, image.shape[1] / self.crop_size[1])
        if rng.random() < variety.cropped and coarsest > 1:
            low = self._reduced(low, rng.uniform(1, coarsest), both=False)
        low = acquired(low, variety, rng)
        columns = np.arange(image.shape[1]) * (low.shape[1] / image.shape[1])
        positions = stack.seen_from(len(image)), columns
        crops = [self._crop(low, image, positions, rng) for _ in range(self.crops_per_slice)]
        told = stack_conditions(ratio, stack.thickness * np.exp(variety.wrong_thickness * rng.standard_normal()))
        return Crops.of(crops, torch.tensor([told] * len(crops), dtype=torch.float32))

    def _reduced(self, image, factor, both):
        height, width = image.shape
        return kspace_crop(image, (round(height / factor) if both else height, round(width / factor)))

    def _crop(self, low, high, positions, rng):
        low_slices, high_slices, in_crop = [], [], []
        for low_size, size, u in zip(low.shape, self.crop_size, positions):
            start = int(rng.integers(low_size - size + 1))
            u = u - start
            inside = np.flatnonzero((u >= -0.5) & (u < size - 0.5))
            low_slices.append(slice(start, start + size))
            high_slices.append(slice(inside[0], inside[-1] + 1))
            in_crop.append(u[inside])
        low_crop, high_crop = low[tuple(low_slices)], high[tuple(high_slices)]
        cell = tuple(p[1] - p[0] for p in positions)
        return torch.from_numpy(low_crop.copy())[None], torch.from_numpy(high_crop.copy()), *in_crop, cell


class ValidationStacks(torch.utils.data.Dataset):
    """Images of validation subjects as whole stacks, each at every ratio with a thickness of the spacing.

    Gaussian and Shinnar-Le Roux profiles take turns. Items are as those of :class:`~.items.ValidationSlices`.

    :raises ValueError: if an image is smaller than two slices at the highest ratio.
    """

    def __init__(self, volumes, *, ratios, slices_per_volume):
        self.images = slices_to_validate(volumes, slices_per_volume)
        self.ratios = ratios
        smallest = min(min(image.shape) for image in self.images)
        if smallest < 2 * max(ratios):
            raise ValueError(
                f"Validation slices of {smallest} pixels are smaller than two slices {max(ratios):g} pixels apart: "
                "choose lower --data.validation_scales, or name other --data.validation_subjects."
            )

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        image = self.images[index].astype(np.float32)
        image = image.T if index % 2 else image
        return [(ratio, self._sample(image, ratio, ("gaussian", "slr")[index // 2 % 2])) for ratio in self.ratios]

    def _sample(self, image, ratio, profile):
        count = int(len(image) / ratio)
        stack = SliceStack((len(image) - 1 - (count - 1) * ratio) / 2, ratio, count, ratio, profile)
        low = stack.operator(len(image)).astype(np.float32) @ image
        rows, columns = stack.seen_from(len(image)), np.arange(image.shape[1], dtype=np.float64)
        inputs = torch.from_numpy(low)[None, None]
        conditions = torch.tensor([stack_conditions(ratio, ratio)], dtype=torch.float32)
        return Crops(inputs, [torch.from_numpy(image.copy())], [rows], [columns], [(1 / ratio, 1.0)], conditions)
