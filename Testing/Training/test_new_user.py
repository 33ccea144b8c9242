"""The way of a new user: a folder of DICOM series, prepared, trained on, exported, and used."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from Training.demo import template_slices

CONFIG = Path(__file__).parents[2] / "Training" / "configs" / "tiny.yaml"


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
    assert nexpr("train", "--config", CONFIG, *training, *speed)[0] == 0
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
