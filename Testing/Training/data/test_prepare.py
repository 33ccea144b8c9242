"""``nexpr prepare``: how it names subjects, and volumes that cannot be used."""

from collections import Counter

import numpy as np
import SimpleITK as sitk

from NExpRTraining.data.brain_template import template_slices

from ..files.dicom_files import write_series, write_slice


def test_every_volume_that_is_skipped_is_named(nexpr, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in ("good", "also-good"):
        sitk.WriteImage(sitk.GetImageFromArray(rng.random((2, 24, 24), dtype=np.float32)), folder / f"{name}.nrrd")
    colors = rng.integers(0, 255, (2, 24, 24, 3), dtype=np.uint8)
    sitk.WriteImage(sitk.GetImageFromArray(colors, isVector=True), folder / "color.nrrd")
    (folder / "damaged.nrrd").write_text("no volume")
    sizes = "NRRD0004\ntype: float\ndimension: 3\nsizes: 60000 60000 60000\nencoding: raw\nendian: little\n\n"
    (folder / "huge.nrrd").write_text(sizes)
    status, _, err = nexpr("prepare", folder, "-o", tmp_path / "data.npz")
    assert status == 2
    assert "3 of 5 volumes" in err
    assert err.count("color.nrrd") == 1
    assert err.count("damaged.nrrd") == err.count("huge.nrrd") == 1
    with np.load(tmp_path / "data.npz") as data:
        assert set(data["sources"]) == {"good", "also-good"}


def test_phase_is_not_trained_on(nexpr, tmp_path):
    rows, columns = np.mgrid[:48, :48]
    wrapped = np.angle(np.exp(1j * (0.3 * rows + 0.2 * columns))).astype(np.float32)
    sitk.WriteImage(sitk.GetImageFromArray(np.stack([wrapped] * 4)), tmp_path / "phase.nrrd")
    status, _, err = nexpr("prepare", tmp_path, "-o", tmp_path / "data.npz", "--plane", "2")
    assert (status, "take the magnitude" in err) == (2, True)


def test_subjects_by_name(nexpr, tmp_path):
    """One patient of a BIDS folder is one subject, whatever its files are called."""
    image = sitk.GetImageFromArray(np.random.default_rng(0).random((1, 24, 24), dtype=np.float32))
    files = (
        "sub-01_T1w",
        "sub-01_T2w",
        "site/sub-02/anat/sub-02_T1w",
        "site/sub-02/anat/x",
        "ann/t1",
        "ann/b/t2_sub-3",
        "eve",
    )
    for file in files:
        (tmp_path / "in" / file).parent.mkdir(parents=True, exist_ok=True)
        sitk.WriteImage(image, tmp_path / "in" / f"{file}.nrrd")
    status, out, _ = nexpr("prepare", tmp_path / "in", "-o", tmp_path / "data.npz")
    assert status == 0
    assert "If one patient has several names" in out
    with np.load(tmp_path / "data.npz") as data:
        found = dict(zip(data["sources"].tolist(), data["subjects"].tolist()))
    assert found == {
        "sub-01_T1w": "sub-01",
        "sub-01_T2w": "sub-01",
        "sub-02_T1w": "sub-02",
        "x": "sub-02",
        "t1": "ann",
        "t2_sub-3": "ann",
        "eve": "eve",
    }


def test_hidden_folders_are_not_searched(nexpr, tmp_path):
    """git-annex keeps the files of a dataset there, under other names."""
    image = sitk.GetImageFromArray(np.random.default_rng(0).random((1, 24, 24), dtype=np.float32))
    for folder in ("sub-01", "sub-02", ".git/annex/objects"):
        (tmp_path / ".data" / folder).mkdir(parents=True)
        sitk.WriteImage(image, tmp_path / ".data" / folder / f"{folder[-2:]}.nrrd")
    assert nexpr("prepare", tmp_path / ".data", "-o", tmp_path / "data.npz")[0] == 0
    with np.load(tmp_path / "data.npz") as data:
        assert set(data["subjects"]) == {"sub-01", "sub-02"}


def test_volumes_of_one_name_stay_volumes_of_their_own(nexpr, tmp_path):
    image = sitk.GetImageFromArray(np.random.default_rng(0).random((1, 24, 24), dtype=np.float32))
    for name in ("ann/first/t2.nrrd", "ann/second/t2.nrrd", "ann/second/t2.mha", "ann/second/t1.nrrd", "bob/t3.nrrd"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        sitk.WriteImage(image, tmp_path / "in" / name)
    assert nexpr("prepare", tmp_path / "in", "-o", tmp_path / "data.npz")[0] == 0
    with np.load(tmp_path / "data.npz") as data:
        assert set(data["sources"]) == {"ann/first/t2.nrrd", "ann/second/t2.nrrd", "ann/second/t2.mha", "t1", "t3"}


def test_volumes_without_a_resolution_are_named(nexpr, tmp_path):
    image = sitk.GetImageFromArray(np.random.default_rng(0).random((1, 24, 24), dtype=np.float32))
    (tmp_path / "in").mkdir()
    for name in ("a", "b"):
        sitk.WriteImage(image, tmp_path / "in" / f"{name}.nrrd")
    (tmp_path / "facts.csv").write_text("file,x,y\na.nrrd,75,100\nB.nrrd,75,100\n")
    options = ["--effective-resolution", tmp_path / "facts.csv"]
    status, out, _ = nexpr("prepare", tmp_path / "in", "-o", tmp_path / "data.npz", *options)
    assert status == 0
    assert "so used whole: b." in out


def test_slices_with_little_content_are_left_out(nexpr, tmp_path):
    pixels = np.zeros((3, 20, 20), np.float32)
    pixels[0, :1], pixels[1, :4], pixels[2] = 1, 1, np.random.default_rng(0).random((20, 20))
    (tmp_path / "data").mkdir()
    sitk.WriteImage(sitk.GetImageFromArray(pixels), tmp_path / "data" / "a.nrrd")
    for options, kept in (([], 2), (["--min-content", 0.5], 1), (["--min-content", 0], 3)):
        status, out, _ = nexpr("prepare", tmp_path / "data", "-o", tmp_path / "data.npz", *options)
        assert (status, f"{kept} slices of 1 volumes" in out) == (0, True)


def test_subjects_for_validation(nexpr, tmp_path):
    for i in range(14):
        (tmp_path / "in" / f"s{i:02d}").mkdir(parents=True)
        pixels = np.random.default_rng(i).random((1, 12, 12), dtype=np.float32)
        sitk.WriteImage(sitk.GetImageFromArray(pixels), tmp_path / "in" / f"s{i:02d}" / "t2.nrrd")
    for options, expected in (([], ["s06", "s13"]), (["--validation", "s03"], ["s03"])):
        assert nexpr("prepare", tmp_path / "in", "-o", tmp_path / "data.npz", *options)[0] == 0
        with np.load(tmp_path / "data.npz") as prepared:
            assert prepared["validation"].tolist() == expected
    status, _, err = nexpr("prepare", tmp_path / "in", "-o", tmp_path / "data.npz", "--validation", "S03")
    assert (status, "no subject S03" in err) == (2, True)


def test_slices_lie_in_the_plane_that_is_named(nexpr, tmp_path):
    (tmp_path / "data").mkdir()
    image = sitk.GetImageFromArray(np.random.default_rng(0).random((12, 14, 16), dtype=np.float32))
    sitk.WriteImage(image, tmp_path / "data" / "a.nrrd")
    for plane, shape, count in (("auto", (14, 16), 12), ("sagittal", (12, 14), 16), ("1", (12, 16), 14)):
        assert nexpr("prepare", tmp_path / "data", "-o", tmp_path / "data.npz", "--plane", plane)[0] == 0
        with np.load(tmp_path / "data.npz") as prepared:
            assert (prepared["slice_00000"].shape, len(prepared["subjects"])) == (shape, count)


def test_every_slice_is_prepared_in_each_window(nexpr, tmp_path):
    (tmp_path / "data").mkdir()
    ramp = np.broadcast_to(np.linspace(-1000, 1000, 64, dtype=np.float32), (1, 32, 64))
    sitk.WriteImage(sitk.GetImageFromArray(ramp), tmp_path / "data" / "ct.mha")
    windows = ["--window", -140, 260, "--window", -1000, 200]
    assert nexpr("prepare", tmp_path / "data", "-o", tmp_path / "data.npz", *windows)[0] == 0
    with np.load(tmp_path / "data.npz") as prepared:
        assert prepared["sources"].tolist() == ["ct -140..260", "ct -1000..200"]
        np.testing.assert_allclose(prepared["slice_00001"], np.clip((ramp[0] + 1000) / 1200, 0, 1), atol=1e-3)


def test_cropped_sizes_are_even(nexpr, tmp_path):
    (tmp_path / "data").mkdir()
    sitk.WriteImage(template_slices()[:, :, 5:6], tmp_path / "data" / "brain.nrrd")
    (tmp_path / "facts.csv").write_text("file,x,y\nbrain.nrrd,90,100\n")
    table = ["--effective-resolution", tmp_path / "facts.csv"]
    assert nexpr("prepare", tmp_path / "data", "-o", tmp_path / "data.npz", *table)[0] == 0
    with np.load(tmp_path / "data.npz") as prepared:
        assert prepared["slice_00000"].shape == (233, 178)  # 0.9 of 197 are 177.3


def test_unreadable_files_are_named_and_the_rest_is_prepared(nexpr, tmp_path):
    (tmp_path / "data").mkdir()
    sitk.WriteImage(template_slices()[:, :, 5:7], str(tmp_path / "data" / "good.nrrd"))
    (tmp_path / "data" / "bad.nii").write_bytes(b"no image")
    status, printed, error = nexpr("prepare", tmp_path / "data", "-o", tmp_path / "data.npz")
    assert status == 2
    assert "bad.nii" in error
    assert "2 slices of 1 volumes" in printed
    with np.load(tmp_path / "data.npz") as prepared:
        assert prepared["sources"].tolist() == ["good", "good"]


def test_zero_filled_images_are_cropped_to_what_was_measured(nexpr, tmp_path):
    (tmp_path / "data").mkdir()
    sitk.WriteImage(template_slices()[:, :, 5:6], str(tmp_path / "data" / "brain.nrrd"))
    (tmp_path / "facts.csv").write_text("file,subject,x,y\nbrain.nrrd,ann,75,100\n")
    tables = ["--subjects", tmp_path / "facts.csv", "--effective-resolution", tmp_path / "facts.csv"]
    assert nexpr("prepare", tmp_path / "data", "-o", tmp_path / "data.npz", *tables)[0] == 0
    with np.load(tmp_path / "data.npz") as prepared:
        assert prepared["subjects"].tolist() == ["ann"]
        assert prepared["slice_00000"].shape == (233, 148)


def test_volumes_that_the_table_of_subjects_lacks_are_named(nexpr, tmp_path):
    (tmp_path / "data").mkdir()
    for name in ("brain", "other", "third"):
        sitk.WriteImage(template_slices()[:, :, 5:6], str(tmp_path / "data" / f"{name}.nrrd"))
    (tmp_path / "facts.csv").write_text("file,subject\nbrain.nrrd,ann\nother,ann\nthird.nrrd,\n")
    options = ["-o", tmp_path / "data.npz", "--subjects", tmp_path / "facts.csv"]
    status, out, _ = nexpr("prepare", tmp_path / "data", *options)
    assert status == 0
    assert "so named by folder or file: other, third." in out
    with np.load(tmp_path / "data.npz") as prepared:
        assert prepared["subjects"].tolist() == ["ann", "other", "third"]


def test_table_may_name_the_folder_of_a_series(nexpr, tmp_path, real_data):
    (tmp_path / "facts.csv").write_text("file,subject\ndicom_mr_prostatex-0000_t2cor,ann\n")
    (tmp_path / "data").mkdir()
    series = "dicom_mr_prostatex-0000_t2cor"
    (tmp_path / "data" / series).symlink_to(real_data / "test" / series)
    options = ["-o", tmp_path / "data.npz", "--subjects", tmp_path / "facts.csv"]
    assert nexpr("prepare", tmp_path / "data" / series, *options)[0] == 0
    with np.load(tmp_path / "data.npz") as prepared:
        assert set(prepared["subjects"]) == {"ann"}


def test_window_sets_black_and_white(nexpr, tmp_path):
    (tmp_path / "data").mkdir()
    ramp = np.broadcast_to(np.linspace(-1000, 1000, 64, dtype=np.float32), (1, 32, 64))
    sitk.WriteImage(sitk.GetImageFromArray(ramp), str(tmp_path / "data" / "ct.mha"))
    window = ["--window", -140, 260, "--min-content", 0]
    assert nexpr("prepare", tmp_path / "data", "-o", tmp_path / "data.npz", *window)[0] == 0
    with np.load(tmp_path / "data.npz") as prepared:
        expected = np.clip((ramp[0] + 140) / 400, 0, 1)
        np.testing.assert_allclose(prepared["slice_00000"], expected, atol=1e-3)
        assert prepared["windows"].tolist() == [[-140, 260]]


def test_results_are_not_trained_on(nexpr, tmp_path):
    """Those that NExpR wrote into the folder, under any subject's name, and what BIDS keeps apart from the measured."""
    image = sitk.GetImageFromArray(np.random.default_rng(0).random((2, 24, 24), dtype=np.float32))
    (tmp_path / "dataset_description.json").write_text("{}")
    for name in ("sub-01/t1.nii.gz", "sub-02/t1.nii.gz", "derivatives/sub-03/t1.nii.gz"):
        (tmp_path / name).parent.mkdir(parents=True)
        sitk.WriteImage(image, tmp_path / name)
    (tmp_path / "finer").mkdir()
    options = ["--scale", 2, "--model", "mri-fast"]
    assert nexpr("upsample", tmp_path / "sub-01", tmp_path / "finer" / "t1_2x.nii.gz", *options)[0] == 0
    status, out, err = nexpr("prepare", tmp_path, "-o", tmp_path / "data.npz")
    assert status == 2
    assert "1 of 3 volumes were skipped" in err
    assert err.count("t1_2x.nii.gz") == 1
    assert "derivatives" in out
    with np.load(tmp_path / "data.npz") as data:
        assert set(data["subjects"]) == {"sub-01", "sub-02"}


def test_volumes_of_one_series_stay_volumes_of_their_own(nexpr, tmp_path):
    """Two echoes of each patient, under the same names for both patients."""
    rng = np.random.default_rng(0)
    for patient in ("ann", "bob"):
        for echo in (1, 2):
            for k in range(3):
                path = tmp_path / "in" / patient / "t2" / f"{echo}{k}.dcm"
                pixels = rng.integers(0, 1000, (24, 24), dtype=np.uint16)
                numbers = {"EchoNumbers": echo, "EchoTime": str(20 * echo), "InstanceNumber": 3 * echo + k}
                write_slice(path, pixels, (0, 0, 3 * k), **numbers)
    assert nexpr("prepare", tmp_path / "in", "-o", tmp_path / "data.npz")[0] == 0
    with np.load(tmp_path / "data.npz") as data:
        counts = Counter(zip(data["subjects"].tolist(), data["sources"].tolist()))
    assert sorted(subject for subject, _ in counts) == ["ann", "ann", "bob", "bob"]
    assert len({source for _, source in counts}) == 4
    assert set(counts.values()) == {3}


def test_what_was_done_to_slices_in_reading_is_said(nexpr, tmp_path):
    """Those of a tilted gantry were interpolated, which a truth should not be."""
    pixels = np.random.default_rng(0).integers(0, 1000, (4, 24, 24), dtype=np.uint16)
    write_series(tmp_path / "in" / "ct", pixels, [(0, k, 3 * k) for k in range(4)], modality="CT")
    said = [
        nexpr("prepare", tmp_path / "in", "-o", tmp_path / "data.npz")[1],
        nexpr("evaluate", tmp_path / "in" / "ct", "--scales", 2, "--model", "ct-fast")[1],
        nexpr("inspect", tmp_path / "in" / "ct")[1],
    ]
    assert ["tilted by 18.4 degrees" in each for each in said] == [True, True, True]  # arctan(1 / 3)
