"""Where the voxels of a NIfTI file lie.

A NIfTI file may hold two orientations, sform and qform. The one that ITK, and with it 3D Slicer, takes counts: the
sform where it is the scanner's (code 1) or alone, otherwise the qform. Coordinates are RAS.
"""

import itertools

import numpy as np

from NExpRLib.volumes.geometry import at_right_angles

MILLIMETERS = {1: 1000.0, 3: 0.001}  # by the unit code of the header: meters, micrometers
_SAME_PLACE = 0.1  # of a voxel


def affine_of(header, shape):
    """Where voxels lie (4 x 4, RAS, mm), the codes of qform and sform that are true of it, and notes for the user.

    :raises ValueError: where the header does not say it.
    """
    notes = []
    millimeters = MILLIMETERS.get(int(header["xyzt_units"]) & 7, 1.0)
    pixdim = header["pixdim"][1:4].astype(np.float64)
    pixdim[len(shape) :] = np.where(pixdim[len(shape) :] > 0, pixdim[len(shape) :], 1)
    sizes = (*shape[:3], 1, 1)[:3]
    qform, sform = (_scaled(each, millimeters) for each in (_qform(header, pixdim), _sform(header)))
    q_code, s_code = int(header["qform_code"]), int(header["sform_code"])
    if s_code and sform is None and not (q_code and qform is not None):
        raise ValueError("its orientation makes no sense (sform)")
    if q_code and qform is None and not (s_code and sform is not None):
        if (pixdim < 0).any():
            raise ValueError(
                f"its voxels are {' x '.join(f'{mm:g}' for mm in pixdim)} mm large, and programs differ in whether a "
                "negative size mirrors the volume: correct pixdim first"
            )
        raise ValueError("its orientation or voxel size makes no sense (qform, pixdim)")
    q_code, s_code = 0 if qform is None else q_code, 0 if sform is None else s_code
    if not (q_code or s_code):
        if not (np.isfinite(pixdim).all() and (pixdim != 0).all()):
            raise ValueError("it does not say how large its voxels are (pixdim)")
        notes.append("The file does not say how the volume is oriented (qform_code and sform_code are 0).")
        return np.diag([-1.0, -1.0, 1.0, 1.0]) @ np.diag([*np.abs(pixdim) * millimeters, 1]), (0, 0), notes
    if not s_code:
        return qform, (q_code, 0), notes
    right_angled = _right_angled(sform, sizes)
    moved = _displacement(sform, right_angled, sizes)
    if moved >= _SAME_PLACE * _spacing(sform).min():
        notes.append(
            f"The axes of the volume are not quite at right angles: the nearest that are move it by up to {moved:.3g} "
            "mm."
        )
    sform_counts = s_code == 1 or not q_code
    if q_code:
        moved = _displacement(qform, sform, sizes)
        if moved > _SAME_PLACE * min(_spacing(qform).min(), _spacing(sform).min()):
            q_code = s_code = s_code if sform_counts else q_code
            notes.append(
                f"The two orientations in the file (sform and qform) differ by up to {moved:.3g} mm. What 3D Slicer "
                "reads counts here, and the result has no other."
            )
    return right_angled if sform_counts else qform, (q_code, s_code), notes


def _scaled(affine, factor):
    if affine is not None:
        affine[:3] *= factor
    return affine


def _qform(header, pixdim):
    """The affine of the qform, ``None`` where it makes no sense."""
    from nibabel.quaternions import fillpositive, quat2mat

    vector = np.array([header[f"quatern_{name}"] for name in "bcd"], dtype=np.float64)
    offset = np.array([header[f"qoffset_{name}"] for name in "xyz"], dtype=np.float64)
    if not (np.isfinite([*vector, *offset, *pixdim]).all() and (pixdim > 0).all()):
        return None
    try:
        rotation = quat2mat(fillpositive(vector, w2_thresh=-1e-4))
    except ValueError:
        return None
    affine = np.eye(4)
    left_handed = header["pixdim"][0] < 0
    affine[:3, :3] = rotation * pixdim * ([1, 1, -1] if left_handed else 1)
    affine[:3, 3] = offset
    return affine


def _sform(header):
    """The affine of the sform, ``None`` where it makes no sense."""
    affine = np.eye(4)
    affine[:3] = [header[f"srow_{name}"] for name in "xyz"]
    if not np.isfinite(affine).all() or min(lengths := _spacing(affine)) <= 0:
        return None
    return affine if abs(np.linalg.det(affine[:3, :3] / lengths)) > 1e-3 else None


def _spacing(affine):
    return np.linalg.norm(affine[:3, :3], axis=0)


def _right_angled(affine, sizes):
    """The nearest affine whose axes are at right angles, the middle of the volume staying where it is.

    :raises ValueError: where none is near.
    """
    spacing = _spacing(affine)
    axes = affine[:3, :3] / spacing
    single = [axis for axis in range(3) if sizes[axis] == 1]
    if len(single) == 1:  # Nothing lies along it: it stands upright on the others.
        one, other = (axis for axis in range(3) if axis not in single)
        upright = np.cross(axes[:, one], axes[:, other])
        axes[:, single[0]] = upright * np.sign(upright @ axes[:, single[0]]) / np.linalg.norm(upright)
    if not at_right_angles(axes):
        raise ValueError(
            "its axes are not at right angles to each other, as after gantry tilt: resample it onto a grid whose axes "
            "are"
        )
    u, _, v = np.linalg.svd(axes)
    result = np.eye(4)
    result[:3, :3] = (u @ v) * spacing
    middle = (np.array(sizes) - 1) / 2
    result[:3, 3] = affine[:3, 3] + (affine[:3, :3] - result[:3, :3]) @ middle
    return result


def _displacement(affine, other, sizes):
    """Largest distance in mm between the corners of two volumes."""
    corners = np.array([[*corner, 1] for corner in itertools.product(*[(0, n - 1) for n in sizes])])
    return float(np.linalg.norm(corners @ (affine - other).T, axis=1).max())
