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
    status, _, err = nexpr("prepare", folder, "-o", tmp_path / "data.npz")
    assert status == 2
    assert "2 of 4 volumes" in err
    assert err.count("color.nrrd") == 1
    assert err.count("damaged.nrrd") == 1
    with np.load(tmp_path / "data.npz") as data:
        assert set(data["sources"]) == {"good", "also-good"}
