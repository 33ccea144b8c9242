"""What made a result, kept in its file: a super-resolved image must be told from a measured one.

NRRD and MetaImage hold it as JSON under the key ``NExpR``. NIfTI's description holds its beginning in words, before the
description of the input; all of it is in a sidecar as those of BIDS derivatives, beside the file.
"""

import json

import NExpRLib
from NExpRLib.volumes.sidecar import set_sidecar, sidecar_of

from .notes import read_sidecar

_KEY = "NExpR"
_LENGTH = 79  # of a description in NIfTI
_STILL_TRUE = ("Modality", "ImageType", "PixelPaddingValue")  # facts on the values, which are refined, not changed


def record(image, source, facts, plan, models, **options):
    """Say in the metadata of a SimpleITK image how it was made.

    :param source: name of the input.
    :param facts: on the input, see :mod:`NExpRLib.volumes.sidecar`; those are kept that hold for the result.
    :param plan: :class:`NExpRLib.volumes.plan.Plan`.
    :param models: cards of the models.
    :param options: further facts, those that are ``None`` or false left out.
    """
    made = {
        "Version": NExpRLib.__version__,
        "Input": source,
        "Models": {card["name"]: card.get("sha256", "")[:12] for card in models},
        "Scale": [float(f"{1 / along.step:.6g}") for along in plan.samples],
        **{name: value for name, value in options.items() if value},
    }
    image.SetMetaData(_KEY, json.dumps(made))
    names = _STILL_TRUE if plan.through is not None else (*_STILL_TRUE, "SliceThickness")
    if kept := {name: facts[name] for name in names if name in facts}:
        set_sidecar(image, kept)


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


def bids_sidecar(image):
    """Text of the sidecar of a NIfTI file, empty for an image that was not made here.

    :param image: SimpleITK image, see :func:`record`.
    """
    if not image.HasMetaDataKey(_KEY):
        return ""
    made = json.loads(image.GetMetaData(_KEY))
    facts = {
        "Description": "Super-resolved: detail beyond what was measured is inferred. For research use only.",
        "Sources": [made.pop("Input")],
        "GeneratedBy": [{"Name": _KEY, **made}],
        **sidecar_of(image),
    }
    return json.dumps(facts, indent=2, ensure_ascii=False) + "\n"


def is_result(image, sidecar):
    """Whether an image that was read was made here.

    :param sidecar: path of its sidecar, ``None`` where its format has none.
    """
    descrip = image.GetMetaData("descrip") if image.HasMetaDataKey("descrip") else ""
    known = image.HasMetaDataKey(_KEY) or descrip.startswith(f"{_KEY} ")
    return known or (sidecar is not None and _is_ours(sidecar))


def is_of_another(path):
    """Whether there is a file at the path of a sidecar that was not written here."""
    return path.exists() and not _is_ours(path)


def _is_ours(sidecar):
    made_by = read_sidecar(sidecar).get("GeneratedBy", ())
    return isinstance(made_by, list) and any(isinstance(by, dict) and by.get("Name") == _KEY for by in made_by)
