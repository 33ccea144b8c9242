"""What the header of a file says of a volume, kept in the metadata of its SimpleITK image.

The facts have their BIDS names (SliceThickness, ImageType, Modality, ...), and are JSON text under the key ``sidecar``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

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
    """The facts kept with an image; an empty dict where there are none.

    >>> import SimpleITK as sitk
    >>> image = sitk.Image([4, 4], sitk.sitkInt16)
    >>> set_sidecar(image, {"Modality": "MR"})
    >>> sidecar_of(image)
    {'Modality': 'MR'}
    """
    return json.loads(image.GetMetaData(_KEY)) if image.HasMetaDataKey(_KEY) else {}
