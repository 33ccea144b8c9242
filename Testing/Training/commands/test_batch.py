"""``nexpr upsample`` on several volumes."""

import csv
import os

import pytest
import SimpleITK as sitk


@pytest.fixture
def data_set(volume, tmp_path):
    """As of BIDS: measured images of two subjects, and what somebody has made of them."""
    folder = tmp_path / "data"
    for name in ("sub-1/anat/sub-1_T1w", "sub-2/anat/sub-2_T1w", "derivatives/other/sub-1_T1w", ".git/sub-1_T1w"):
        path = folder / f"{name}.nii.gz"
        path.parent.mkdir(parents=True)
        sitk.WriteImage(volume, path)
    (folder / "dataset_description.json").write_text("{}")
    return folder


def volumes_in(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.n*") if path.is_file())


def rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_several_files(upsample, volume, tmp_path):
    for name in ("a.nrrd", "b.nii", "c.nrrd"):
        sitk.WriteImage(volume, tmp_path / name)
    # Options may stand anywhere.
    arguments = [tmp_path / "a.nrrd", "-o", tmp_path / "out", "--scale", 2, tmp_path / "b.nii"]
    assert upsample(*arguments)[::2] == (0, "")
    assert volumes_in(tmp_path / "out") == ["a.nrrd", "b.nii"]
    assert upsample(tmp_path / "c.nrrd", "--scale", 2, tmp_path / "d.nrrd")[::2] == (0, "")
    assert sitk.ReadImage(tmp_path / "d.nrrd").GetSize() == (36, 30, 4)


def test_folder_of_several_results_has_to_be_named(refused, volume, tmp_path):
    paths = [tmp_path / name for name in ("a.nrrd", "b.nrrd", "c.nrrd")]
    for path in paths:
        sitk.WriteImage(volume, path)
    assert "-o OUT" in refused(*paths, "--scale", 2)
    assert "must be a folder" in refused(*paths[:2], "-o", paths[2], "--scale", 2)
    assert "name the output" in refused(paths[0], "--scale", 2).lower()
    assert "is an input" in refused(*paths, "-o", tmp_path, "--scale", 2)


def test_same_name_in_two_folders(refused, volume, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        sitk.WriteImage(volume, tmp_path / folder / "in.nrrd")
    assert "would both be written" in refused(tmp_path / "a", tmp_path / "b", "-o", tmp_path / "out", "--scale", 2)


def test_subfolders_are_kept_and_results_are_not_taken_for_inputs(upsample, data_set):
    output = data_set / "derivatives" / "nexpr"
    for _ in range(2):
        status, out, err = upsample(data_set, output, "--recursive", "--scale", 2)
        assert (status, err) == (0, "")
        assert "derivatives" in out
        assert volumes_in(output) == ["sub-1/anat/sub-1_T1w.nii.gz", "sub-2/anat/sub-2_T1w.nii.gz"]
    (data_set / "dataset_description.json").unlink()  # a folder like others
    assert upsample(data_set, data_set / "finer", "--recursive", "--scale", 2)[0] == 0
    assert len(volumes_in(data_set / "finer")) == 5


@pytest.mark.skipif(os.name != "posix", reason="links need permissions here")
def test_links_to_folders_are_followed_once(upsample, volume, tmp_path):
    for folder in (tmp_path / "in" / "sub-1", tmp_path / "store"):
        folder.mkdir(parents=True)
        sitk.WriteImage(volume, folder / "t1.nrrd")
    (tmp_path / "in" / "sub-2").symlink_to(tmp_path / "store")
    (tmp_path / "in" / "latest").symlink_to(tmp_path / "in" / "sub-1")
    (tmp_path / "in" / "up").symlink_to(tmp_path)
    (tmp_path / "store" / "all").symlink_to(tmp_path / "in")
    assert upsample(tmp_path / "in", tmp_path / "out", "--recursive", "--scale", 2)[0] == 0
    assert volumes_in(tmp_path / "out") == ["sub-1/t1.nrrd", "sub-2/t1.nrrd"]


@pytest.mark.parametrize("extension", [".nii.gz", ".mha"])
def test_a_result_as_input_is_called_so(upsample, volume, tmp_path, extension):
    names = [tmp_path / f"{name}{extension}" for name in ("in", "x2", "x4")]
    sitk.WriteImage(volume, names[0])
    said = [upsample(*pair, "--scale", 2)[1] for pair in (names[:2], names[1:])]
    assert ["It was made by NExpR" in each for each in said] == [False, True]
    (tmp_path / "x2.json").unlink(missing_ok=True)
    assert "It was made by NExpR" in upsample(*names[1:], "--scale", 2)[1]


def test_output_among_the_subfolders(refused, data_set):
    assert "is an input" in refused(data_set, data_set, "--recursive", "--scale", 2)


def test_existing_results_stay(upsample, data_set, tmp_path):
    first = tmp_path / "out" / "sub-1" / "anat" / "sub-1_T1w.nii.gz"
    first.parent.mkdir(parents=True)
    first.write_text("made before")
    summary = tmp_path / "all.csv"
    options = ["--recursive", "--scale", 2, "--skip-existing", "--summary", summary]
    assert upsample(data_set, tmp_path / "out", *options)[0] == 0
    assert first.read_text() == "made before"
    assert [row["status"] for row in rows(summary)] == ["existing", "written"]
    assert len(volumes_in(tmp_path / "out")) == 2


def test_summary_of_a_batch_in_which_one_fails(upsample, data_set, tmp_path):
    damaged = data_set / "sub-1" / "anat" / "sub-1_T1w.nii.gz"
    damaged.write_text("damaged")
    options = ["--recursive", "--scale", 2, "--measured", "0.75,1", "--summary", tmp_path / "all.csv"]
    status, _, err = upsample(data_set, tmp_path / "out", *options)
    assert status == 2
    assert err.splitlines()[-1].endswith(f"1 of 2 volumes failed: {damaged}.")
    failed, written = rows(tmp_path / "all.csv")
    assert (failed["input"], failed["status"]) == (str(damaged), "failed")
    assert "cannot be read" in failed["message"]
    assert written["output"] == str(tmp_path / "out" / "sub-2" / "anat" / "sub-2_T1w.nii.gz")
    assert (written["status"], written["message"]) == ("written", "")
    assert written["spacing_before"] == "0.75 x 0.5 x 4"
    assert written["spacing_after"] == "0.375 x 0.25 x 4"
    assert written["measured"] == "0.9643 x 0.75 x 4"  # 14 and 10 whole pixels over 13.5 and 7.5 mm
    assert float(written["seconds"]) >= 0


def test_summary_that_cannot_be_written(refused, source, output, tmp_path):
    assert ".csv" in refused(source, output, "--scale", 2, "--summary", tmp_path / "all.txt")
    assert "cannot be written" in refused(source, output, "--scale", 2, "--summary", tmp_path / "nowhere" / "all.csv")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a file that is always full")
@pytest.mark.parametrize("damaged", [False, True])
def test_full_disk_under_the_summary_does_not_end_the_batch(upsample, volume, tmp_path, damaged):
    (tmp_path / "full.csv").symlink_to("/dev/full")
    (tmp_path / "in").mkdir()
    for name in ("a.nrrd", "b.nrrd", "c.nrrd"):
        sitk.WriteImage(volume, tmp_path / "in" / name)
    if damaged:
        (tmp_path / "in" / "a.nrrd").write_text("damaged")
    status, _, err = upsample(tmp_path / "in", tmp_path / "out", "--scale", 2, "--summary", tmp_path / "full.csv")
    assert status == 2
    assert f"{tmp_path / 'full.csv'} cannot be written: No space left on device." in err
    assert volumes_in(tmp_path / "out") == ["a.nrrd", "b.nrrd", "c.nrrd"][damaged:]
    assert ("1 of 3 volumes failed" in err.splitlines()[-1]) == damaged


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--scale", "0"], "positive"),
        (["--scale", "2", "--plane", "sideways"], "sideways"),
        (["--scale", "2", "--noise-reduction", "2"], "from 0 to 1"),
        (["--scale", "2", "--threads", "0"], "positive"),
        (["--scale", "2", "--device", "cuda:-1"], "cuda:-1"),
        (["--scale", "2", "--device", "cuda:99"], "not present"),
        (["--isotropic", "--slices-model", "mri"], "no stacks"),
        (["--scale", "2", "--model", "mri-slices"], "refines stacks"),
        (["--scale", "2", "--preview", "picture.jpg"], ".png"),
    ],
    ids=" ".join,
)
def test_bad_options_are_found_before_a_volume_is_read(nexpr, tmp_path, options, said):
    """Reading this one would fail."""
    (tmp_path / "in.nrrd").write_text("damaged")
    status, _, err = nexpr("upsample", tmp_path / "in.nrrd", tmp_path / "out.nrrd", *options)
    assert (status, err.count(os.linesep)) == (2, 1)
    assert said in err
