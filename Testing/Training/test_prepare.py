"""``nexpr prepare``: volumes that cannot be used."""

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
