"""The way of a new user: a folder of DICOM series, prepared, trained on, exported, and used."""

import numpy as np
import pytest
import SimpleITK as sitk

from NExpRTraining.data.brain_template import template_slices


def write_dicom_series(volume, folder, series):
    """Write the slices of a volume as a scanner's archive would."""
    folder.mkdir(parents=True)
    volume = sitk.Cast(volume * 1000, sitk.sitkInt16)
    direction = volume.GetDirection()
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    for k in range(volume.GetDepth()):
        image = volume[:, :, k]
        tags = {
            "0008|0060": "MR",
            "0020|000d": f"1.2.826.0.1.3680043.2.1125.1.{series}",
            "0020|000e": f"1.2.826.0.1.3680043.2.1125.2.{series}",
            "0020|0013": str(k + 1),
            "0020|0032": "\\".join(f"{x:.6f}" for x in volume.TransformIndexToPhysicalPoint((0, 0, k))),
            "0020|0037": "\\".join(f"{direction[i]:.6f}" for i in (0, 3, 6, 1, 4, 7)),
            "0018|0050": str(volume.GetSpacing()[2]),
        }
        for tag, value in tags.items():
            image.SetMetaData(tag, value)
        writer.SetFileName(str(folder / f"{k:03d}.dcm"))
        writer.Execute(image)


@pytest.mark.slow
def test_from_a_folder_of_dicom_to_an_upsampled_volume(nexpr, tmp_path):
    template = template_slices()
    write_dicom_series(template[20:180, 20:220, 4:9], tmp_path / "data" / "ann", 1)
    write_dicom_series(template[20:180, 20:220, 10:14], tmp_path / "data" / "bob", 2)

    status, printed, _ = nexpr("prepare", tmp_path / "data", "-o", tmp_path / "data.npz", "--validation", "bob")
    assert status == 0
    assert "9 slices of 2 volumes" in printed
    assert (tmp_path / "data.png").exists()
    with np.load(tmp_path / "data.npz") as prepared:
        assert prepared["slice_00000"].shape == (200, 160)
        assert prepared["subjects"].tolist() == ["ann"] * 5 + ["bob"] * 4

    training = ["--data.data", tmp_path / "data.npz", "--trainer.default_root_dir", tmp_path, "--trainer.max_steps", 60]
    speed = ["--data.steps_per_epoch", 30, "--trainer.enable_progress_bar", "false", "--trainer.accelerator", "cpu"]
    assert nexpr("train", "--config", "tiny.yaml", *training, *speed)[0] == 0
    checkpoint = tmp_path / "lightning_logs" / "version_0" / "checkpoints" / "last.ckpt"

    model = tmp_path / "my_model"
    assert nexpr("models", "export", checkpoint, "-o", model)[0] == 0
    assert nexpr("models", "verify", model)[0] == 0
    status, card, _ = nexpr("models", "show", model)
    assert status == 0
    assert "name: my_model" in card
    assert "steps: 60" in card
    assert "validation_subjects: ['bob']" in card

    output = tmp_path / "ann_2x.nii.gz"
    assert nexpr("upsample", tmp_path / "data" / "ann", output, "--scale", 2, "--model", model)[0] == 0
    result = sitk.ReadImage(str(output))
    assert result.GetSize() == (320, 400, 5)
    np.testing.assert_allclose(result.GetSpacing(), (0.5, 0.5, 5), atol=1e-6)

    status, printed, _ = nexpr("evaluate", output.parent / "data" / "bob", "--model", model, "--scales", 2)
    assert status == 0
    assert "Zero-filling" in printed
