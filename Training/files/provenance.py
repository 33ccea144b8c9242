"""What made a result, kept in its file: a super-resolved image must be told from a measured one.

NRRD and MetaImage hold it as JSON under the key ``NExpR``; NIfTI's description holds its beginning in words, before the
description of the input.
"""

import json
from pathlib import Path

import NExpRLib

_KEY = "NExpR"
_LENGTH = 79  # of a description in NIfTI


def record(image, source, plan, models, **options):
    """Say in the metadata of a SimpleITK image how it was made.

    :param source: path of the input.
    :param plan: :class:`NExpRLib.volumes.plan.Plan`.
    :param models: cards of the models.
    :param options: further facts, those that are ``None`` or false left out.
    """
    made = {
        "Version": NExpRLib.__version__,
        "Input": Path(source).name,
        "Models": {card["name"]: card.get("sha256", "")[:12] for card in models},
        "Scale": [float(f"{1 / along.step:.6g}") for along in plan.samples],
        **{name: value for name, value in options.items() if value},
    }
    image.SetMetaData(_KEY, json.dumps(made))


def description(image, of_input):
    """The description of a NIfTI file, at most 79 bytes.

    :param image: SimpleITK image, see :func:`record`.
    :param of_input: description of the input.
    """
    if not image.HasMetaDataKey(_KEY):
        return of_input[:_LENGTH]
    made = json.loads(image.GetMetaData(_KEY))
    scale = "x".join(f"{scale:.3g}" for scale in made["Scale"])
    text = f"NExpR {made['Version']} {'+'.join(made['Models'])} {scale}"
    return f"{text}; {of_input}".rstrip("; ").encode()[:_LENGTH].decode(errors="ignore")
