"""Which pixels are taken for intensities, and which are refused."""

import numpy as np
import pytest
import SimpleITK as sitk

from NExpRLib import upsample


def with_voxel(value, pixel_type=sitk.sitkFloat32):
    image = sitk.Image((10, 10, 3), pixel_type)
    image[2, 3, 1] = value
    return image


def labels():
    pixels = np.zeros((4, 40, 40), np.uint8)
    pixels[:, 5:20, 8:30], pixels[2, 15:30, 2:20] = 1, 3
    return sitk.GetImageFromArray(pixels)


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (with_voxel(-np.inf, sitk.sitkFloat64), "1 NaN or infinite"),
        (sitk.Image((0, 10, 3), sitk.sitkInt16), "empty"),
        (sitk.Image((10, 10, 3), sitk.sitkVectorUInt8, 3), "one scalar channel"),
        (sitk.Image((10, 10, 3), sitk.sitkLabelUInt8), "label map"),
        (labels(), "label map"),
        (sitk.Image((10, 10, 3), sitk.sitkComplexFloat32), "magnitude"),
    ],
    ids=["infinite", "empty", "RGB", "label type", "labels", "complex"],
)
def test_images_that_are_refused(tiny_model, image, said):
    with pytest.raises(ValueError, match=said):
        upsample(image, 2, model=tiny_model)


def test_image_of_eight_bits_with_much_background_is_upsampled(tiny_model):
    pixels = np.zeros((4, 40, 40), np.uint8)
    pixels[:, 15:25, 15:25] = np.random.default_rng(0).integers(40, 220, (4, 10, 10))
    assert upsample(sitk.GetImageFromArray(pixels), 2, model=tiny_model).GetSize() == (80, 80, 4)


@pytest.mark.parametrize(
    ("pixel_type", "marker"),
    [(np.int32, 2**31 - 1), (np.float32, 1e20), (np.float32, np.finfo(np.float32).max), (np.float64, 1e30)],
)
def test_markers_of_voxels_without_data_are_refused(tiny_model, pixel_type, marker):
    pixels = np.random.default_rng(0).integers(-1000, 1500, (2, 20, 20)).astype(pixel_type)
    pixels[:, :5] = marker
    with pytest.raises(ValueError, match="mark voxels without data"):
        upsample(sitk.GetImageFromArray(pixels), 2, model=tiny_model)


def test_two_markers_are_refused(tiny_model):
    largest = np.finfo(np.float32).max
    pixels = np.random.default_rng(0).uniform(-1000, 1500, (2, 20, 20)).astype(np.float32)
    pixels[:, :5], pixels[:, -5:] = -largest, largest
    with pytest.raises(ValueError, match="mark voxels without data"):
        upsample(sitk.GetImageFromArray(pixels), 2, model=tiny_model)


@pytest.mark.parametrize(("pixel_type", "largest"), [(np.float32, 3e38), (np.float64, 1.7e308)])
def test_intensities_that_are_too_large_to_compute_with_are_refused(tiny_model, pixel_type, largest):
    pixels = (largest * np.random.default_rng(0).uniform(-1, 1, (2, 20, 20))).astype(pixel_type)
    with pytest.raises(ValueError, match="too large"):
        upsample(sitk.GetImageFromArray(pixels), 2, model=tiny_model)


def test_single_outliers_are_no_markers(tiny_model):
    pixels = np.random.default_rng(0).uniform(0, 1000, (2, 40, 40))
    pixels[0, 3, 3] = 1e9
    assert upsample(sitk.GetImageFromArray(pixels), 2, model=tiny_model).GetSize() == (80, 80, 2)


def test_single_voxel_too_far_from_all_others_is_refused(tiny_model):
    """It is no part of the robust range, but infinite as a number of the network's precision."""
    pixels = np.random.default_rng(0).uniform(0, 1, (2, 40, 40))
    pixels[0, 3, 3] = 1e300
    with pytest.raises(ValueError, match="too far apart"):
        upsample(sitk.GetImageFromArray(pixels), 2, model=tiny_model)


def test_smooth_image_of_eight_bits_is_upsampled(tiny_model):
    """In smooth tissue, many neighboring pixels have the same of 256 values."""
    i, j = np.arange(40), np.arange(40)[:, None]
    pixels = np.broadcast_to(100 + 40 * np.sin(i / 9) * np.cos(j / 9), (3, 40, 40)).astype(np.uint8)
    assert 0.1 < np.mean(np.diff(pixels.ravel().astype(int)) == 0) < 0.5
    assert upsample(sitk.GetImageFromArray(pixels), 2, model=tiny_model).GetSize() == (80, 80, 3)


def test_mask_of_thin_structures_is_refused(tiny_model):
    pixels = (np.random.default_rng(0).random((3, 40, 40)) < 0.05).astype(np.uint8)
    with pytest.raises(ValueError, match="label map"):
        upsample(sitk.GetImageFromArray(pixels), 2, model=tiny_model)


def test_few_integers_are_no_label_map(tiny_model):
    pixels = np.array([[[3, 3, 3, 3], [3, 3, 7, 7], [3, 7, 7, 7]]], np.int16)
    assert upsample(sitk.GetImageFromArray(pixels), 2, model=tiny_model).GetSize() == (8, 6, 1)
