"""The slider for noise reduction: preview, Apply and panel against the library."""

import gc
import threading
import weakref
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("slicer_core", reason="needs the wheel slicer-core")
import slicer
import slicer.util

from NExpRLib import load_model, upsample
from NExpRLib.function.explicit_image import ExplicitImage
from NExpRLib.volumes.box import Box
from NExpRSlicerLib.Apply import ApplyRun
from NExpRSlicerLib.Choices import settingsOf
from NExpRSlicerLib.Models import ModelCache
from NExpRSlicerLib.Parameters import Settings, TargetMode

from ..conftest import TINY, write_model
from .opened_widget import wait
from .test_apply import assert_same
from .volumes import add_volume, matrix_of, sitk_image


@pytest.fixture(scope="module")
def noise_folder(tmp_path_factory):
    """A model of random weights that is told the noise."""
    config = replace(TINY, skip="bicubic", equivariant=True, noise_level=True)
    return write_model(tmp_path_factory.mktemp("noise") / "tiny-noise", config, 0.05)


@pytest.fixture
def noisy():
    return (100 + 7 * np.random.default_rng(0).standard_normal((4, 30, 26))).astype(np.float32)


@pytest.fixture
def prepared(stage, noise_folder, noisy):
    """The stage with a noisy volume, all views at its third slice."""
    volume = add_volume(noisy, matrix_of("axial", origin=(0, 0, 0)), "Noisy")
    stage.parameters.modelPath, stage.parameters.inputVolume = noise_folder, volume
    stage.showEverywhere(volume)
    stage.center(volume, 2)
    return stage


def shown(stage):
    return slicer.util.arrayFromVolume(stage.settle())[0].copy()


def test_slider_is_live_and_equals_apply(prepared, noise_folder, noisy, logic, monkeypatch):
    kept = shown(prepared)
    prepared.parameters.noiseReduction = 100
    removed = shown(prepared)
    assert np.abs(kept - removed).max() > 0.1
    monkeypatch.setattr(prepared.worker, "submit", None)
    prepared.parameters.noiseReduction = 30
    assert np.allclose(shown(prepared), 0.7 * kept + 0.3 * removed, atol=0.01)
    prepared.parameters.scale = 3
    output = logic.process(prepared.parameters.inputVolume, scale=3, model=noise_folder, noiseReduction=0.3)
    # Networks may compute in bfloat16.
    assert np.abs(shown(prepared) - slicer.util.arrayFromVolume(output)[2]).max() < 0.2
    image = sitk_image(noisy, matrix_of("axial", origin=(0, 0, 0)))
    assert_same(output, upsample(image, 3, noise_reduction=0.3, model=load_model(noise_folder, "cpu")))
    assert output.GetAttribute("NExpR.NoiseReduction") == "0.3"


def test_preview_stays_while_its_noise_is_being_removed(prepared, monkeypatch):
    kept, end = shown(prepared), threading.Event()
    prepared.worker.submit(lambda: end.wait(10), lambda value, error: None)
    prepared.parameters.noiseReduction = 100
    prepared.preview.update(prepared.parameters)
    assert np.array_equal(slicer.util.arrayFromVolume(prepared.node)[0], kept)
    assert prepared.shownIn() == ["Red"]
    assert "being removed" in prepared.preview.text
    end.set()
    assert np.abs(shown(prepared) - kept).max() > 0.1
    assert "being removed" not in prepared.preview.text
    monkeypatch.setattr(prepared.worker, "submit", None)
    prepared.parameters.noiseReduction = 0
    assert np.array_equal(shown(prepared), kept)


def test_planes_through_slices_keep_their_noise_and_are_not_encoded_again(prepared, slices_folder, monkeypatch):
    monkeypatch.setattr("NExpRSlicerLib.Models.slices_model_for", lambda card: str(slices_folder))
    prepared.parameters.targetMode = TargetMode.ISOTROPIC
    prepared.center(prepared.parameters.inputVolume, 1)
    kept = shown(prepared)
    monkeypatch.setattr(prepared.worker, "submit", None)
    prepared.parameters.noiseReduction = 50
    assert np.array_equal(shown(prepared), kept)
    assert "keeps the noise" in prepared.preview.text


def test_inferred_detail_and_live_zoom_follow(prepared):
    prepared.parameters.liveZoom = True
    kept = shown(prepared)
    prepared.parameters.noiseReduction = 100
    assert np.abs(shown(prepared) - kept).max() > 0.1
    prepared.parameters.liveZoom, prepared.parameters.inferredDetail = False, True
    detail = shown(prepared)
    prepared.parameters.noiseReduction = 0
    assert np.abs(shown(prepared) - detail).max() > 0.1


def test_slices_that_were_shown_keep_no_pixels_of_the_screen(prepared, monkeypatch):
    """They can be many times larger than what is counted of the slices that are kept."""
    rasterize, drawn = ExplicitImage.rasterize, []

    def noted(self, *args, **options):
        values = rasterize(self, *args, **options)
        drawn.append(weakref.ref(values))
        return values

    monkeypatch.setattr(ExplicitImage, "rasterize", noted)
    prepared.parameters.noiseReduction = 50
    for k in range(4):
        prepared.center(prepared.parameters.inputVolume, k)
        shown(prepared)
    gc.collect()
    assert len(drawn) == 8
    assert sum(each() is not None for each in drawn) <= 2


def test_panel_offers_it_for_models_that_can(widget, noise_folder, noisy):
    slider = widget.ui.noiseReductionSliderWidget
    assert not slider.visible, "the model cannot"
    widget._parameterNode.noiseReduction = 50
    assert settingsOf(widget._parameterNode).noiseReduction == 0
    widget._parameterNode.modelPath = noise_folder
    wait(lambda: slider.visible)
    widget._parameterNode.inputVolume = add_volume(noisy, matrix_of("axial"), "Noisy")
    widget._parameterNode.scale = 1  # Less noise is a result by itself.
    wait(lambda: "26 x 30" in widget.ui.sizeLabel.text)
    assert widget.ui.applyButton.enabled
    widget.ui.applyButton.click()
    wait(lambda: widget.ui.applyButton.text == "Apply")
    assert slicer.util.getNode("Noisy NExpR 1x").GetAttribute("NExpR.NoiseReduction") == "0.5"
    widget._parameterNode.dataConsistency = True
    wait(lambda: "Measured frequencies hold the noise" in widget.ui.warningLabel.text)
    assert not widget.ui.applyButton.enabled


def test_frames_of_a_sequence(scene, logic, noise_folder, noisy):
    sequenceNode = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "Frames")
    for index in range(2):
        frame = slicer.vtkMRMLScalarVolumeNode()
        frame.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(matrix_of("axial")))
        slicer.util.updateVolumeFromArray(frame, noisy * (1 + index))
        sequenceNode.SetDataNodeAtValue(frame, str(index))
    browserNode = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", "Browser")
    browserNode.SetAndObserveMasterSequenceNodeID(sequenceNode.GetID())
    output = logic.process(browserNode.GetProxyNode(sequenceNode), scale=2, model=noise_folder, noiseReduction=1.0)
    frames = browserNode.GetSequenceNode(output)
    for index in range(2):
        image = sitk_image(noisy * (1 + index), matrix_of("axial"))
        model = load_model(noise_folder, "cpu")
        assert_same(frames.GetNthDataNode(index), upsample(image, 2, noise_reduction=1.0, model=model))


def test_phase_loses_as_much_noise_as_in_the_library(scene, logic, noise_folder):
    ramp = np.add.outer(np.arange(2), np.add.outer(0.4 * np.arange(60), 0.1 * np.arange(70)))
    angles = ramp + np.random.default_rng(0).normal(0, 0.2, ramp.shape)
    pixels = ((angles + np.pi) % (2 * np.pi) - np.pi).astype(np.float32)
    volume = add_volume(pixels, matrix_of("axial"), "Phase")
    output = logic.process(volume, scale=2, model=noise_folder, noiseReduction=1.0)
    image = sitk_image(pixels, matrix_of("axial"))
    assert_same(output, upsample(image, 2, noise_reduction=1.0, model=load_model(noise_folder, "cpu")))


def test_region_has_the_noise_of_the_whole_volume(scene, noise_folder):
    """Also where it holds less of it than the rest."""
    rng = np.random.default_rng(1)
    pixels = 100 + rng.standard_normal((2, 120, 130)) * np.where(np.arange(130) < 50, 0.5, 10)
    volume = add_volume(pixels.astype(np.float32), matrix_of("axial"), "Uneven")
    settings = Settings(scale=2, model=str(noise_folder), device="cpu", measured="stored", noiseReduction=1.0)

    def applied(box=None):
        run = ApplyRun(volume, None, settings, ModelCache(), box)
        return slicer.util.arrayFromVolume(run.finish(run.job.run()))

    part, whole = applied(Box((100, 24, 0), (20, 30, 2))), applied()
    assert np.abs(part - whole[:, 48:108, 200:240]).max() < 0.5
