"""From a training checkpoint to a model folder: float16 weights and the model card."""

import hashlib
import io
import json
from dataclasses import asdict
from pathlib import Path

import torch

from .files import atomic_output
from .training_module import NExpRTraining


def export_model(checkpoint, folder, facts):
    """Write ``weights.pt`` and ``card.json``.

    :param checkpoint: Lightning checkpoint of :class:`NExpRTraining`; its averaged weights are taken.
    :param facts: the part of the card that training does not know: name, summary, data with licences, metrics.
    """
    module = NExpRTraining.load_from_checkpoint(checkpoint, map_location="cpu", weights_only=False)
    network = module.network
    buffer = io.BytesIO()
    torch.save({name: tensor.half() for name, tensor in network.state_dict().items()}, buffer)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    card = {
        **facts,
        "network": asdict(network.config),
        "sha256": hashlib.sha256(buffer.getvalue()).hexdigest(),
    }
    with atomic_output(folder / "weights.pt") as temporary:
        temporary.write_bytes(buffer.getvalue())
    with atomic_output(folder / "card.json") as temporary:
        temporary.write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
