"""Training items: crops of a degraded slice, the high-resolution pixels inside them, and their positions."""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass

import numpy as np
import torch

from NExpRLib.function.samples import Samples, scaled_size
from NExpRLib.volumes.noise import noise_level

from .degradation import degrade, fixed_scale_input, truth_positions


@dataclass
class Crops:
    """Crops of one slice at one scale.

    :ivar inputs: float32 tensor (crops, 1, h, w), or (crops, 2, h, w) with the noise level.
    :ivar truths: per crop, float32 tensor (H, W).
    :ivar rows, columns: per crop, float64 arrays: positions of the pixels of ``truths`` in pixel indices of the input.
    :ivar cells: per crop, height and width of a pixel of the truth, in pixels of the input.
    :ivar conditions: float32 tensor (crops, n): what is known of the acquisition, for networks that are told.
    """

    inputs: torch.Tensor
    truths: list
    rows: list
    columns: list
    cells: list
    conditions: torch.Tensor | None = None

    @classmethod
    def of(cls, crops, conditions=None):
        """:param crops: ``(input, truth, rows, columns, cell)`` of each, the input (channels, h, w)."""
        inputs, truths, rows, columns, cells = zip(*crops)
        return cls(torch.stack(inputs), list(truths), list(rows), list(columns), list(cells), conditions)


def reached_scale(volumes, crop_size):
    """Largest scale at which a crop of the smallest slice, and of the largest one, still fits into it."""
    sides = [min(image.shape) for volume in volumes for image in volume]
    return min(sides) / crop_size, max(sides) / crop_size


@dataclass(eq=False)
class DrawnSlices(torch.utils.data.Dataset):
    """Endless training data: item i is a pure function of the seed and i.

    Volumes are drawn in proportion to the square root of their number of slices, which are alike; then a slice.

    :ivar volumes: ``{(subject, source): [float16 (H, W) in [0, 1], ...]}``.
    :ivar start: number of the first item.
    """

    volumes: dict
    length: int
    _: KW_ONLY
    crops_per_slice: int
    seed: int = 0
    start: int = 0

    def __post_init__(self):
        weights = np.sqrt([len(volume) for volume in self.volumes.values()])
        self.probabilities = weights / weights.sum()

    def __len__(self):
        return self.length

    def draw(self, index):
        """The generator of random numbers of an item, and its slice, float32."""
        rng = np.random.default_rng((self.seed, self.start + index))
        volume = list(self.volumes.values())[rng.choice(len(self.volumes), p=self.probabilities)]
        return rng, volume[rng.integers(len(volume))].astype(np.float32)


@dataclass(kw_only=True, eq=False)
class TrainingCrops(DrawnSlices):
    """Crops of slices at a scale drawn uniformly in ``scales``.

    The whole slice is degraded before cropping, so no crop border rings. Crops are flipped and transposed at random.

    :ivar fixed_scale: instead of ``scales``, the whole scale of a network; the truth of a crop is exactly that many
        times its size, see :func:`~NExpRTraining.data.degradation.fixed_scale_input`.
    :ivar truth_samples: keep that many random rows and columns of the truth of each crop instead of all; not for a
        fixed scale.
    :ivar cut_crops: share of the crops that end at a hard border, see :func:`cut_at_circle`.
    :ivar draw_scan: draws how a slice was acquired, see :mod:`~.scans`, instead of a scale and ``degradation``; the
        noise level is a second channel of the inputs.
    :raises ValueError: if a slice is smaller than a crop.
    """

    degradation: str
    scales: tuple
    crop_size: int
    fixed_scale: int | None = None
    truth_samples: int | None = None
    cut_crops: float = 0.0
    draw_scan: Callable | None = None

    def __post_init__(self):
        super().__post_init__()
        if self.crop_size < 1:
            raise ValueError(f"Training crops of {self.crop_size} pixels are empty: choose a larger --data.crop_size.")
        needed = self.crop_size * (self.fixed_scale or 1)
        for (subject, source), volume in self.volumes.items():
            if min(map(min, (image.shape for image in volume))) < needed:
                raise ValueError(
                    f"{source} of {subject} has slices smaller than a training crop of {needed} pixels: leave it "
                    "out, or choose a smaller --data.crop_size."
                )

    def __getitem__(self, index):
        rng, image = self.draw(index)
        noise = None
        if self.fixed_scale:
            low, positions = fixed_scale_pair(image, self.fixed_scale, self.degradation)
            whole = [n // self.fixed_scale for n in image.shape]
            low = low[: whole[0], : whole[1]]
        else:
            largest = min(self.scales[1], min(image.shape) / self.crop_size)
            scales = min(self.scales[0], largest), largest
            if self.draw_scan:
                scan = self.draw_scan(image.shape, scales, self.crop_size, rng)
                positions = truth_positions(scan.shape, image.shape, self.degradation)
                low, image = scan.acquired(image, rng)
                noise = noise_level(low[None])[0] if scan.told else 0.0
            else:
                low, positions = degraded_pair(image, rng.uniform(*scales), self.degradation, self.crop_size)
        return Crops.of(self._crop(low, image, positions, noise, rng) for _ in range(self.crops_per_slice))

    def _crop(self, low, high, positions, noise, rng):
        low_slices, high_slices, in_crop = [], [], []
        cell = [p[1] - p[0] for p in positions]
        for low_size, u in zip(low.shape, positions):
            start = int(rng.integers(low_size - self.crop_size + 1))
            u = u - start
            inside = np.flatnonzero((u >= -0.5) & (u < self.crop_size - 0.5))
            if self.truth_samples and not self.fixed_scale and self.truth_samples < len(inside):
                inside = np.sort(rng.choice(inside, self.truth_samples, replace=False))
            u = u[inside]
            step = 1
            if rng.random() < 0.5:
                u, step = self.crop_size - 1 - u[::-1], -1
            low_slices.append(np.arange(start, start + self.crop_size)[::step])
            high_slices.append(inside[::step])
            in_crop.append(u)
        low_crop, high_crop = low[np.ix_(*low_slices)], high[np.ix_(*high_slices)]
        if rng.random() < 0.5:
            low_crop, high_crop, in_crop, cell = low_crop.T, high_crop.T, in_crop[::-1], cell[::-1]
        if self.cut_crops and rng.random() < self.cut_crops:
            low_crop, high_crop, gain = cut_at_circle(low_crop, high_crop, *in_crop, rng)
            noise = None if noise is None else gain * noise
        return with_noise_level(low_crop, noise), torch.from_numpy(high_crop.copy()), *in_crop, tuple(cell)


def with_noise_level(slice_, noise):
    """Input of a network from a slice (h, w): tensor (1, h, w), or (2, h, w) with the noise level."""
    channels = torch.from_numpy(slice_.copy())[None]
    return channels if noise is None else torch.cat([channels, torch.full_like(channels, noise)])


def cut_at_circle(low, high, rows, columns, rng):
    """Replace a crop and its truth by a constant on one side of a random circle, without any transition.

    Circular fields of view and masked images end so, often far below all other intensities. A network that has seen
    only blurred edges takes such a border for one that was blurred, and sharpens it to a bright rim.

    :param low, high: float32 arrays (h, w) and (H, W), intensities from 0 to 1.
    :param rows, columns: positions of the pixels of ``high`` in those of ``low``.
    :return: both, float32, on a new scale: 0 is the constant, which is 0 or less before; 1 stays 1. And the factor by
        which differences shrank.
    """
    side = low.shape[0]
    point, radius, angle = rng.uniform(0, side, 2), side * 2 ** rng.uniform(-1, 4), rng.uniform(0, 2 * np.pi)
    center = point + radius * np.array([np.cos(angle), np.sin(angle)])
    cut_outside = rng.random() < 0.5
    constant = -3 * rng.random() ** 2  # As -3024 HU lies below soft tissue; more often close to the image.

    def cut(image, u, v):
        is_outside = np.hypot(u[:, None] - center[0], v - center[1]) > radius
        image = np.where(is_outside == cut_outside, constant, image)
        return ((image - constant) / (1 - constant)).astype(np.float32)

    pixels = (np.arange(n) for n in low.shape)
    return cut(low, *pixels), cut(high, rows, columns), 1 / (1 - constant)


def degraded_pair(image, scale, degradation, smallest=1):
    """Degraded slice, and the positions of the rows and columns of ``image`` in its pixel indices."""
    shape = [max(smallest, scaled_size(n, 1 / scale)) for n in image.shape]
    return degrade(image, shape, degradation), truth_positions(shape, image.shape, degradation)


def fixed_scale_pair(image, scale, degradation):
    """The same for a network of one scale: :func:`~.degradation.fixed_scale_input`, and positions in it."""
    low, _ = degraded_pair(image, scale, degradation)
    low = fixed_scale_input(low, image.shape, scale, degradation)
    return low, [Samples.over(n, n * scale).positions()[:size] for n, size in zip(low.shape, image.shape)]


def evenly_spaced(slices, most):
    """At most that many slices of a volume, the first and the last among them."""
    return [slices[i] for i in np.linspace(0, len(slices) - 1, min(most, len(slices))).astype(int)]


def slices_to_validate(volumes, slices_per_volume):
    """``slices_per_volume`` of every volume, evenly spaced among those that hold more than one value.

    What holds one value is restored without error, and its PSNR infinite.

    :raises ValueError: if there is no such slice.
    """
    images = []
    for volume in volumes.values():
        images += evenly_spaced([image for image in volume if image.min() < image.max()], slices_per_volume)
    if not images:
        raise ValueError("Every slice for validation holds one value only: name other --data.validation_subjects.")
    return images


class ValidationSlices(torch.utils.data.Dataset):
    """Whole slices, see :func:`slices_to_validate`.

    Each item is one slice at every scale, ``[(scale, sample), ...]``: processes that share them log the same scales.

    :param fixed_scale: instead of ``scales``, that of the network.
    :param noise: the noise level as a second channel of the inputs, none if ``None``.
    """

    def __init__(self, volumes, *, degradation, scales, slices_per_volume, fixed_scale=None, noise=None):
        self.images = slices_to_validate(volumes, slices_per_volume)
        self.scales = [fixed_scale] if fixed_scale else scales
        self.pair = fixed_scale_pair if fixed_scale else degraded_pair
        self.degradation = degradation
        self.noise = noise

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        image = self.images[index].astype(np.float32)
        return [(scale, self._sample(image, scale)) for scale in self.scales]

    def _sample(self, image, scale):
        low, (rows, columns) = self.pair(image, scale, self.degradation)
        cell = rows[1] - rows[0], columns[1] - columns[0]
        inputs = with_noise_level(low, self.noise)[None]
        return Crops(inputs, [torch.from_numpy(image)], [rows], [columns], [cell])
