"""Options that make no sense; see the fixture ``refused`` for what each has to end with."""

import shutil

import pytest
import SimpleITK as sitk


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--scale", "0"], "positive"),
        (["--scale", "-2"], "positive"),
        (["--scale", "nan"], "positive"),
        (["--scale", "inf"], "positive"),
        (["--scale", "2,0"], "positive"),
        (["--scale", "2,2,2"], "one or two"),
        (["--scale", "two"], "two"),
        (["--scale", "2", "1.7"], "--scale 2,1.7"),
        (["--scale", ""], "--scale"),
        (["--scale", "0.5"], "only refines"),
        (["--scale", "1e6"], "TB of memory"),
        (["--scale", "1e30"], "below a billion"),
        (["--spacing", "0"], "positive"),
        (["--spacing", "-1"], "positive"),
        (["--spacing", "1e-7"], "TB of memory"),
        (["--spacing", "3"], "only refines"),
        (["--size", "0", "40"], "positive"),
        (["--size", "10", "40"], "only refines"),
        (["--size", "2.5", "40"], "2.5"),
        (["--size", "99999999", "99999999"], "TB of memory"),
        ([], "required"),
        (["--sclae", "2"], "--sclae"),
        (["--scale", "2", "--spacing", "0.2"], "not allowed with"),
        (["--scale", "2", "--size", "40", "40"], "not allowed with"),
        (["--scale", "2", "--plane", "sideways"], "sideways"),
        (["--scale", "2", "--plane", "3"], "invalid choice"),
        (["--scale", "2", "--grid", "other"], "other"),
        (["--scale", "2", "--device", "tpu"], "tpu"),
        (["--scale", "2", "--precision"], "--precision"),
        (["--like", "nowhere.nrrd"], "nowhere.nrrd"),
        (["--scale", "2", "--fill", "-5"], "only outside the input"),
        (["--scale", "2", "--slices-model", "mri-slices"], "isotropic"),
    ],
    ids=" ".join,
)
def test_bad_options(refused, source, output, arguments, said):
    assert said in refused(source, output, *arguments)


def test_huge_scale_says_how_much_memory_it_would_take(refused, output, tmp_path):
    sitk.WriteImage(sitk.Image((10, 10, 3), sitk.sitkInt16), tmp_path / "in.nrrd")
    said = refused(tmp_path / "in.nrrd", output, "--scale", "1e6", "--plane", "axial")
    assert "10000000 x 10000000 x 3 voxels would take 4,400 TB of memory" in said


def test_reference_that_does_not_fit(refused, source, output, volume, tmp_path):
    reference = sitk.Image(volume)
    reference.SetOrigin((1000, 0, 0))
    sitk.WriteImage(reference, tmp_path / "reference.nrrd")
    assert "does not overlap" in refused(source, output, "--like", tmp_path / "reference.nrrd")
    (tmp_path / "reference.nrrd").write_text("damaged")
    assert "reference.nrrd cannot be read" in refused(source, output, "--like", tmp_path / "reference.nrrd")


@pytest.mark.parametrize("value", ["nan", "inf", "0.5", "40000"])
def test_fill_that_integers_cannot_hold(refused, source, output, value):
    said = refused(source, output, "--like", source, "--fill", value)
    assert f"int16 and cannot hold {value}" in said
    assert "from -32768 to 32767" in said


def test_unknown_model(refused, source, output, tmp_path):
    assert 'no model "nowhere"' in refused(source, output, "--scale", 2, model="nowhere")
    assert "no model" in refused(source, output, "--scale", 2, model=tmp_path)


def test_damaged_weights(refused, source, output, tiny_model_folder, tmp_path):
    folder = shutil.copytree(tiny_model_folder, tmp_path / "model")
    weights = bytearray((folder / "weights.pt").read_bytes())
    weights[-100] ^= 1
    (folder / "weights.pt").write_bytes(weights)
    assert "SHA-256" in refused(source, output, "--scale", 2, model=folder)


def test_commands(nexpr):
    for arguments, said in (([], "required"), (["no-such-command"], "no-such-command"), (["upsample"], "required")):
        status, _, err = nexpr(*arguments)
        assert status == 2
        assert err.count("\n") == 1
        assert said in err
