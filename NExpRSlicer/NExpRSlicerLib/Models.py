"""Which trained model is used, and loading it once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from slicer.i18n import tr as _

from NExpRLib.model_card import check_of_stacks, is_of_stacks, on_kspace, read_card, slices_model_for

from .Parameters import Settings

if TYPE_CHECKING:
    from NExpRLib.model import Model


def cardOf(settings: Settings) -> dict:
    """Card of the chosen model.

    :raises ValueError: if the model cannot be used, with the reason.
    """
    if settings.model in ("", "."):
        raise ValueError(_("Select the folder of a model, or a file in it."))
    card = read_card(settings.model)
    if is_of_stacks(card):
        raise ValueError(_("The model is one for stacks of slices: select one for the pixels within slices."))
    return card


def slicesSettings(settings: Settings) -> Settings:
    """Settings whose model is the one for stacks of slices.

    :raises ValueError: if there is none, with the reason.
    """
    name = slices_model_for(cardOf(settings)) if settings.slicesModel == "auto" else settings.slicesModel
    check_of_stacks(read_card(name))
    return replace(settings, model=name)


def cardOfSlices(settings: Settings) -> dict:
    """Card of the model for stacks of slices.

    :raises ValueError: if there is none, with the reason.
    """
    return read_card(slicesSettings(settings).model)


def recognizes(settings: Settings) -> bool:
    """Whether it matters what the scanner measured: other models than those for k-space take images as stored.

    :raises ValueError: if the model cannot be used.
    """
    return settings.measured == "auto" and on_kspace(cardOf(settings))


def modelKey(settings: Settings, card: dict) -> tuple:
    """Identifies the weights and the device that they are loaded on; changes when the files of a model do."""
    return settings.model, settings.device, card.get("sha256")


class ModelCache:
    """Keeps the models that were used last, one for pixels and one for slices, and how fast models are.

    One thread at a time gets models.
    """

    def __init__(self):
        self._loaded: dict[str, tuple[tuple, Model]] = {}
        self._speeds: dict[tuple[str, str], deque[float]] = {}

    def noteSpeed(self, settings: Settings, pixels: int, seconds: float) -> None:
        """A slice of this many input pixels took so long."""
        speeds = self._speeds.setdefault((settings.model, settings.device), deque(maxlen=8))
        speeds.append(seconds / pixels)

    def secondsPerPixel(self, settings: Settings) -> float | None:
        """Of a slice of the input, as measured; None before two slices: the first takes longer."""
        speeds = self._speeds.get((settings.model, settings.device), ())
        return float(np.median(speeds)) if len(speeds) > 1 else None

    def get(self, settings: Settings) -> Model:
        """Loaded model for the pixels within slices.

        :raises ValueError: if the model or the device is not there.
        """
        return self._get("pixels", settings, cardOf(settings))

    def getForSlices(self, settings: Settings) -> Model:
        """Loaded model for stacks of slices.

        :raises ValueError: if the model or the device is not there.
        """
        return self._get("slices", slicesSettings(settings), cardOfSlices(settings))

    def _get(self, role: str, settings: Settings, card: dict) -> Model:
        from NExpRLib import load_model

        key = modelKey(settings, card)
        if self._loaded.get(role, (None,))[0] != key:
            self._loaded.pop(role, None)
            _leaveOneCoreFree()
            self._loaded[role] = key, load_model(settings.model, settings.device)
        return self._loaded[role][1]


@contextmanager
def checkedBetweenLayers(model: Model, check: Callable[[], None]) -> Iterator[None]:
    """Call check() before every layer of the network; what it raises ends the computation."""
    handles = [layer.register_forward_pre_hook(lambda *_: check()) for layer in model.network.modules()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@lru_cache(maxsize=1)
def _leaveOneCoreFree() -> None:
    """PyTorch would use all cores; views and other modules need one. Of two cores, both are used."""
    import torch

    threads = torch.get_num_threads()
    if threads > 2:
        torch.set_num_threads(threads - 1)
