"""What kind of image a volume is: as the header says, or as its values do."""

from collections.abc import Mapping

import numpy as np

from .phase import phase_of

_SAMPLES = 1_000_000


def modality_of(pixels: np.ndarray, facts: Mapping | None = None) -> str:
    """DICOM's code of the modality: MR, CT, PT and so on; empty if nothing tells.

    >>> modality_of(np.array([-1000, -1000, 40])), modality_of(np.array([0, 1000, 40]))
    ('CT', '')

    :param facts: of the header, under their BIDS names.
    """
    return str((facts or {}).get("Modality") or ("CT" if has_air_of_ct(pixels) else ""))


def has_air_of_ct(pixels: np.ndarray) -> bool:
    """Whether more than 2 % of the voxels are near -1000, as those of CT are; phase from -4096 to 4095 is told apart.

    >>> has_air_of_ct(np.array([-1024, -990, 40]))
    True
    """
    flat = pixels.ravel()
    sample = flat[:: 1 + flat.size // _SAMPLES]
    air = (sample > -1100) & (sample < -900)
    return bool(np.count_nonzero(air) > 0.02 * sample.size) and phase_of(pixels, {}) is None
