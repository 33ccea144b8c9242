"""Lightning's view of the prepared slices: training and validation loaders."""

import lightning
import torch
from jsonargparse.typing import ClosedUnitInterval, NonNegativeInt, PositiveInt

from NExpRLib.network import NetworkConfig, NExpRNetwork

from .degradation import SLICES
from .items import TrainingCrops, ValidationSlices, reached_scale
from .prepared import load_slices
from .scans import DRAWS
from .slice_stacks import SliceStackCrops, StackVariety, ValidationStacks, reached_ratio


class SliceData(lightning.LightningDataModule):
    """Prepared slices for training and validation, split by subject.

    :param data: ``.npz`` written by ``nexpr prepare``.
    :param validation_subjects: subjects that are kept out of training, instead of those chosen by ``nexpr prepare``.
    :param degradation: ``kspace``, ``bicubic``, ``paper``, or ``slices``: rows as thick as acquired slices.
    :param scales: range of training scales; each slice of a batch has its own. Networks of one scale ignore it, as
        they do ``validation_scales`` and ``truth_samples``.
    :param crop_size: side of a training crop in low-resolution pixels.
    :param stack_crop: for ``slices``, slices and columns of a training crop instead; ``scales`` are those across them.
    :param stack_variety: for ``slices``, what is drawn at random.
    :param truth_samples: compare each crop with its truth at that many random rows and columns instead of all; for
        networks that are slow to query. LIIF and LTE choose 48 x 48 random pixels.
    :param cut_crops: share of the crops that end at a hard border, as circular fields of view and masked images do.
    :param scans: slices as scanners acquire them, see :mod:`~.scans`, for networks that are told the noise level.
    :param slices_per_batch, crops_per_slice: their product is the batch size.
    :param steps_per_epoch: optimizer steps per epoch; by default one pass over the slices.
    :param workers: processes that prepare training crops.
    :param seed: item i of the training data is a pure function of the seed and i.
    """

    def __init__(
        self,
        data: str,
        validation_subjects: list[str] | None = None,
        degradation: str = "kspace",
        scales: tuple[float, float] = (1.0, 4.0),
        crop_size: PositiveInt = 32,
        stack_crop: tuple[PositiveInt, PositiveInt] = (24, 40),
        stack_variety: StackVariety = StackVariety(),  # noqa: B008
        truth_samples: PositiveInt | None = None,
        cut_crops: ClosedUnitInterval = 0.0,
        scans: bool = False,
        slices_per_batch: PositiveInt = 4,
        crops_per_slice: PositiveInt = 4,
        steps_per_epoch: PositiveInt | None = None,
        validation_scales: list[float] = [2.0, 3.0, 4.0],  # noqa: B006
        slices_per_validation_volume: PositiveInt = 4,
        workers: NonNegativeInt = 1,
        seed: int = 0,
    ):
        super().__init__()
        if not 1 <= scales[0] <= scales[1]:
            raise ValueError(f"--data.scales must be two numbers from 1 on, the lower one first, not {list(scales)}.")
        if not validation_scales or min(validation_scales) < 1:
            raise ValueError(f"--data.validation_scales must be numbers from 1 on, not {validation_scales}.")
        self.save_hyperparameters()
        self.stack_variety = stack_variety

    def setup(self, stage):
        options = self.hparams
        self.training, self.validation, self.facts = load_slices(options.data, options.validation_subjects)
        network = getattr(self.trainer.lightning_module, "network", None)
        is_nexpr = isinstance(network, NExpRNetwork)
        if options.degradation == SLICES and not is_nexpr:
            raise ValueError(f"Only NExpR is trained with --data.degradation {SLICES}: choose another one.")
        config = network.config if is_nexpr else NetworkConfig()
        if config.conditions not in ((0, 2) if options.degradation == SLICES else (0,)):
            raise ValueError(
                "Networks that are told spacing and thickness of slices (--model.network.conditions 2) are trained "
                f"with --data.degradation {SLICES}, and others without conditions."
            )
        if options.scans != config.noise_level or (options.scans and options.degradation not in DRAWS):
            raise ValueError(
                "Networks that are told the noise level (--model.network.noise_level true) are trained with "
                f"--data.scans true and --data.degradation {' or '.join(DRAWS)}, and others without."
            )
        if self.trainer.lightning_module.fixed_scale:
            return
        if options.degradation == SLICES:
            size, option = f"{options.stack_crop[0]} slices", "stack_crop"
            of_smallest, of_largest = reached_ratio(self.training.values(), options.stack_crop[0])
        else:
            size, option = f"{options.crop_size} pixels", "crop_size"
            of_smallest, of_largest = reached_scale(self.training.values(), options.crop_size)
        lowest, highest = options.scales
        self.facts["scales"] = [min(lowest, of_largest), min(highest, of_largest)]
        if of_smallest < highest and self.trainer.is_global_zero:
            print(
                f"Note: crops of {size} fit into the smallest slices up to a scale of "
                f"{of_smallest:.3g} only, into the largest up to {of_largest:.3g}. For all scales up to {highest:g}, "
                f"choose a smaller --data.{option}."
            )

    def state_dict(self):
        """What the model card says of the data travels in the checkpoint."""
        return self.facts

    def train_dataloader(self):
        options = self.hparams
        slices_per_step = options.slices_per_batch * self.trainer.world_size * self.trainer.accumulate_grad_batches
        steps = options.steps_per_epoch or -(-sum(map(len, self.training.values())) // slices_per_step)
        shared = {
            "volumes": self.training,
            "length": steps * slices_per_step,
            "crops_per_slice": options.crops_per_slice,
            "seed": options.seed,
            "start": self.trainer.global_step * slices_per_step,
        }
        if options.degradation == SLICES:
            ratios, crop_size = options.scales, options.stack_crop
            crops = SliceStackCrops(ratios=ratios, crop_size=crop_size, variety=self.stack_variety, **shared)
        else:
            crops = TrainingCrops(
                degradation=options.degradation,
                scales=options.scales,
                crop_size=options.crop_size,
                fixed_scale=self.trainer.lightning_module.fixed_scale,
                truth_samples=options.truth_samples,
                cut_crops=options.cut_crops,
                draw_scan=DRAWS[options.degradation] if options.scans else None,
                **shared,
            )
        return self._loader(crops, options.slices_per_batch)

    def val_dataloader(self):
        options, count = self.hparams, self.hparams.slices_per_validation_volume
        if options.degradation == SLICES:
            slices = ValidationStacks(self.validation, ratios=options.validation_scales, slices_per_volume=count)
        else:
            slices = ValidationSlices(
                self.validation,
                degradation=options.degradation,
                scales=options.validation_scales,
                slices_per_volume=count,
                fixed_scale=self.trainer.lightning_module.fixed_scale,
                noise=0.0 if options.scans else None,
            )
        return self._loader(slices, 1)

    def _loader(self, dataset, batch_size):
        return torch.utils.data.DataLoader(dataset, batch_size, num_workers=self.hparams.workers, collate_fn=list)
