"""``nexpr models``: list, show, verify and export trained models."""

import hashlib
import io
import json
from dataclasses import asdict
from pathlib import Path

import torch

from NExpRLib.model import load_model
from NExpRLib.model_card import model_names, read_card

from ..evaluation.markdown import markdown_table
from ..files.volume_files import atomic_output


def add_arguments(parser):
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    actions.add_parser("list", help="the models in the package (default)")
    for name, summary in (("show", "print a model card"), ("verify", "check that the weights match their card")):
        actions.add_parser(name, help=summary).add_argument("model", help="name or folder of a model")
    export = actions.add_parser("export", help="turn a training checkpoint into a model")
    export.add_argument(
        "checkpoint",
        metavar="CHECKPOINT",
        help="of a training run: last.ckpt (its end), or best.ckpt (the highest PSNR on validation subjects since it "
        "began or was resumed)",
    )
    export.add_argument(
        "-o", "--output", required=True, metavar="FOLDER", help="weights.pt and card.json are put there"
    )
    export.add_argument(
        "--about",
        metavar="FILE.json",
        help="what the checkpoint does not know, for the card: summary, licence, training_data (list of sources with "
        "their licences and credits)",
    )


def run(arguments):
    if arguments.action == "show":
        show(read_card(arguments.model))
    elif arguments.action == "verify":
        load_model(arguments.model, device="cpu")
        print(f"The weights of {arguments.model} match their model card.")
    elif arguments.action == "export":
        if arguments.output in model_names():
            raise ValueError(f'"{arguments.output}" is a model in the package: choose another name for your folder.')
        export_model(arguments.checkpoint, arguments.output, _read_about(arguments.about))
        print(f"Model: {arguments.output}. Try: nexpr upsample IN OUT --scale 2 --model {arguments.output}")
    else:
        cards = {name: read_card(name) for name in model_names()}
        print(markdown_table(["Model", "Summary"], [[name, card.get("summary", "")] for name, card in cards.items()]))


def show(card):
    """Print a model card: text as it is, metrics as their tables."""
    for key, value in card.items():
        if key == "metrics":
            print(f"\nmetrics, by: {value['command']}")
            for metric, table in value["tables"].items():
                print(f"\n{metric}\n" + "\n".join(table))
        elif isinstance(value, list) and value and isinstance(value[0], str):
            print(f"{key}:", *(f"  - {line}" for line in value), sep="\n")
        elif isinstance(value, dict):
            print(f"{key}:", *(f"  - {name}: {entry}" for name, entry in value.items()), sep="\n")
        elif value is not None:
            print(f"{key}: {value}")


def export_model(checkpoint, folder, about):
    """Write ``weights.pt`` (float16, the averaged weights) and ``card.json``.

    :param checkpoint: path of a checkpoint of ``nexpr train``.
    :param about: entries of the card that the checkpoint does not know.
    :raises ValueError: if the checkpoint cannot be used or the folder cannot be written.
    """
    from ..modules import NExpRTraining, RestorationTraining

    try:
        module = RestorationTraining.load_from_checkpoint(checkpoint, map_location="cpu", weights_only=True)
        state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise ValueError(f"There is no file {checkpoint}.") from error
    except Exception as error:
        raise ValueError(f"{checkpoint} is no checkpoint of nexpr train.") from error
    if not isinstance(module, NExpRTraining):
        raise ValueError(
            f"{checkpoint} holds a network of {module.hparams.method}: only NExpR is exported. Other methods are "
            "evaluated from their checkpoint: nexpr evaluate VOLUME --model CHECKPOINT."
        )
    data, facts = state["datamodule_hyper_parameters"], state["SliceData"]
    buffer = io.BytesIO()
    torch.save({name: tensor.half() for name, tensor in module.network.state_dict().items()}, buffer)
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"The output folder {folder} cannot be made: {error.strerror}.") from error
    card = {
        "name": folder.resolve().name,
        **about,
        "degradation": data["degradation"],
        "scales": facts.get("scales", list(data["scales"])),
        "training": {
            "steps": state["global_step"],
            "crops_per_step": data["slices_per_batch"] * data["crops_per_slice"],
            "crop_size": data["crop_size"],
            "cut_crops": data.get("cut_crops", 0.0),
            "windows": facts["windows"],
            "validation_subjects": facts["validation_subjects"],
        },
        "network": asdict(module.network.config),
        "sha256": hashlib.sha256(buffer.getvalue()).hexdigest(),
    }
    with atomic_output(folder / "weights.pt") as temporary:
        temporary.write_bytes(buffer.getvalue())
    write_card(card, folder)


def write_card(card, folder):
    """Write ``card.json`` into a model's folder."""
    with atomic_output(Path(folder) / "card.json") as temporary:
        temporary.write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _read_about(path):
    if path is None:
        return {}
    try:
        about = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is not readable as JSON ({error}).") from error
    if not isinstance(about, dict):
        raise ValueError(f"{path} must hold a JSON object.")
    if not isinstance(about.get("name", ""), str):
        raise ValueError(f"The name in {path} must be a text.")
    return about
