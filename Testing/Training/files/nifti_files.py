"""NIfTI files that are written by nibabel, and images compared with what nibabel reads of them."""

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

TURN = np.linalg.qr(np.array([[0.9, 0.2, -0.1], [-0.3, 0.8, 0.4], [0.1, -0.2, 1.0]]))[0]


def pixels(shape=(7, 9, 5), dtype=np.float32):
    return (1000 * np.random.default_rng(0).random(shape)).astype(dtype)


def affine_of(axes=TURN, spacing=(0.8, 1.1, 3.0), origin=(12.5, -30.25, 7.0)):
    affine = np.eye(4)
    affine[:3, :3] = axes * spacing
    affine[:3, 3] = origin
    return affine


def written(path, data=None, sform=None, qform=None, codes=(1, 1), header=None, kind=nibabel.Nifti1Image):
    image = kind(pixels() if data is None else data, None, header)
    image.set_sform(affine_of() if sform is None else sform, codes[0])
    image.set_qform(affine_of() if qform is None else qform, codes[1], strip_shears=True)
    nibabel.save(image, path)
    return path


def agrees(image, path, affine=None):
    """Whether an image has the voxels of a file, at their place by nibabel's affine."""
    truth = nibabel.load(path)
    affine = truth.affine if affine is None else affine
    size = image.GetSize()
    for index in np.ndindex(*[2] * 3):
        index = [i * (n - 1) for i, n in zip(index, size)]
        place = np.array(image.TransformIndexToPhysicalPoint(index + [0] * (len(size) - 3))[:3]) * (-1, -1, 1)
        assert place == pytest.approx((affine @ [*index, 1])[:3], abs=1e-4)
    voxels = sitk.GetArrayFromImage(image).T
    assert np.allclose(voxels, truth.get_fdata().reshape(voxels.shape), rtol=1e-6)
    return True
