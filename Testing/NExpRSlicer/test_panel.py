"""What the panel says and allows."""

import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from NExpRLib.volumes.geometry import Geometry
from NExpRSlicerLib.Models import ModelCache
from NExpRSlicerLib.Panel import VolumeFacts, deviceText, panelState, progressText, visibleWidgets
from NExpRSlicerLib.Parameters import (
    MODEL_FROM_FOLDER,
    Device,
    MeasuredMode,
    Plane,
    Settings,
    TargetMode,
    settingsFromParameterNode,
)


@pytest.fixture
def parameters(tiny_model_folder):
    return types.SimpleNamespace(
        inputVolume=object(),
        outputVolume=None,
        model=MODEL_FROM_FOLDER,
        modelPath=tiny_model_folder,
        targetMode=TargetMode.SCALE,
        scale=2.0,
        spacing=0.5,
        isotropicSpacing=0.0,
        thickness=0.0,
        noiseReduction=0.0,
        measuredMode=MeasuredMode.AUTO,
        measuredWidth=0.0,
        measuredHeight=0.0,
        plane=Plane.AUTO,
        device=Device.AUTO,
        dataConsistency=False,
    )


@pytest.fixture
def volume():
    geometry = Geometry((200, 100, 30), (0.5, 0.8, 4.0), (0, 0, 0), np.eye(3))
    return VolumeFacts("", geometry, np.dtype("int16"))


def test_size_spacing_and_memory_of_the_result(parameters, volume):
    state = panelState(parameters, volume, None)
    # 400 x 200 x 30 voxels of 2 bytes, twice, and 650 bytes for each of the 200 x 100 pixels that are encoded
    assert state.sizeText.startswith("30 slices of 400 x 200 pixels, 0.25 x 0.4 mm, 22.6 MB of memory")
    assert "input: 200 x 100, 0.5 x 0.8 mm" in state.sizeText
    assert (state.problem, state.warning) == ("", "")


def test_time_is_estimated_from_slices_that_were_encoded(parameters, volume):
    models = ModelCache()
    settings = settingsFromParameterNode(parameters, volume.geometry, "")

    def said():
        return panelState(parameters, volume, None, models).sizeText

    models.noteSpeed(settings, 200 * 100, 5.0)  # The first takes longer.
    assert "about" not in said()
    for _ in range(3):
        models.noteSpeed(settings, 100 * 100, 0.5)
    assert "of memory, about 30 s (input" in said()
    parameters.device = Device.CUDA
    assert "about" not in said(), "it may be much faster"


def test_time_of_an_isotropic_volume_is_that_of_both_networks(parameters, monkeypatch):
    monkeypatch.setattr("NExpRSlicerLib.Models.slices_model_for", lambda card: "mri-slices")
    volume = VolumeFacts("", Geometry((200, 100, 30), (0.8, 0.8, 4.0), (0, 0, 0), np.eye(3)), np.dtype("int16"))
    parameters.targetMode = TargetMode.ISOTROPIC
    models = ModelCache()
    settings = settingsFromParameterNode(parameters, volume.geometry, "")

    def said():
        return panelState(parameters, volume, None, models).sizeText

    for _ in range(3):
        models.noteSpeed(settings, 100 * 100, 0.5)
    assert "150 slices" in said()
    assert "about" not in said(), "the network for slices is not timed"
    for _ in range(3):
        models.noteSpeed(replace(settings, model="mri-slices"), 30 * 100, 0.15)
    # Two families of planes through 30 slices of 200 x 100 pixels, 50 us for each pixel.
    assert "of memory, about 60 s (input" in said()
    parameters.isotropicSpacing = 0.4
    # Beside these, 300 slices are drawn at half the spacing.
    assert "of memory, about 6 min (input" in said()


@pytest.mark.parametrize(("distance", "warned"), [(4.0, False), (12.0, True)])
def test_slices_further_apart_than_was_trained_for_are_warned_of(parameters, distance, warned):
    volume = VolumeFacts("", Geometry((200, 100, 30), (0.8, 0.8, distance), (0, 0, 0), np.eye(3)), np.dtype("int16"))
    parameters.model, parameters.targetMode = "mri", TargetMode.ISOTROPIC
    warning = panelState(parameters, volume, None).warning
    assert ("The slices are more than 8 pixels apart" in warning) is warned


def test_single_slice_is_one(parameters):
    geometry = Geometry((200, 100, 1), (0.5, 0.8, 4.0), (0, 0, 0), np.eye(3))
    state = panelState(parameters, VolumeFacts("", geometry, np.dtype("int16")), None)
    assert state.sizeText.startswith("1 slice of 400 x 200 pixels")


def test_sequences_multiply_the_memory(parameters, volume):
    state = panelState(parameters, VolumeFacts("", volume.geometry, volume.voxelType, frames=10), None)
    assert state.sizeText.startswith("10 frames: 30 slices")
    assert "109 MB" in state.sizeText


def test_model_for_another_modality_is_warned_of(parameters, volume):
    def warning(model, modality):
        parameters.model = model
        return panelState(parameters, replace(volume, modality=modality), None).warning

    assert warning("mri-fast", "CT") == "The volume is CT, the model was trained on MR."
    assert warning("ct", "MR") == "The volume is MR, the model was trained on CT."
    assert warning("auto", "PT") == "The volume is PT, the model was trained on MR."
    assert warning("auto", "CT") == warning("auto", "MR") == warning("auto", "") == ""
    assert warning("ct", "") == warning(MODEL_FROM_FOLDER, "CT") == "", "nothing is known"


@pytest.mark.parametrize(("modality", "model"), [("CT", "ct"), ("MR", "mri"), ("", "mri"), ("PT", "mri")])
def test_automatic_model_is_that_of_the_modality(parameters, volume, modality, model):
    parameters.model = "auto"
    assert settingsFromParameterNode(parameters, volume.geometry, modality).model == model


def test_target_by_spacing(parameters, volume):
    parameters.targetMode, parameters.spacing = TargetMode.SPACING, 0.25
    assert "400 x 320 pixels, 0.25 x 0.25 mm" in panelState(parameters, volume, None).sizeText


def test_target_of_square_pixels(parameters, volume):
    parameters.targetMode = TargetMode.SQUARE_PIXELS
    assert "200 x 160 pixels, 0.5 x 0.5 mm" in panelState(parameters, volume, None).sizeText
    parameters.plane = Plane.CORONAL
    assert "200 x 240 pixels, 0.5 x 0.5 mm" in panelState(parameters, volume, None).sizeText


def test_square_pixels_that_already_are(parameters):
    geometry = Geometry((64, 64, 9), (1.0, 1.0, 3.0), (0, 0, 0), np.eye(3))
    parameters.targetMode = TargetMode.SQUARE_PIXELS
    assert "pixels of the input" in panelState(parameters, VolumeFacts("", geometry, np.dtype("u1")), None).problem


def test_scales_beyond_training_are_warned_of_but_allowed(parameters, volume):
    parameters.scale = 4.0
    assert panelState(parameters, volume, None).warning == ""
    parameters.scale = 4.5
    state = panelState(parameters, volume, None)
    assert "up to 4" in state.warning
    assert state.problem == ""


def test_volume_that_will_be_overwritten_is_named(parameters, volume):
    def output(**attributes):
        parameters.outputVolume = types.SimpleNamespace(
            GetImageData=lambda: attributes.get("image"),
            GetAttribute=lambda _name: attributes.get("version"),
            GetName=lambda: "FLAIR",
        )
        return panelState(parameters, volume, None).warning

    assert output(image=object()) == "FLAIR will be overwritten: it is selected as output."
    assert output() == output(image=object(), version="0.1.0") == ""


def test_more_memory_than_free(parameters, volume):
    state = panelState(parameters, volume, 5_000_000)
    assert "22.6 MB" in state.warning
    assert "5 MB" in state.warning
    assert state.problem == "", "Apply looks again: nothing tells the panel when memory becomes free."
    assert panelState(parameters, volume, 50_000_000).warning == ""


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda p: setattr(p, "scale", 1.0), "pixels of the input"),
        (lambda p: (setattr(p, "targetMode", TargetMode.SPACING), setattr(p, "spacing", 2.0)), "only refines"),
        (lambda p: setattr(p, "outputVolume", p.inputVolume), "is the input volume"),
        (lambda p: setattr(p, "modelPath", Path()), "Select the folder"),
        (lambda p: setattr(p, "modelPath", Path("nowhere")), "There is no model"),
    ],
)
def test_apply_is_refused_with_a_reason_that_is_shown(parameters, volume, change, text):
    change(parameters)
    state = panelState(parameters, volume, None)
    assert text in state.problem
    assert text in state.warning


def test_problem_of_the_volume_comes_first(parameters):
    parameters.modelPath = Path("nowhere")
    assert panelState(parameters, VolumeFacts("not a volume"), None).problem == "not a volume"


def test_problem_of_the_volume_is_shown(parameters):
    """The button that says it, too, is disabled."""
    assert panelState(parameters, VolumeFacts("It holds labels."), None).warning == "It holds labels."
    parameters.inputVolume = None
    assert panelState(parameters, VolumeFacts("Select one."), None).warning == ""


def test_only_the_widgets_of_the_choice_are_shown(parameters):
    shown = {name for name, visible in visibleWidgets(parameters).items() if visible}
    assert shown == {"modelPathLabel", "modelPathLineEdit", "scaleLabel", "scaleSliderWidget"}
    parameters.model, parameters.targetMode = "ct", TargetMode.SPACING
    assert {n for n, v in visibleWidgets(parameters).items() if v} == {"spacingLabel", "spacingSpinBox"}


@pytest.mark.parametrize(
    ("state", "text"),
    [
        ((0.0, None), "Starting..."),
        ((0.033, None), "3 % done"),
        ((0.1, 41.7), "10 % done, about 42 s left"),
        ((0.1, 300.0), "10 % done, about 5 min left"),
        ((1.0, 0.0), "100 % done, about 1 s left"),
    ],
)
def test_progress(state, text):
    assert progressText(*state) == text


def test_all_choices_of_the_panel_reach_the_run(parameters, volume):
    parameters.model, parameters.plane, parameters.device = "ct", Plane.SAGITTAL, Device.CPU
    parameters.dataConsistency, parameters.scale = True, 2.5
    settings = settingsFromParameterNode(parameters, volume.geometry, "")
    assert settings == Settings(2.5, None, "sagittal", "ct", "cpu", dataConsistency=True)


def test_scale_beyond_training_along_one_axis_is_warned_of(parameters, volume):
    parameters.targetMode, parameters.spacing = TargetMode.SPACING, 0.125
    assert "up to 4" in panelState(parameters, volume, None).warning  # 4 x 6.4


def test_refining_one_axis_only_is_allowed(parameters, volume):
    parameters.targetMode = TargetMode.SQUARE_PIXELS
    assert panelState(parameters, volume, None).problem == ""


def test_encoding_on_the_cpu_is_said(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert "CPU" in deviceText("auto")
    assert "CPU" in deviceText("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert deviceText("auto") == ""
