"""What the header of a file says of a volume, kept in the metadata of its SimpleITK image.

The facts have their BIDS names (SliceThickness, ImageType, Modality, ...), and are JSON text under the key ``sidecar``.
Of a DICOM file that SimpleITK itself has read they are taken from the elements that it keeps.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import SimpleITK as sitk

_KEY = "sidecar"


def set_sidecar(image: sitk.Image, facts: dict) -> None:
    """Keep facts with an image.

    >>> import SimpleITK as sitk
    >>> set_sidecar(sitk.Image([4, 4], sitk.sitkInt16), {"SliceThickness": 3.0})
    """
    image.SetMetaData(_KEY, json.dumps(facts))


def sidecar_of(image: sitk.Image) -> dict:
    """The facts kept with an image, but those that make no sense; an empty dict where there are none.

    >>> import SimpleITK as sitk
    >>> image = sitk.Image([4, 4], sitk.sitkInt16)
    >>> set_sidecar(image, {"Modality": "MR"})
    >>> sidecar_of(image)
    {'Modality': 'MR'}
    """
    if image.HasMetaDataKey(_KEY):
        try:
            facts = json.loads(image.GetMetaData(_KEY))
        except (ValueError, RecursionError):  # A key of that name may be of another program.
            facts = None
        if isinstance(facts, dict):
            return _sensible(facts)
    return facts_of_elements({tag: image.GetMetaData(tag) for tag in DICOM_TAGS if image.HasMetaDataKey(tag)})


def _sensible(facts: dict) -> dict:
    """Facts of a file that anybody may have written: numbers are numbers, and texts are texts."""
    facts = dict(facts)
    kinds = facts.get("ImageType")
    if isinstance(kinds, str):
        facts["ImageType"] = kinds.split("\\")
    for name in [name for name in facts if name in _POSITIVE]:
        try:
            facts[name] = _positive([str(facts[name])])
        except ValueError:
            del facts[name]
    for name, kind in (("ImageType", list), ("Modality", str), ("PixelPaddingValue", int | float)):
        if name in facts and not isinstance(facts[name], kind):
            del facts[name]
    return facts


def facts_of_elements(elements: Mapping[str, str]) -> dict:
    """The facts of DICOM elements; those that are empty or make no sense are left out.

    >>> facts_of_elements({"0008|0060": "MR", "0018|0050": "3 ", "0028|0010": ""})
    {'Modality': 'MR', 'SliceThickness': 3.0}

    PixelPaddingValue is scaled as the pixels are:

    >>> facts_of_elements({"0028|0120": "-2000", "0028|1052": "-1024", "0028|1053": "1"})
    {'PixelPaddingValue': -3024.0}

    :param elements: their text by tag, of those of :data:`DICOM_TAGS` that there are.
    """
    facts = {}
    for tag, (name, fact_of) in _ELEMENTS.items():
        parts = [part.strip() for part in elements.get(tag, "").split("\\")]
        try:
            if any(parts):
                facts[name] = fact_of(parts)
        except ValueError:
            pass
    slope, intercept = facts.pop("RescaleSlope", 1.0), facts.pop("RescaleIntercept", 0.0)
    if "PixelPaddingValue" in facts:
        facts["PixelPaddingValue"] = slope * facts["PixelPaddingValue"] + intercept
    return facts


_POSITIVE = (
    "SliceThickness",
    "Rows",
    "Columns",
    "AcquisitionMatrixPE",
    "ReconMatrixPE",
    "BaseResolution",
    "PercentSampling",
)


def _number(parts: list[str]) -> float:
    (number,) = _numbers(parts)
    return number


def _positive(parts: list[str]) -> float:
    number = _number(parts)
    if not 0 < number < float("inf"):
        raise ValueError
    return number


def _numbers(parts: list[str]) -> list[float]:
    return [float(part) for part in parts]


_ELEMENTS: dict[str, tuple[str, Callable[[list[str]], Any]]] = {
    "0008|0008": ("ImageType", list),
    "0008|0060": ("Modality", "".join),
    "0018|0050": ("SliceThickness", _positive),
    "0018|1310": ("AcquisitionMatrix", _numbers),
    "0018|1312": ("InPlanePhaseEncodingDirectionDICOM", "".join),
    "0028|0010": ("Rows", _positive),
    "0028|0011": ("Columns", _positive),
    "0028|0120": ("PixelPaddingValue", _number),
    "0028|1052": ("RescaleIntercept", _number),
    "0028|1053": ("RescaleSlope", _number),
}
DICOM_TAGS = tuple(_ELEMENTS)
