"""Colors of inferred detail: black where nothing was added, so that the overlay dims the image but does not veil it."""

import slicer

NAME = "NExpR inferred detail"
_SIZE = 255  # odd, so that the middle is black
_DARKER = (0.1, 0.6, 1.0)
_BRIGHTER = (1.0, 0.6, 0.1)


def createDetailColors():
    """Color table from blue (darker) through black to orange (brighter), not in the scene yet."""
    colors = slicer.vtkMRMLColorTableNode()
    colors.SetName(NAME)
    colors.SetTypeToUser()
    colors.SetNumberOfColors(_SIZE)
    middle = _SIZE // 2
    for index in range(_SIZE):
        strength = (index - middle) / middle
        full = _BRIGHTER if strength > 0 else _DARKER
        colors.SetColor(index, f"{strength:+.0%}", *(component * abs(strength) for component in full))
    return colors
