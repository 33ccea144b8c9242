"""Which trained model is used, and loading it once."""

from functools import lru_cache

from slicer.i18n import tr as _

from NExpRLib.model_card import model_names, read_card

from .Choices import ModelChoice
from .Settings import Settings


def modelProblem(settings):
    """Why the chosen model cannot be used; empty if it can."""
    if settings.model in ("", "."):
        return _("Select the folder of a model, or a file in it.")
    ofPackage = {choice.value for choice in ModelChoice} - {ModelChoice.FILE.value}
    if settings.model in ofPackage and settings.model not in model_names():
        return _("There is no model for this kind of image in the package: select another one.")
    try:
        read_card(settings.model)
    except ValueError as error:
        return str(error)
    return ""


def modelKey(settings: Settings):
    """Identifies the weights and the device that they are loaded on; changes when the files of a model do."""
    return settings.model, settings.device, read_card(settings.model).get("sha256")


class ModelCache:
    """Keeps the model that was used last. Used by one thread at a time."""

    def __init__(self):
        self._key = None
        self._model = None

    def get(self, settings):
        """Loaded NExpRLib.model.Model.

        :raises ValueError: if the model or the device is not there.
        """
        from NExpRLib import load_model

        key = modelKey(settings)
        if key != self._key:
            self._key = self._model = None
            _leaveOneCoreFree()
            self._model = load_model(settings.model, settings.device)
            self._key = key
        return self._model


@lru_cache(maxsize=1)
def _leaveOneCoreFree():
    """PyTorch would use all cores; views and other modules need one. Of two cores, both are used."""
    import torch

    threads = torch.get_num_threads()
    if threads > 2:
        torch.set_num_threads(threads - 1)
