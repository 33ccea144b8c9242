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
    return binary_erosion(binary_fill_holes(largest_region(pixels > _AIR)), iterations=_BORDER)


def largest_region(mask):
    """The largest connected region of a mask of any shape; nothing, if the mask is empty.

    >>> largest_region(np.array([1, 1, 0, 1], bool)).tolist()
    [True, True, False, False]
    """
    regions, count = label(mask)
    return regions == 1 + np.argmax(np.bincount(regions.ravel())[1:]) if count else mask
