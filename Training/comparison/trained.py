"""Networks of a comparison: trained by ``nexpr train`` where they are missing, continued where they were stopped."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch

from ..files.volume_files import atomic_output
from .data_sets import fingerprint
from .protocol import read_config
from .store import file_name

# Of Lightning's checkpoints, what a network is loaded from.
KEPT = ("pytorch-lightning_version", "global_step", "hyper_parameters", "datamodule_hyper_parameters", "state_dict")


@dataclass(frozen=True)
class TrainingRun:
    """One run of ``nexpr train``.

    :ivar folder: of its checkpoint and logs.
    :ivar options: ``{option: value}`` of ``nexpr train``, beside the folder and the data.
    :ivar data: file to train on.
    :ivar accelerator: of Lightning; one device of it, so that the number of crops does not depend on the machine.
    """

    folder: Path
    config: Path
    options: dict
    data: Path
    accelerator: str

    @property
    def origin(self):
        """What the trained network depends on, as JSON can hold it."""
        return {"config": read_config(self.config), "options": self.options, "data": fingerprint(self.data)}

    @property
    def checkpoint(self):
        """The trained network, without what only training needs."""
        return self.folder / "trained.ckpt"

    def finish(self):
        """Train, unless that is done; continue from the last checkpoint if there is one.

        :raises ValueError: if the folder holds a run of another kind.
        """
        record = self.folder / "options.json"
        recipe = json.dumps(self.origin, sort_keys=True)
        if record.is_file() and record.read_text(encoding="utf-8") != recipe:
            raise ValueError(
                f"{self.folder} holds a network that was trained with other options or data: remove that folder, or "
                "choose another --output."
            )
        if self.checkpoint.is_file():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        with atomic_output(record) as temporary:
            temporary.write_text(recipe, encoding="utf-8")
        from ..modules.run import train

        print(f"Training {self.folder}: {self.options['trainer.max_steps']} steps", flush=True)
        train(self.configuration())
        state = torch.load(self.folder / "last.ckpt", map_location="cpu", weights_only=True)
        if state["global_step"] < self.options["trainer.max_steps"]:
            raise ValueError(f"The training in {self.folder} was stopped: run the command again to continue it.")
        with atomic_output(self.checkpoint) as temporary:
            torch.save({name: state[name] for name in KEPT}, temporary)
        for name in ("last.ckpt", "best.ckpt"):
            (self.folder / name).unlink(missing_ok=True)

    def configuration(self):
        """Of ``nexpr train``, whole: the method's, with the options."""
        folder = str(self.folder)
        last = self.folder / "last.ckpt"
        options = {
            "data.data": str(self.data),
            "trainer.accelerator": self.accelerator,
            "trainer.devices": 1,
            **self.options,
            "trainer.enable_model_summary": False,
            **{f"{callback}.dirpath": folder for callback in ("last", "best")},
            "trainer.default_root_dir": folder,
            "ckpt_path": str(last) if last.is_file() else None,
        }
        configuration = read_config(self.config)
        for option, value in options.items():
            *groups, name = option.split(".")
            place = configuration
            for group in groups:
                place = place.setdefault(group, {})
                if "class_path" in place:
                    place = place.setdefault("init_args", {})
            place[name] = value
        return configuration


def training_run(protocol, output, name, method, training_name, data_file, accelerator, scale=None):
    """The run that trains a method on a training set.

    :param name: of the network, for its folder.
    :param scale: of a fixed-scale network.
    """
    options = {**protocol.options, **method.options}
    options["data.degradation"] = protocol.training_sets[training_name].degradation
    if scale:
        options["model.scale"] = scale
    config = Path(method.config)
    data = read_config(config).get("data", {})
    per_step = 1
    for option in ("slices_per_batch", "crops_per_slice"):
        per_step *= options.get(f"data.{option}", data.get(option, 4))
    options["trainer.max_steps"] = -(-protocol.images // per_step)
    options["trainer.max_epochs"] = -1
    folder = output / "training" / file_name(training_name) / file_name(f"{name} {scale}x" if scale else name)
    return TrainingRun(folder, config, options, data_file, accelerator)
