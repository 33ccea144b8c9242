"""``nexpr prepare``: how it names subjects, and volumes that cannot be used."""

import numpy as np
import SimpleITK as sitk


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


def test_subjects_by_name(nexpr, tmp_path):
    """One patient of a BIDS folder is one subject, whatever its files are called."""
    image = sitk.GetImageFromArray(np.random.default_rng(0).random((1, 24, 24), dtype=np.float32))
    files = (
        "sub-01_T1w",
        "sub-01_T2w",
        "site/sub-02/anat/sub-02_T1w",
        "site/sub-02/anat/x",
        "ann/t1",
        "ann/b/t2",
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
        "t2": "ann",
        "eve": "eve",
    }


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
