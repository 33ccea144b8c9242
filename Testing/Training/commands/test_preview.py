"""``nexpr upsample --preview``: a picture of each result."""

import itertools

import numpy as np
import pytest
import SimpleITK as sitk

from NExpRLib.volumes.plan import plan_upsampling
from NExpRLib.volumes.volume import geometry_of

pytest.importorskip("matplotlib", reason="needs the extra demo")
from NExpRTraining.evaluation.preview_figure import preview_figure  # noqa: E402


def test_one_and_several_volumes(upsample, volume, tmp_path):
    (tmp_path / "in" / "more").mkdir(parents=True)
    for name in ("a", "more/b"):
        sitk.WriteImage(volume, tmp_path / "in" / f"{name}.nrrd")
    picture = tmp_path / "a.png"
    assert upsample(tmp_path / "in" / "a.nrrd", tmp_path / "a.nrrd", "--scale", 2, "--preview", picture)[0] == 0
    assert sitk.ReadImage(picture).GetSize()[0] > 1000
    folder = tmp_path / "pictures"
    assert upsample(tmp_path / "in", tmp_path / "out", "--recursive", "--scale", 2, "--preview", folder)[0] == 0
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png")) == ["a.png", "more/b.png"]


def test_a_picture_for_several_volumes(refused, volume, tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("a", "b"):
        sitk.WriteImage(volume, tmp_path / "in" / f"{name}.nrrd")
    options = ["--scale", 2, "--preview", tmp_path / "a.png"]
    assert "must be a folder" in refused(tmp_path / "in", tmp_path / "out", *options)


def test_one_volume_and_a_folder_of_pictures(upsample, volume, tmp_path):
    sitk.WriteImage(volume, tmp_path / "in.nrrd")
    (tmp_path / "pictures").mkdir()
    options = ["--scale", 2, "--preview", tmp_path / "pictures"]
    assert upsample(tmp_path / "in.nrrd", tmp_path / "out.nii", *options)[0] == 0
    assert (tmp_path / "pictures" / "out.png").is_file()


def test_pictures_and_sidecars_of_two_volumes_do_not_replace_each_other(refused, volume, tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("a.nrrd", "a.mha"):
        sitk.WriteImage(volume, tmp_path / "in" / name)
    options = ["--scale", 2, "--preview", tmp_path / "pictures"]
    assert "would both be written" in refused(tmp_path / "in", tmp_path / "out", *options)
    (tmp_path / "nifti").mkdir()
    for name in ("a.nii", "a.nii.gz"):
        sitk.WriteImage(volume, tmp_path / "nifti" / name)
    assert "would both be written" in refused(tmp_path / "nifti", tmp_path / "out", "--scale", 2)


def shown(panel):
    """A function from fractions of a panel, from the left and from the top, to the value that is seen there."""
    (image,) = panel.get_images()
    left, right, bottom, top = image.get_extent()
    pixels = np.asarray(image.get_array())

    def at(across, down):
        x, y = panel.transLimits.inverted().transform((across, 1 - down))
        column = int((x - left) / (right - left) * pixels.shape[1])
        row = int((y - top) / (bottom - top) * pixels.shape[0])
        return pixels[row, column]

    return at


@pytest.mark.parametrize("axes", itertools.permutations(range(3)), ids=str)
@pytest.mark.parametrize("signs", itertools.product((1, -1), repeat=3), ids=str)
@pytest.mark.parametrize("isotropic", [False, True])
def test_slices_stand_upright_on_both_sides(axes, signs, isotropic):
    """Left of the patient is seen on the right, front above or on the left, head above; values are mm in LPS."""
    across = axes[2]
    image = sitk.Image((20, 24, 6), sitk.sitkFloat32)
    image.SetSpacing((1, 1, 4))
    image.SetDirection(np.array([np.eye(3)[axis] * sign for axis, sign in zip(axes, signs)]).T.ravel().tolist())
    options = {"isotropic": True} if isotropic else {"scale": 2}
    plan = plan_upsampling(geometry_of(image), plane=2, **options)
    refined = sitk.Image(plan.geometry.size, sitk.sitkFloat32)
    refined.SetSpacing(plan.geometry.spacing)
    refined.SetOrigin(plan.geometry.origin)
    refined.SetDirection(image.GetDirection())
    if isotropic:
        across = axes[1]
    right, down = [world for world in range(3) if world != across]
    for world, edge in ((right, (0.9, 0.5)), (down, (0.5, 0.9))):
        of_world = [
            sitk.PhysicalPointSource(
                sitk.sitkVectorFloat32, i.GetSize(), i.GetOrigin(), i.GetSpacing(), i.GetDirection()
            )
            for i in (image, refined)
        ]
        before, after = (sitk.VectorIndexSelectionCast(each, world) for each in of_world)
        panels = preview_figure(before, after, plan, "title").axes
        growth = [shown(panel)(*edge) - shown(panel)(1 - edge[0], 1 - edge[1]) for panel in panels]
        expected = -1 if world == 2 else 1
        assert np.sign(growth).tolist() == [expected, expected]
        assert shown(panels[0])(*edge) == pytest.approx(shown(panels[1])(*edge), abs=2.01 if world == axes[2] else 1.01)
