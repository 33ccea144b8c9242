"""Model cards: which models there are and what is known about them; needs no torch."""

import json
import os
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from .intensity import robust_range

MODELS_FOLDER = Path(__file__).parent / "Models"


def model_names() -> list[str]:
    """Names of the models in the package.

    >>> "mri" in model_names()
    True
    """
    return sorted(path.parent.name for path in MODELS_FOLDER.glob("*/card.json"))


def model_cards(of_stacks: bool = False) -> dict[str, dict[str, Any]]:
    """Cards of the models in the package by name, in the order in which users are offered them.

    Those that are not readable are left out.

    >>> list(model_cards())
    ['mri', 'mri-fast', 'ct', 'ct-fast']

    :param of_stacks: those of the models that refine stacks of slices, instead of the pixels of each.
    """
    cards = {}
    for name in model_names():
        try:
            card = read_card(name)
        except ValueError:
            continue
        if is_of_stacks(card) == of_stacks:
            cards[name] = card
    return dict(sorted(cards.items(), key=lambda item: item[1].get("order", len(cards))))


def model_for(modality: str) -> str:
    """Name of the model in the package that users of a modality are offered first, or of all: most volumes are MRI.

    >>> model_for("CT"), model_for("")
    ('ct', 'mri')

    :param modality: DICOM's code.
    """
    cards = model_cards()
    return next((name for name, card in cards.items() if card.get("modality") == modality), next(iter(cards)))


def is_of_stacks(card: dict[str, Any]) -> bool:
    """Whether a model refines stacks of slices rather than their pixels.

    >>> is_of_stacks(read_card("mri"))
    False
    """
    return card.get("degradation") == "slices"


def check_of_pixels(card: dict[str, Any]) -> None:
    """Refuse a model for stacks of slices where one for their pixels is needed.

    >>> check_of_pixels(read_card("mri"))

    :raises ValueError: with what to do instead.
    """
    if is_of_stacks(card):
        raise ValueError(
            f'The model "{card.get("name", "")}" refines stacks of slices: choose another one for their pixels.'
        )


def check_of_stacks(card: dict[str, Any]) -> None:
    """Refuse a model for the pixels of slices where one for stacks of slices is needed.

    >>> check_of_stacks(read_card("mri-slices"))

    :raises ValueError: with what to do instead.
    """
    if not is_of_stacks(card):
        raise ValueError(
            f'The model "{card.get("name", "")}" refines no stacks of slices: choose another one for them.'
        )


def slices_model_for(card: dict[str, Any]) -> str:
    """Name of the model in the package for stacks of slices, of the modality of another model.

    A model whose card does not tell is one for MRI, if it was trained on k-space.

    >>> slices_model_for({"degradation": "kspace"})
    'mri-slices'
    >>> slices_model_for({"modality": "PT"})  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: No model in the package is known to suit stacks of PT slices...

    :raises ValueError: if there is none.
    """
    modality = card.get("modality", "MR" if on_kspace(card) else None)
    for name, other in model_cards(of_stacks=True).items():
        if other.get("modality") == modality:
            return name
    raise ValueError(
        f"No model in the package is known to suit stacks of {modality or 'such'} slices: name one (slices_model), "
        "such as ct-slices, or refine only their pixels, by scale, spacing or size."
    )


def model_folder(model: str | os.PathLike) -> Path:
    """Folder of a model in the package, by name, or of the model at a path (its folder, or a file in it).

    >>> model_folder("mri").name
    'mri'

    :param model: a string may be either, names coming first; a :class:`~pathlib.Path` is a path.
    :raises ValueError: if there is no such model.
    """
    if model in model_names():
        return MODELS_FOLDER / model
    path = Path(model)
    try:
        folder = path if path.is_dir() else path.parent
        is_model = (path.is_dir() or path.name in ("card.json", "weights.pt")) and (folder / "card.json").is_file()
    except OSError as error:
        raise ValueError(f"The model {model} cannot be read: {error.strerror}.") from error
    if is_model:
        return folder
    raise ValueError(
        f'There is no model "{model}": choose one of {", ".join(model_names())}, '
        "or a folder with card.json and weights.pt."
    )


def read_card(model: str | os.PathLike) -> dict[str, Any]:
    """Model card of a model in the package, by name, or at a path.

    >>> read_card("mri")["name"]
    'mri'

    :return: dict, see ``Models/*/card.json``; not to be changed: the file is read once for all who ask.
    :raises ValueError: if there is no such model or its card is not readable.
    """
    path = model_folder(model) / "card.json"
    try:
        return _read(path, path.stat().st_mtime_ns)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"The model card {path} is not readable ({error}).") from error


@lru_cache(maxsize=16)
def _read(path: Path, _written: int) -> dict[str, Any]:
    card = json.loads(path.read_text(encoding="utf-8"))
    low, high = card["scales"]
    if not (0 < low <= high and isinstance(card["network"], dict) and isinstance(card["name"], str)):
        raise ValueError("name, scales or network make no sense")
    if card.get("window"):
        low, high = card["window"]
        if not low < high:
            raise ValueError("the window makes no sense")
    return card


def intensity_range(card: dict[str, Any], image: np.ndarray) -> tuple[float, float]:
    """Intensities of a slice or volume that the network sees as 0 and 1: the model's window, or a robust range.

    >>> intensity_range({"window": [-1000, 2000]}, np.zeros((4, 4)))
    (-1000, 2000)
    """
    if card.get("window"):
        low, high = card["window"]
        return low, high
    return robust_range(image)


def on_kspace(card: dict[str, Any]) -> bool:
    """Whether a model was trained on cropped k-space, as MRI is measured.

    >>> on_kspace(read_card("mri")), on_kspace(read_card("ct"))
    (True, False)
    """
    return card.get("degradation", "kspace") == "kspace"


def exceeds_training(card: dict[str, Any], scale: float) -> bool:
    """Whether a scale, or the distance of slices in pixels, is larger than what a model was trained for.

    >>> exceeds_training({"scales": [1, 4]}, 4.04), exceeds_training({"scales": [1, 4]}, 4.1)
    (False, True)
    """
    return scale > card["scales"][1] + 0.05  # Sizes are rounded.


def reduces_noise(card: dict[str, Any]) -> bool:
    """Whether a model can remove noise: it was trained with the noise level told.

    >>> reduces_noise({"network": {"noise_level": True}})
    True
    """
    return bool(card.get("network", {}).get("noise_level", False))


def check_noise_reduction(card: dict[str, Any], noise_reduction: float) -> None:
    """
    >>> check_noise_reduction({"name": "mine"}, 0.5)
    Traceback (most recent call last):
    ValueError: The model "mine" cannot reduce noise: choose another one, or a noise reduction of 0.

    :raises ValueError: if it is no share from 0 to 1, or the model cannot reduce noise.
    """
    if not 0 <= noise_reduction <= 1:
        raise ValueError(f"The noise reduction must be from 0 to 1, not {noise_reduction:g}.")
    if noise_reduction and not reduces_noise(card):
        raise ValueError(
            f'The model "{card.get("name", "")}" cannot reduce noise: choose another one, or a noise reduction of 0.'
        )
