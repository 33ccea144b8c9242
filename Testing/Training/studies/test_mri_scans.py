"""The study of MRI scans of all kinds, as users run it."""

import sys

import numpy as np
import SimpleITK as sitk

from NExpRTraining.studies import mri_scans


def test_tables_have_a_row_for_every_volume_and_their_mean(monkeypatch, capsys, tiny_model_folder, tmp_path):
    rng = np.random.default_rng(0)
    for name in ("ann", "bob"):
        pixels = np.cumsum(rng.standard_normal((3, 40, 44)), axis=1).astype(np.float32)
        sitk.WriteImage(sitk.GetImageFromArray(pixels), tmp_path / f"{name}.nrrd")
    volumes = [str(tmp_path / f"{name}.nrrd") for name in ("ann", "bob")]
    kinds = ["2x", "2x, noise 4 %"]
    monkeypatch.setattr(sys, "argv", ["-m", *volumes, "--models", str(tiny_model_folder), "--kinds", *kinds])
    mri_scans.main()
    rows = [line.split("|")[1:-1] for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert [row[0].strip() for row in rows[2:5]] == ["ann.nrrd", "bob.nrrd", "mean"]
    clean, noisy = (np.array([[float(cell) for cell in row[1:]] for row in table]) for table in (rows[2:5], rows[7:]))
    assert (noisy[:, 0] < clean[:, 0]).all()  # PSNR of zero-filling
    np.testing.assert_allclose(clean[2], clean[:2].mean(axis=0), atol=0.011)
