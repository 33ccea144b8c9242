"""Where the voxels of NIfTI files lie: sform and qform, and axes that are not at right angles."""

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from NExpRTraining.files.notes import notes_of
from NExpRTraining.files.volume_files import read_volume

from .nifti_files import affine_of, agrees, pixels, written

OTHER = affine_of(np.eye(3), origin=(-5.0, 40.0, -60.0))


@pytest.mark.parametrize(
    ("sform", "qform", "counts"),
    [
        (1, 0, "s"),
        (2, 0, "s"),
        (0, 1, "q"),
        (0, 2, "q"),
        (1, 1, "s"),
        (1, 2, "s"),
        (2, 1, "q"),
        (4, 2, "q"),
        (2, 2, "q"),
    ],
)
def test_which_orientation_counts(tmp_path, sform, qform, counts):
    """The one that ITK, and 3D Slicer, takes."""
    path = written(tmp_path / "a.nii", sform=affine_of(), qform=OTHER, codes=(sform, qform))
    image = read_volume(path)
    assert agrees(image, path, affine_of() if counts == "s" else OTHER)
    itk = sitk.ReadImage(path)
    assert image.GetOrigin() == pytest.approx(itk.GetOrigin(), abs=1e-4)
    assert image.GetDirection() == pytest.approx(itk.GetDirection(), abs=1e-5)
    assert any("differ by up to" in note for note in notes_of(image)) == bool(sform and qform)


@pytest.mark.parametrize(
    ("sform", "qform", "moved", "codes"),
    [
        (4, 1, 40, (1, 1)),
        (2, 2, 40, (2, 2)),
        (1, 2, 40, (1, 1)),
        (2, 1, 0.3, (1, 1)),
        (4, 1, 0.05, (4, 1)),
        (4, 1, 0, (4, 1)),
        (4, 0, 40, (4, 0)),
    ],
)
def test_no_code_is_false(upsample, tmp_path, sform, qform, moved, codes):
    """Readers that take the sform would see a label such as MNI on the scanner's coordinates.

    The smallest side of a voxel is 0.8 mm: from a tenth of it, programs would see the result beside the input.
    """
    other = affine_of(origin=(12.5 + moved, -30.25, 7))
    written(tmp_path / "a.nii", sform=affine_of(), qform=other, codes=(sform, qform))
    assert upsample(tmp_path / "a.nii", tmp_path / "out.nii", "--scale", 2)[0] == 0
    header = nibabel.load(tmp_path / "out.nii").header
    assert (int(header["sform_code"]), int(header["qform_code"])) == codes
    used = affine_of() if sform == 1 or qform == 0 else other
    first = used @ [-0.25, -0.25, 0, 1]
    assert header.get_sform() @ [0, 0, 0, 1] == pytest.approx(first, abs=1e-4)
    assert qform == 0 or header.get_qform() @ [0, 0, 0, 1] == pytest.approx(first, abs=1e-4)


def test_no_orientation_is_said_and_stays_none(upsample, tmp_path):
    image = nibabel.Nifti1Image(pixels(), None)
    image.header["pixdim"][1:4] = 0.8, 1.1, 3
    nibabel.save(image, tmp_path / "a.nii")
    status, out, _ = upsample(tmp_path / "a.nii", tmp_path / "out.nii.gz", "--scale", 2)
    assert (status, "does not say how the volume is oriented" in out) == (0, True)
    header = nibabel.load(tmp_path / "out.nii.gz").header
    assert (int(header["qform_code"]), int(header["sform_code"])) == (0, 0)
    assert header.get_zooms() == pytest.approx((0.4, 0.55, 3))


@pytest.mark.parametrize("shear", [1e-6, 1e-4, 1e-3, 3e-3, 0.1])
@pytest.mark.parametrize("codes", [(2, 0), (1, 1), (2, 1)])
def test_shear(tmp_path, shear, codes):
    affine = affine_of(np.array([[1, shear, 0], [0, 1, shear], [0, 0, 1]]), (1.5, 1.5, 1.5))
    path = written(tmp_path / "a.nii", pixels((30, 30, 3)), affine, affine, codes)
    if shear > 1e-3:
        with pytest.raises(ValueError, match="not at right angles"):
            read_volume(path)
        return
    image = read_volume(path)
    axes = np.reshape(image.GetDirection(), (3, 3))
    assert np.allclose(axes.T @ axes, np.eye(3), atol=1e-6)
    corners = [[i * 29, j * 29, k * 2] for i in (0, 1) for j in (0, 1) for k in (0, 1)]
    places = [np.array(image.TransformIndexToPhysicalPoint(c)) * (-1, -1, 1) for c in corners]
    assert np.abs(places - (np.array([[*c, 1] for c in corners]) @ affine.T)[:, :3]).max() < 40 * shear + 1e-4


def test_single_slice_has_no_shear(tmp_path):
    """As dcm2niix writes one slice of a CT with a tilted gantry."""
    affine = affine_of(np.array([[1, 0, 0], [0, 0.93, 0], [0, -0.37, 1]]), (0.4, 0.4, 5))
    path = written(tmp_path / "a.nii", pixels((30, 30, 1)), affine, affine, (1, 0))
    image = read_volume(path)
    corner = np.array(image.TransformIndexToPhysicalPoint((29, 29, 0))) * (-1, -1, 1)
    assert corner == pytest.approx((affine @ [29, 29, 0, 1])[:3], abs=1e-4)


def test_shear_from_a_tenth_of_a_voxel_is_said(tmp_path):
    affine = affine_of(np.array([[1, 1e-3, 0], [0, 1, 0], [0, 0, 1]]), (1, 1, 3))
    large = written(tmp_path / "a.nii", pixels((500, 500, 2)), affine, affine, (1, 0))
    small = written(tmp_path / "b.nii", pixels((20, 20, 2)), affine, affine, (1, 0))
    assert any("not quite at right angles" in note for note in notes_of(read_volume(large)))
    assert not notes_of(read_volume(small))


@pytest.mark.parametrize("qform", [{}, {"qform_code": 1, "qoffset_z": 12.5}, {"qform_code": 1, "quatern_b": 0.7}])
def test_2d_files_keep_their_place(upsample, tmp_path, qform):
    image = nibabel.Nifti1Image(pixels((12, 10)), None)
    for name, value in qform.items():
        image.header[name] = value
    nibabel.save(image, tmp_path / "in.nii")
    assert upsample(tmp_path / "in.nii", tmp_path / "out.nii", "--scale", 2)[0] == 0
    before, after = nibabel.load(tmp_path / "in.nii"), nibabel.load(tmp_path / "out.nii")
    if qform:
        corner = before.header.get_qform() @ [-0.5, -0.5, 0, 1]
        assert after.affine @ [-0.5, -0.5, 0, 1] == pytest.approx(corner, abs=1e-4)
    else:
        assert len(after.shape) == 2
