"""Real volumes and DICOM series through ``nexpr upsample``."""

import numpy as np
import pytest
import SimpleITK as sitk

from NExpRTraining.files.volume_files import read_volume

from ...conftest import REAL_DATA

SCALE = 1.25
PATHS = sorted(p for p in (REAL_DATA / "test").glob("*") if p.is_dir() or p.name.endswith(".nii.gz"))


@pytest.mark.slow
@pytest.mark.parametrize("path", PATHS or [REAL_DATA / "test" / "absent"], ids=lambda path: path.name)
def test_real_volume(upsample, real_data, tmp_path, path):
    output = tmp_path / "out.mha"
    status, _, err = upsample(path, output, "--scale", SCALE)
    assert (status, err) == (0, "")
    image, result = read_volume(path), sitk.ReadImage(output)

    across = int(np.argmax(image.GetSpacing()))
    size = [n if axis == across else int(n * SCALE + 0.5) for axis, n in enumerate(image.GetSize())]
    assert list(result.GetSize()) == size
    assert result.GetPixelID() == image.GetPixelID()
    assert result.GetDirection() == pytest.approx(image.GetDirection(), abs=1e-9)
    assert result.GetSpacing()[across] == image.GetSpacing()[across]
    for corner in (-0.5, 1):
        np.testing.assert_allclose(corner_of(result, corner), corner_of(image, corner), atol=1e-6)

    # At the input's positions the result resembles the input, and more than it would if it were flipped.
    again = sitk.GetArrayFromImage(sitk.Resample(result, image, sitk.Transform(), sitk.sitkLinear)).astype(float)
    pixels = sitk.GetArrayFromImage(image).astype(float)
    assert correlation(again, pixels) > 0.97
    for axis in range(3):
        if pixels.shape[axis] > 1:
            assert correlation(again, pixels) > correlation(again, np.flip(pixels, axis)) + 0.001


def corner_of(image, share):
    """Physical position of the first (-0.5) or last (1) corner of the image's extent."""
    index = [-0.5 if share < 0 else n - 0.5 for n in image.GetSize()]
    return image.TransformContinuousIndexToPhysicalPoint(index)


def correlation(a, b):
    return np.corrcoef(a.ravel(), b.ravel())[0, 1]
