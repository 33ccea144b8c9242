"""A user's mistake ends with status 2, one clear line on stderr, and no file that was not there before."""

import gzip
import os
import shutil

import numpy as np
import pytest
import SimpleITK as sitk


@pytest.fixture
def refused(upsample, tmp_path):
    """Run ``nexpr upsample``, assert that it is refused cleanly, and return what it says."""

    def run(*arguments, **options):
        before = contents(tmp_path)
        status, _, err = upsample(*arguments, **options)
        assert status == 2, err
        assert err.endswith("\n")
        assert err.count("\n") == 1, err
        assert "Traceback" not in err
        assert contents(tmp_path) == before
        return err

    return run


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def source(volume, tmp_path):
    path = tmp_path / "in.nrrd"
    sitk.WriteImage(volume, path)
    return path


@pytest.fixture
def output(tmp_path):
    return tmp_path / "out.nrrd"


def image_of(pixels, **options):
    return sitk.GetImageFromArray(np.asarray(pixels), **options)


def labels():
    pixels = np.zeros((4, 30, 30), np.uint8)
    pixels[:, 5:20, 8:25] = 2
    return pixels


def with_value(value):
    pixels = np.random.default_rng(0).uniform(0, 1, (3, 10, 10)).astype(np.float32)
    pixels[1, 2, 3] = value
    return pixels


IMAGES = {
    "NaN": (image_of(with_value(np.nan)), ".nrrd", "NaN or infinite"),
    "infinite": (image_of(with_value(np.inf)), ".mha", "NaN or infinite"),
    "RGB": (image_of(np.zeros((3, 10, 10, 3), np.uint8), isVector=True), ".nrrd", "one scalar channel"),
    "vector": (image_of(np.zeros((3, 10, 10, 2), np.float32), isVector=True), ".mha", "one scalar channel"),
    "labels": (image_of(labels()), ".nii.gz", "label map"),
    "4D": (sitk.Image((10, 10, 3, 2), sitk.sitkInt16), ".nii", "4 dimensions"),
    "complex": (image_of(with_value(1).astype(np.complex64)), ".nii", "magnitude"),
}


@pytest.mark.parametrize(("image", "extension", "said"), IMAGES.values(), ids=IMAGES)
def test_images_that_are_no_scalar_volume(refused, output, tmp_path, image, extension, said):
    sitk.WriteImage(image, tmp_path / f"in{extension}")
    assert said in refused(tmp_path / f"in{extension}", output, "--scale", 2)


@pytest.mark.parametrize("shape", [(3, 1, 1), (1, 1, 1), (1, 9, 9), (3, 9, 9)])
def test_single_pixels_single_slices_and_constants_work(upsample, output, tmp_path, shape):
    sitk.WriteImage(image_of(np.full(shape, 7, np.int16)), tmp_path / "in.nrrd")
    status, _, err = upsample(tmp_path / "in.nrrd", output, "--scale", 2, "--plane", "axial")
    assert (status, err) == (0, "")
    assert sitk.GetArrayFromImage(sitk.ReadImage(output)).shape == (shape[0], 2 * shape[1], 2 * shape[2])


def written(image, path):
    sitk.WriteImage(image, path, useCompression=not path.name.endswith((".raw.mha", ".raw.nrrd", ".nii", ".dcm")))
    return path


FORMATS = [".nii", ".nii.gz", ".mha", ".raw.mha", ".nrrd", ".raw.nrrd", ".dcm"]


def noise_file(path):
    pixels = np.random.default_rng(0).integers(0, 4000, (1, 60, 60), dtype=np.uint16)
    return written(image_of(pixels), path)


@pytest.mark.parametrize("extension", FORMATS)
@pytest.mark.parametrize("share", [0, 0.02, 0.5, 0.97])
def test_empty_and_truncated_files(refused, output, tmp_path, extension, share):
    path = noise_file(tmp_path / f"in{extension}")
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert "in" + extension in refused(path, output, "--scale", 2)


# The last bytes of a compressed .nrrd are no voxels and no checksum but a length that nothing needs.
@pytest.mark.parametrize("extension", [e for e in FORMATS if e != ".nrrd"])
def test_files_that_lack_the_last_two_bytes(refused, output, tmp_path, extension):
    path = noise_file(tmp_path / f"in{extension}")
    path.write_bytes(path.read_bytes()[:-2])
    assert "cannot be read" in refused(path, output, "--scale", 2)


@pytest.mark.parametrize("extension", FORMATS)
def test_files_that_hold_something_else(refused, output, tmp_path, extension):
    path = tmp_path / f"in{extension}"
    path.write_text("This is a text that has nothing to do with volumes. " * 50)
    assert "cannot be read" in refused(path, output, "--scale", 2)


@pytest.mark.parametrize("extension", [".nii.gz", ".mha", ".nrrd"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.999])
def test_flipped_bits_in_compressed_voxels(refused, output, tmp_path, extension, share):
    noise = image_of(np.random.default_rng(0).integers(0, 4000, (2, 60, 60), dtype=np.int16))
    path = written(noise, tmp_path / f"in{extension}")
    content = bytearray(path.read_bytes())
    content[int(share * len(content))] ^= 0x10
    path.write_bytes(content)
    assert "cannot be read" in refused(path, output, "--scale", 2)


def test_truncation_hidden_by_compressing_again(refused, volume, output, tmp_path):
    plain = written(volume, tmp_path / "plain.nii").read_bytes()
    (tmp_path / "in.nii.gz").write_bytes(gzip.compress(plain[:-100]))
    assert "incomplete" in refused(tmp_path / "in.nii.gz", output, "--scale", 2)


def test_header_without_its_data_file(refused, volume, output, tmp_path):
    sitk.WriteImage(volume, tmp_path / "in.mhd")
    (tmp_path / "in.raw").unlink()
    assert "cannot be read" in refused(tmp_path / "in.mhd", output, "--scale", 2)


def test_missing_input(refused, output, tmp_path):
    assert "no file or folder" in refused(tmp_path / "nowhere.nii.gz", output, "--scale", 2)
    assert "no file or folder" in refused(tmp_path / "nowhere", tmp_path / "out", "--scale", 2)


def test_folder_without_volumes(refused, tmp_path):
    (tmp_path / "in").mkdir()
    assert "no volume" in refused(tmp_path / "in", tmp_path / "out", "--scale", 2)
    (tmp_path / "in" / "notes.txt").write_text("text")
    assert "no volume" in refused(tmp_path / "in", tmp_path / "out", "--scale", 2)
    assert not (tmp_path / "out").exists()


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
        (["--scale", "2", "--spacing", "0.2"], "not allowed with"),
        (["--scale", "2", "--size", "40", "40"], "not allowed with"),
        (["--scale", "2", "--plane", "sideways"], "sideways"),
        (["--scale", "2", "--plane", "3"], "Unknown plane"),
        (["--scale", "2", "--grid", "other"], "other"),
        (["--scale", "2", "--device", "tpu"], "tpu"),
        (["--scale", "2", "--precision"], "--precision"),
        (["--like", "nowhere.nrrd"], "nowhere.nrrd"),
    ],
    ids=" ".join,
)
def test_bad_options(refused, source, output, arguments, said):
    assert said in refused(source, output, *arguments)


def test_huge_scale_says_how_much_memory_it_would_take(refused, output, tmp_path):
    sitk.WriteImage(image_of(np.zeros((3, 10, 10), np.int16)), tmp_path / "in.nrrd")
    said = refused(tmp_path / "in.nrrd", output, "--scale", "1e6", "--plane", "axial")
    assert "10000000 x 10000000 x 3 voxels would take 1,200 TB of memory" in said


def test_reference_that_does_not_fit(refused, source, output, volume, tmp_path):
    reference = sitk.Image(volume)
    reference.SetOrigin((1000, 0, 0))
    sitk.WriteImage(reference, tmp_path / "reference.nrrd")
    assert "does not overlap" in refused(source, output, "--like", tmp_path / "reference.nrrd")
    (tmp_path / "reference.nrrd").write_text("damaged")
    assert "reference.nrrd cannot be read" in refused(source, output, "--like", tmp_path / "reference.nrrd")


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
