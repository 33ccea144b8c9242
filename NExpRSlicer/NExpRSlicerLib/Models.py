"""Which trained model is used, and loading it once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from slicer.i18n import tr as _

from NExpRLib.model_card import read_card

from .Parameters import Settings

if TYPE_CHECKING:
    from NExpRLib.model import Model


def cardOf(settings: Settings) -> dict:
    """Card of the chosen model.

    :raises ValueError: if the model cannot be used, with the reason.
    """
    if settings.model in ("", "."):
        raise ValueError(_("Select the folder of a model, or a file in it."))
    return read_card(settings.model)


def modelKey(settings: Settings, card: dict) -> tuple:
    """Identifies the weights and the device that they are loaded on; changes when the files of a model do."""
    return settings.model, settings.device, card.get("sha256")


class ModelCache:
    """Keeps the model that was used last, and how fast models are. One thread at a time gets models."""

    def __init__(self):
        self._key = None
        self._model = None
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
        """Loaded model.

        :raises ValueError: if the model or the device is not there.
        """
        from NExpRLib import load_model

        key = modelKey(settings, cardOf(settings))
        if key != self._key:
            self._key = self._model = None
            _leaveOneCoreFree()
            self._model = load_model(settings.model, settings.device)
            self._key = key
        return self._model


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
