"""What made a result is kept in its file."""

import json

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

import NExpRLib
from NExpRLib.volumes.sidecar import sidecar_of
from NExpRTraining.files.volume_files import read_volume


@pytest.fixture
def source(tmp_path):
    image = nibabel.Nifti1Image(np.random.default_rng(0).normal(100, 10, (12, 10, 4)).astype(np.float32), np.eye(4))
    image.header["descrip"] = b"TE=90;sec=3"
    nibabel.save(image, tmp_path / "in.nii.gz")
    return tmp_path / "in.nii.gz"


def test_nifti_says_it_before_the_description_of_the_input(nexpr, source, tiny_model_folder, tmp_path):
    output = tmp_path / "out.nii.gz"
    assert nexpr("upsample", source, output, "--scale", "2", "--plane", "2", "--model", tiny_model_folder)[0] == 0
    description = nibabel.load(output).header["descrip"].item().decode()
    assert description == f"NExpR {NExpRLib.__version__} tiny 2x2x1; TE=90;sec=3"


@pytest.mark.parametrize("extension", [".nrrd", ".mha"])
def test_other_formats_hold_all_of_it(nexpr, source, tiny_model_folder, tmp_path, extension):
    output = tmp_path / f"out{extension}"
    options = ["--scale", "1.5", "--plane", "2", "--data-consistency", "--model", tiny_model_folder]
    assert nexpr("upsample", source, output, *options)[0] == 0
    made = json.loads(sitk.ReadImage(output).GetMetaData("NExpR"))
    card = json.loads((tiny_model_folder / "card.json").read_text())
    assert made == {
        "Version": NExpRLib.__version__,
        "Input": "in.nii.gz",
        "Models": {"tiny": card["sha256"][:12]},
        "Scale": [1.5, 1.5, 1],
        "DataConsistency": True,
    }


def test_sidecar_of_nifti(nexpr, source, tiny_model_folder, tmp_path):
    """As BIDS derivatives have it; facts on the input stay where they hold for the result."""
    (tmp_path / "in.json").write_text('{"Modality": "MR", "SliceThickness": 0.8, "AcquisitionMatrix": [12, 0, 0, 10]}')
    output = tmp_path / "out.nii.gz"
    options = ["--plane", "2", "--measured", "stored", "--model", tiny_model_folder]
    assert nexpr("upsample", source, output, "--scale", "2", *options)[0] == 0
    facts = json.loads((tmp_path / "out.json").read_text())
    assert "inferred" in facts.pop("Description")
    (made,) = facts.pop("GeneratedBy")
    assert facts == {"Sources": ["in.nii.gz"], "Modality": "MR", "SliceThickness": 0.8}
    assert (made["Name"], made["Version"], made["Scale"]) == ("NExpR", NExpRLib.__version__, [2, 2, 1])
    assert list(made["Models"]) == ["tiny"]
    assert read_volume(output).GetSize() == (24, 20, 4)
    assert sidecar_of(read_volume(output))["Modality"] == "MR"


def test_sidecar_of_another_is_not_replaced(nexpr, source, tiny_model_folder, tmp_path):
    (tmp_path / "out.json").write_text('{"Modality": "MR"}')
    command = ["upsample", source, tmp_path / "out.nii.gz", "--scale", "2", "--model", tiny_model_folder]
    status, _, err = nexpr(*command)
    assert (status, err.count("\n")) == (2, 1)
    assert "out.json" in err
    assert (tmp_path / "out.json").read_text() == '{"Modality": "MR"}'
    (tmp_path / "out.json").unlink()
    assert nexpr(*command)[0] == 0
    assert nexpr(*command)[0] == 0  # replaces its own
