"""Training samples: crops of a degraded slice, and the high-resolution pixels inside them with their positions."""

from dataclasses import dataclass

import lightning
import numpy as np
import torch

from NExpRLib.grid import scaled_size

from .degradation import degrade, truth_positions


@dataclass
class Sample:
    """Crops of one slice at one scale.

    :ivar inputs: float32 tensor (crops, 1, h, w).
    :ivar truths: per crop, float32 tensor (H, W).
    :ivar rows, columns: per crop, float64 arrays: positions of the pixels of ``truths`` in pixel indices of the input.
    """

    inputs: torch.Tensor
    truths: list
    rows: list
    columns: list


def load_slices(path, subjects=None, exclude=()):
    """Slices of a prepared ``.npz``, as lists per volume: ``{source: [float16 (H, W), ...]}``.

    :param subjects: keep only these subjects; ``exclude``: leave these out.
    """
    volumes = {}
    with np.load(path, allow_pickle=False) as file:
        for i, (subject, source) in enumerate(zip(file["subjects"], file["sources"])):
            if (subjects is None or subject in subjects) and subject not in exclude:
                volumes.setdefault(str(source), []).append(file[f"slice_{i:05d}"])
    return volumes


class TrainingCrops(torch.utils.data.Dataset):
    """Endless training data: item i is a pure function of the seed and i.

    Volumes are drawn with equal probability, then a slice, then a scale uniformly in ``scales``. The whole slice is
    degraded before cropping, so no crop border rings. Crops are flipped and transposed at random.
    """

    def __init__(self, volumes, length, *, degradation, scales, crop_size, crops_per_slice, seed=0, start=0):
        self.volumes = list(volumes.values())
        self.length = length
        self.degradation = degradation
        self.scales = scales
        self.crop_size = crop_size
        self.crops_per_slice = crops_per_slice
        self.seed = seed
        self.start = start

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        rng = np.random.default_rng((self.seed, self.start + index))
        volume = self.volumes[rng.integers(len(self.volumes))]
        image = volume[rng.integers(len(volume))].astype(np.float32)
        largest = min(self.scales[1], min(image.shape) / self.crop_size)
        scale = rng.uniform(min(self.scales[0], largest), largest)
        shape = [max(self.crop_size, scaled_size(n, 1 / scale)) for n in image.shape]
        low = degrade(image, shape, self.degradation)
        inputs, truths, rows, columns = zip(*(self._crop(low, image, rng) for _ in range(self.crops_per_slice)))
        return Sample(torch.stack(inputs)[:, None], list(truths), list(rows), list(columns))

    def _crop(self, low, high, rng):
        low_slices, high_slices, positions = [], [], []
        for low_size, high_size in zip(low.shape, high.shape):
            start = int(rng.integers(low_size - self.crop_size + 1))
            u = truth_positions(low_size, high_size, self.degradation) - start
            inside = np.flatnonzero((u >= -0.5) & (u < self.crop_size - 0.5))
            u = u[inside]
            step = 1
            if rng.random() < 0.5:
                u, step = self.crop_size - 1 - u[::-1], -1
            low_slices.append(np.arange(start, start + self.crop_size)[::step])
            high_slices.append(inside[::step])
            positions.append(u)
        low_crop, high_crop = low[np.ix_(*low_slices)], high[np.ix_(*high_slices)]
        if rng.random() < 0.5:
            low_crop, high_crop, positions = low_crop.T, high_crop.T, positions[::-1]
        return torch.from_numpy(low_crop.copy()), torch.from_numpy(high_crop.copy()), *positions


class ValidationSlices(torch.utils.data.Dataset):
    """Whole slices at fixed scales: ``slices_per_volume`` evenly spaced slices of every volume at every scale."""

    def __init__(self, volumes, *, degradation, scales, slices_per_volume):
        images = [
            volume[i]
            for volume in volumes.values()
            for i in np.linspace(0, len(volume) - 1, min(slices_per_volume, len(volume))).astype(int)
        ]
        self.items = [(image, scale) for scale in scales for image in images]
        self.degradation = degradation

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        image, scale = self.items[index]
        image = image.astype(np.float32)
        shape = [scaled_size(n, 1 / scale) for n in image.shape]
        positions = [truth_positions(n, size, self.degradation) for n, size in zip(shape, image.shape)]
        low = torch.from_numpy(degrade(image, shape, self.degradation))
        return scale, Sample(low[None, None], [torch.from_numpy(image)], positions[:1], positions[1:])


class SliceData(lightning.LightningDataModule):
    """Prepared slices for training and validation, split by subject.

    :param data: ``.npz`` written by ``nexpr prepare``.
    :param validation_subjects: subjects that are kept out of training.
    :param degradation: ``kspace`` or ``bicubic``.
    :param scales: range of training scales; each slice of a batch has its own.
    :param crop_size: side of a training crop in low-resolution pixels.
    :param slices_per_batch, crops_per_slice: their product is the batch size.
    :param steps_per_epoch: optimizer steps between validations.
    :param seed: item i of the training data is a pure function of the seed and i.
    """

    def __init__(
        self,
        data: str,
        validation_subjects: list[str],
        degradation: str = "kspace",
        scales: tuple[float, float] = (1.0, 4.0),
        crop_size: int = 32,
        slices_per_batch: int = 4,
        crops_per_slice: int = 4,
        steps_per_epoch: int = 1000,
        validation_scales: list[float] = [2.0, 3.0, 4.0],  # noqa: B006
        slices_per_validation_volume: int = 4,
        workers: int = 1,
        seed: int = 0,
    ):
        super().__init__()
        self.save_hyperparameters()

    def setup(self, stage):
        self.training = load_slices(self.hparams.data, exclude=self.hparams.validation_subjects)
        self.validation = load_slices(self.hparams.data, subjects=self.hparams.validation_subjects)

    def train_dataloader(self):
        options = self.hparams
        items = options.steps_per_epoch * options.slices_per_batch * self.trainer.world_size
        crops = TrainingCrops(
            self.training,
            items,
            degradation=options.degradation,
            scales=options.scales,
            crop_size=options.crop_size,
            crops_per_slice=options.crops_per_slice,
            seed=options.seed,
            start=self.trainer.current_epoch * items,
        )
        return self._loader(crops, options.slices_per_batch)

    def val_dataloader(self):
        options = self.hparams
        slices = ValidationSlices(
            self.validation,
            degradation=options.degradation,
            scales=options.validation_scales,
            slices_per_volume=options.slices_per_validation_volume,
        )
        return self._loader(slices, 1)

    def _loader(self, dataset, batch_size):
        return torch.utils.data.DataLoader(
            dataset,
            batch_size,
            num_workers=self.hparams.workers,
            collate_fn=list,
            prefetch_factor=None if not self.hparams.workers else 4,
        )
