"""From a checkpoint of ``nexpr train`` to a model that everyone can use."""

import hashlib
import io
import json
from dataclasses import asdict
from pathlib import Path

import torch

from NExpRLib.model_card import model_names

from ..data.degradation import SLICES
from ..files.volume_files import atomic_output, make_folder
from ..methods import METHODS, Kind, method_of
from .card import write_card
from .checkpoint import load_module, read_checkpoint


def export_model(checkpoint, folder, about=None):
    """Write ``weights.pt`` (float16, the averaged weights) and ``card.json``.

    :param checkpoint: path of a checkpoint of ``nexpr train``.
    :param about: JSON file of entries of the card that the checkpoint does not know.
    :raises ValueError: if the checkpoint cannot be used or the folder cannot be written.
    """
    if not str(folder):
        raise ValueError("The name of the output folder is empty.")
    if folder in model_names():
        raise ValueError(f'"{folder}" is a model in the package: choose another name for your folder.')
    about = _read_about(about) if about else {}
    state, module = read_checkpoint(checkpoint), load_module(checkpoint)
    method = method_of(state["hyper_parameters"])
    if METHODS[method].kind is not Kind.NEXPR:
        raise ValueError(
            f"{checkpoint} holds a network of {method}: only NExpR is exported. Other methods are "
            "evaluated from their checkpoint: nexpr evaluate VOLUME --model CHECKPOINT."
        )
    if "SliceData" not in state:
        raise ValueError(f"{checkpoint} does not say what data it was trained on: export last.ckpt or best.ckpt.")
    data, facts = state["datamodule_hyper_parameters"], state["SliceData"]
    if not all(parameter.isfinite().all() for parameter in module.network.parameters()):
        raise ValueError(f"The weights in {checkpoint} are not all finite numbers: the training has diverged.")
    buffer = io.BytesIO()
    torch.save({name: tensor.half() for name, tensor in module.network.state_dict().items()}, buffer)
    folder = Path(folder)
    make_folder(folder, f"The output folder {folder}")
    if data["degradation"] == SLICES:
        crops = {"crop_size": list(data["stack_crop"])}
    else:
        crops = {"crop_size": data["crop_size"], "cut_crops": data.get("cut_crops", 0.0)}
    card = {
        "name": folder.resolve().name,
        **about,
        "degradation": data["degradation"],
        "scales": facts.get("scales", list(data["scales"])),
        "training": {
            "steps": state["global_step"],
            "crops_per_step": data["slices_per_batch"] * data["crops_per_slice"],
            **crops,
            "windows": facts["windows"],
            "validation_subjects": facts["validation_subjects"],
        },
        "network": asdict(module.network.config),
        "sha256": hashlib.sha256(buffer.getvalue()).hexdigest(),
    }
    with atomic_output(folder / "weights.pt") as temporary:
        temporary.write_bytes(buffer.getvalue())
    write_card(card, folder)


def _read_about(path):
    try:
        about = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is not readable as JSON ({error}).") from error
    if not isinstance(about, dict):
        raise ValueError(f"{path} must hold a JSON object.")
    if not isinstance(about.get("name", ""), str):
        raise ValueError(f"The name in {path} must be a text.")
    return about
