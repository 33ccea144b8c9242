"""What NIfTI files say about where their voxels lie, beyond what ITK takes from them.

A NIfTI file may hold two orientations, sform and qform. ITK, and with it 3D Slicer, takes one; other programs may take
the other.
"""

import itertools

import numpy as np

_MILLIMETERS = {1: 1000, 3: 0.001}  # meters and micrometers, which ITK converts


def displacement_from_sform(image):
    """Largest distance in mm between where ITK puts the corners of an image read from NIfTI and where its sform does.

    :param image: SimpleITK image, 2D or 3D; other images, and those without an sform, have no displacement.
    """
    if image.GetDimension() > 3 or not _number(image, "sform_code"):
        return 0.0
    sform = np.array([image.GetMetaData(f"srow_{axis}").split() for axis in "xyz"], dtype=float)
    sform *= _MILLIMETERS.get(int(_number(image, "xyzt_units")) & 7, 1)
    dimension, distances = image.GetDimension(), []
    for corner in itertools.product(*[(0, size - 1) for size in image.GetSize()]):
        of_itk = np.zeros(3)
        of_itk[:dimension] = image.TransformIndexToPhysicalPoint(corner)
        index = np.zeros(4)
        index[:dimension], index[3] = corner, 1
        distances.append(np.linalg.norm(of_itk * (-1, -1, 1) - sform @ index))
    return max(distances)


def loses_position(image):
    """Whether a 2D image was read from a NIfTI file that puts it somewhere in 3D, which a 2D image cannot hold."""
    if image.GetDimension() != 2:
        return False
    if _number(image, "sform_code"):
        return displacement_from_sform(image) > 0.1 * min(image.GetSpacing())
    turned_or_shifted = [_number(image, name) for name in ("quatern_b", "quatern_c", "qoffset_z")]
    return _number(image, "qform_code") > 0 and np.abs(turned_or_shifted).max() > 1e-4


def _number(image, name):
    return float(image.GetMetaData(name)) if image.HasMetaDataKey(name) else 0.0
