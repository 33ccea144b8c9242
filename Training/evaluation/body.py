"""Where CT is judged: inside the body, not at the border of the field of view."""

import numpy as np
from scipy.ndimage import binary_erosion, binary_fill_holes, label

_AIR = -500  # HU; everything below is air, or lung inside the body
_BORDER = 5  # pixels of the body's outline that are left out


def body_mask(pixels):
    """Pixels inside the body.

    >>> pixels = np.full((40, 40), -1000)
    >>> pixels[5:35, 5:35] = 40
    >>> pixels[15:20, 15:20] = -900
    >>> int(body_mask(pixels).sum())
    400

    :param pixels: array (h, w) in HU.
    :return: bool array (h, w): the largest region above -500 HU, filled, without 5 pixels along its outline.
    """
    regions, count = label(pixels > _AIR)
    if not count:
        return np.zeros(pixels.shape, bool)
    largest = 1 + np.argmax(np.bincount(regions.ravel())[1:])
    return binary_erosion(binary_fill_holes(regions == largest), iterations=_BORDER)
