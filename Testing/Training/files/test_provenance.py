"""What made a result is kept in its file."""

import json

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

import NExpRLib


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
