"""The models of a run over volumes: those that the user named, or for each volume those of its modality."""

from NExpRLib.model_card import (
    check_noise_reduction,
    check_of_pixels,
    check_of_stacks,
    exceeds_training,
    model_for,
    read_card,
    slices_model_for,
)


class ChosenModels:
    """Names are checked when it is made, and a model is loaded when it is first needed: volumes are read before.

    :param name: of the model for pixels, or its folder; ``None`` for that of the modality.
    :param slices_name: of the model for stacks of slices; ``auto`` for that of the modality.
    :param noise_reduction: that the model for pixels has to be able to.
    :ivar by_modality: whether the user named no model for pixels.
    :raises ValueError: for models that do not exist or are of the other kind.
    """

    def __init__(self, name, slices_name, device, noise_reduction=0.0):
        self.by_modality = name is None
        self._name = name
        self._slices_name = slices_name
        self._device = device
        self._noise_reduction = noise_reduction
        self._loaded = {}
        if name is not None:
            self.card_of("")
        if slices_name != "auto":
            check_of_stacks(read_card(slices_name))

    def card_of(self, modality):
        """Card of the model for pixels of a volume.

        :param modality: DICOM's code, or empty.
        """
        card = read_card(self._name or model_for(modality))
        check_of_pixels(card)
        check_noise_reduction(card, self._noise_reduction)
        return card

    def load(self, modality):
        """The model for pixels."""
        return self._load(self._name or model_for(modality))

    def card_for_slices(self, modality):
        """Card of the model for stacks of slices."""
        return read_card(self._name_for_slices(modality))

    def load_for_slices(self, modality):
        """The model for stacks of slices."""
        return self._load(self._name_for_slices(modality))

    def _name_for_slices(self, modality):
        named = self._slices_name != "auto"
        return self._slices_name if named else slices_model_for(self.card_of(modality))

    def _load(self, name):
        if name not in self._loaded:
            from NExpRLib.model import load_model

            self._loaded[name] = load_model(name, self._device)
            print(f'Model "{self._loaded[name].card["name"]}" on {self._loaded[name].device}.')
        return self._loaded[name]


def notes_on_model(card, modality, plan, shares):
    """What a model was not trained for.

    :param card: of the model for pixels.
    :param modality: of the volume: DICOM's code, or empty.
    :param plan: :class:`NExpRLib.volumes.plan.Plan`.
    :param shares: measured share of the stored pixels along rows and columns.
    """
    highest = max(scale / share for scale, share in zip(plan.scale, shares))
    if exceeds_training(card, highest):
        of = " the measured pixels" if min(shares) < 1 else ""
        yield f"{highest:.2f}x{of} is above the {card['scales'][1]:g}x that the model was trained for."
    of_model = card.get("modality")
    if of_model and modality in ("MR", "CT", "PT", "NM") and modality != of_model:
        yield f'The volume is {modality}, and the model "{card["name"]}" was trained on {of_model}.'


def notes_on_slices_model(card, distance):
    """What a model for stacks of slices was not trained for.

    :param card: of the model.
    :param distance: from slice to slice, in pixels.
    """
    if exceeds_training(card, distance):
        yield (
            f"The slices are {distance:.3g} pixels apart, above the {card['scales'][1]:g} that the model was trained "
            "for: what is drawn between them is a guess."
        )
