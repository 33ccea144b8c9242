"""Outputs that cannot be written; see the fixture ``refused`` for what each has to end with."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk


def test_output_that_is_an_input(refused, source, tmp_path):
    assert "is an input" in refused(source, source, "--scale", 2)
    (tmp_path / "sub").mkdir()
    assert "is an input" in refused(source, tmp_path / "sub" / ".." / "in.nrrd", "--scale", 2)


def test_output_that_is_an_input_by_a_link(refused, source, tmp_path):
    try:
        (tmp_path / "link.nrrd").symlink_to(source)
    except OSError:
        pytest.skip("no symbolic links here")
    assert "is an input" in refused(source, tmp_path / "link.nrrd", "--scale", 2)


def test_empty_names_are_not_the_current_folder(refused, source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "input is empty" in refused("", tmp_path / "out.nrrd", "--scale", 2)
    assert "output is empty" in refused(source, "", "--scale", 2)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anything")
def test_output_that_is_write_protected(refused, source, tmp_path):
    protected = shutil.copy(source, tmp_path / "result.nrrd")
    os.chmod(protected, 0o444)
    assert "write-protected" in refused(source, protected, "--scale", 2)


def test_output_that_is_the_reference(refused, source, tmp_path):
    reference = shutil.copy(source, tmp_path / "reference.nrrd")
    assert "is an input" in refused(source, reference, "--like", reference)


def test_output_that_is_in_the_folder_of_the_reference(refused, source, tmp_path):
    folder = tmp_path / "references"
    folder.mkdir()
    reference = shutil.copy(source, folder / "reference.nrrd")
    assert "is an input" in refused(source, reference, "--like", folder)


def test_output_that_is_an_input_by_another_name(refused, source, tmp_path):
    """As names in other letters are, where the file system does not tell them apart."""
    try:
        os.link(source, tmp_path / "other.nrrd")
    except OSError:
        pytest.skip("no hard links here")
    assert "is an input" in refused(source, tmp_path / "other.nrrd", "--scale", 2)


def test_axis_that_is_too_long_for_nifti(refused, source, tmp_path):
    assert "32767" in refused(source, tmp_path / "out.nii.gz", "--size", 15, 40000)


def test_output_folder_that_is_the_input_folder(refused, source, tmp_path):
    folder = tmp_path / "volumes"
    folder.mkdir()
    for name in ("a.nrrd", "b.nrrd"):
        shutil.copy(source, folder / name)
    assert "is an input" in refused(folder, folder, "--scale", 2)


def test_output_among_the_inputs(refused, source, tmp_path):
    folder = tmp_path / "volumes"
    folder.mkdir()
    shutil.copy(source, folder / "a.nrrd")
    assert "among the inputs" in refused(folder, folder / "out.nrrd", "--scale", 2)


def test_file_as_output_of_a_folder(refused, source, output, tmp_path):
    folder = tmp_path / "volumes"
    folder.mkdir()
    for name in ("a.nrrd", "b.nrrd"):
        shutil.copy(source, folder / name)
    assert "must be a folder" in refused(folder, output, "--scale", 2)
    assert "must be a folder" in refused(folder, source, "--scale", 2)


def test_two_volumes_for_one_output(refused, volume, tmp_path):
    folder = tmp_path / "volumes"
    folder.mkdir()
    sitk.WriteImage(volume, folder / "a.mha")
    sitk.WriteImage(volume, folder / "a.mhd")
    assert "both" in refused(folder, tmp_path / "out", "--scale", 2)


@pytest.mark.parametrize("name", ["out", "out.dcm", "out.png", "out.nii.zip", "out.mhd"])
def test_output_of_an_unknown_format(refused, source, tmp_path, name):
    assert ".nii, .nii.gz, .nrrd, .mha" in refused(source, tmp_path / name, "--scale", 2)


def test_folder_of_the_name_of_the_output(refused, source, output):
    output.mkdir()
    assert "is a folder" in refused(source, output, "--scale", 2, model="nowhere")


def test_output_folder_that_is_missing_or_a_file(refused, source, tmp_path):
    assert "does not exist" in refused(source, tmp_path / "nowhere" / "out.nrrd", "--scale", 2)
    assert str(source) in refused(source, source / "out.nrrd", "--scale", 2)
    folder = tmp_path / "volumes"
    folder.mkdir()
    for name in ("a.nrrd", "b.nrrd"):
        shutil.copy(source, folder / name)
    assert "cannot be made" in refused(folder, source / "out", "--scale", 2)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_output_folder_without_permission(refused, source, tmp_path):
    (tmp_path / "sub").mkdir(mode=0o500)
    assert "cannot be written" in refused(source, tmp_path / "sub" / "out.nrrd", "--scale", 2)


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs a file system that takes no files")
def test_output_that_cannot_be_written_in_the_end(refused, source):
    assert "cannot be written" in refused(source, "/proc/out.nrrd", "--scale", 2)


def test_axes_that_nifti_cannot_hold(refused, upsample, volume, tmp_path):
    volume.SetDirection((1, 0, 0, 0, 0.95, 0.3, 0, 0, 0.95))
    source = tmp_path / "sheared.nrrd"
    sitk.WriteImage(volume, source)
    assert "not at right angles" in refused(source, tmp_path / "out.nii.gz", "--scale", 2)
    assert upsample(source, tmp_path / "out.nrrd", "--scale", 2)[0] == 0
    result = sitk.ReadImage(tmp_path / "out.nrrd")
    np.testing.assert_allclose(result.GetDirection(), sitk.ReadImage(source).GetDirection(), atol=1e-6)


@pytest.mark.skipif(os.name != "posix", reason="needs a limit of the file size")
@pytest.mark.parametrize("extension", [".nii", ".nii.gz", ".nrrd", ".mha"])
def test_full_disk_keeps_what_was_there(tmp_path, extension):
    """ITK overlooks some write errors."""
    path = tmp_path / f"out{extension}"
    path.write_text("good result of yesterday")
    program = f"""
import resource, signal, sys
import numpy as np, SimpleITK as sitk
from NExpRTraining.files.volume_files import write_volume
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
image = sitk.GetImageFromArray(np.random.default_rng(0).random((4, 60, 60)))
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
try:
    write_volume(image, {str(path)!r})
except ValueError as error:
    sys.exit("cannot be written" not in str(error))
sys.exit("no error")
"""
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert path.read_text() == "good result of yesterday"
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
