"""Networks of a comparison: trained by ``nexpr train`` where they are missing, continued where they were stopped."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
import yaml

from ..files import atomic_output
from .store import file_name

FIXED_SCALE_CLASSES = ("FixedScaleTraining", "SRGANTraining")


@dataclass(frozen=True)
class TrainingRun:
    """One run of ``nexpr train``.

    :ivar folder: of its checkpoint and logs.
    :ivar options: ``{option: value}`` of ``nexpr train``, beside the folder.
    """

    folder: Path
    config: Path
    options: dict

    @property
    def origin(self):
        """What the trained network depends on, as JSON can hold it."""
        return {"config": yaml.safe_load(self.config.read_text(encoding="utf-8")), "options": self.options}

    @property
    def checkpoint(self):
        return self.folder / "last.ckpt"

    def finish(self):
        """Train, unless that is done; continue from the last checkpoint if there is one.

        :raises ValueError: if the folder holds a run of another kind.
        """
        record, done = self.folder / "options.json", self.folder / "finished"
        recipe = json.dumps(self.origin, sort_keys=True)
        if record.is_file() and record.read_text(encoding="utf-8") != recipe:
            raise ValueError(
                f"{self.folder} holds a network that was trained with other options: remove that folder, or choose "
                "another --output."
            )
        if done.is_file() and self.checkpoint.is_file():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        with atomic_output(record) as temporary:
            temporary.write_text(recipe, encoding="utf-8")
        from ..train import train

        print(f"Training {self.folder}: {self.options['trainer.max_steps']} steps", flush=True)
        train(self.arguments())
        reached = torch.load(self.checkpoint, map_location="cpu", weights_only=True)["global_step"]
        if reached < self.options["trainer.max_steps"]:
            raise ValueError(f"The training in {self.folder} was stopped: run the command again to continue it.")
        with atomic_output(done) as temporary:
            temporary.write_text(f"{reached} steps\n", encoding="utf-8")

    def arguments(self):
        """Of ``nexpr train``."""
        folder = str(self.folder)
        arguments = ["--config", str(self.config)]
        for name, value in self.options.items():
            arguments += [f"--{name}", value if isinstance(value, str) else json.dumps(value)]
        arguments += ["--last.dirpath", folder, "--best.dirpath", folder, "--trainer.default_root_dir", folder]
        arguments += ["--trainer.enable_model_summary", "false"]
        return arguments + (["--resume", str(self.checkpoint)] if self.checkpoint.is_file() else [])


def training_run(protocol, output, name, method, training_name, data_file, scale=None, options=None):
    """The run that trains a method on a training set.

    :param name: of the network, for its folder.
    :param scale: of a fixed-scale network.
    :param options: beside those of the protocol and of the method.
    """
    training_set = protocol.training_sets[training_name]
    options = {**protocol.options, **method.options, **(options or {})}
    options |= {"data.data": str(data_file), "data.degradation": training_set.degradation}
    if scale:
        options["model.scale"] = scale
    config = Path(method.config)
    data = _read(config).get("data", {})
    per_step = 1
    for option in ("slices_per_batch", "crops_per_slice"):
        per_step *= options.get(f"data.{option}", data.get(option, 4))
    options["trainer.max_steps"] = -(-protocol.images // per_step)
    folder = output / "training" / file_name(training_name) / file_name(f"{name} {scale}x" if scale else name)
    return TrainingRun(folder, config, options)


def is_fixed_scale(method):
    """Whether a method needs a network for every scale."""
    return bool(method.config) and _read(method.config)["model"].get("class_path") in FIXED_SCALE_CLASSES


def _read(config):
    try:
        return yaml.safe_load(Path(config).read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"The configuration {config} cannot be read: {error.strerror}.") from error
