"""Thick slices and measured pixels: Apply and preview against the library on the same data."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("slicer_core", reason="needs the wheel slicer-core")
import SimpleITK as sitk
import slicer
import slicer.util

from NExpRLib import inspect, load_model, upsample
from NExpRLib.volumes.geometry import Geometry
from NExpRLib.volumes.sidecar import set_sidecar
from NExpRSlicerLib.Acquisitions import Recognition, acquisitionOf, headerFacts, recognize
from NExpRSlicerLib.Choices import settingsOf
from NExpRSlicerLib.Parameters import MeasuredMode, Settings, TargetMode
from NExpRSlicerLib.Volumes import geometryOf

from .opened_widget import wait
from .test_apply import assert_same
from .volumes import DIRECTIONS, add_volume, matrix_of, scene_content, sitk_image, smooth_pixels


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("thickness", [None, 4.0])
def test_isotropic_volume_is_that_of_the_library(scene, logic, tiny_model_folder, slices_folder, direction, thickness):
    pixels, matrix = smooth_pixels((6, 12, 10)), matrix_of(direction)
    calls = []
    output = logic.process(
        add_volume(pixels, matrix),
        isotropic=True,
        thickness=thickness,
        model=tiny_model_folder,
        slicesModel=slices_folder,
        progress=lambda *state: calls.append(state),
    )
    assert_same(
        output,
        upsample(
            sitk_image(pixels, matrix),
            isotropic=True,
            thickness=thickness,
            model=load_model(tiny_model_folder, "cpu"),
            slices_model=load_model(slices_folder, "cpu"),
        ),
    )
    assert np.allclose(output.GetSpacing(), 0.9)
    fractions = [fraction for fraction, _remaining in calls]
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1)
    assert len(fractions) > 3


def test_isotropic_volume_says_how_it_was_made(scene, logic, tiny_model_folder, slices_folder, volume):
    thick = add_volume(smooth_pixels((5, 12, 10)), matrix_of("axial"), "Thick")
    output = logic.process(thick, isotropic=0.8, model=tiny_model_folder, slicesModel=slices_folder)
    assert output.GetName() == "Thick NExpR 0.8 mm"
    said = {name: output.GetAttribute(f"NExpR.{name}") for name in ("SlicesModel", "Thickness", "Spacing", "Model")}
    assert said == {"SlicesModel": "tiny-slices", "Thickness": "3 mm", "Spacing": "0.8 mm", "Model": "tiny"}
    assert len(output.GetAttribute("NExpR.SlicesModelSHA256")) == 64
    assert output.GetAttribute("NExpR.MeasuredPixels") == "0.9 x 1.1 mm"


def attributes_of(node):
    return {name: node.GetAttribute(name) for name in node.GetAttributeNames()}


def test_output_that_is_used_again_says_only_how_it_was_made_last(scene, logic, tiny_model_folder, slices_folder):
    thick = add_volume(smooth_pixels((5, 12, 10)), matrix_of("axial"), "Thick")
    used = logic.process(thick, isotropic=0.8, model=tiny_model_folder, slicesModel=slices_folder)
    new = logic.process(thick, scale=2, model=tiny_model_folder)
    assert attributes_of(logic.process(thick, used, scale=2, model=tiny_model_folder)) == attributes_of(new)


def test_isotropic_sequence(scene, logic, tiny_model_folder, slices_folder):
    sequenceNode = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "Beating")
    for seed in range(2):
        frame = slicer.vtkMRMLScalarVolumeNode()
        frame.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(matrix_of("oblique")))
        slicer.util.updateVolumeFromArray(frame, smooth_pixels((4, 8, 9), seed=seed))
        sequenceNode.SetDataNodeAtValue(frame, str(seed))
    browserNode = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", "Browser")
    browserNode.SetAndObserveMasterSequenceNodeID(sequenceNode.GetID())
    proxy = browserNode.GetProxyNode(sequenceNode)
    output = logic.process(proxy, isotropic=True, model=tiny_model_folder, slicesModel=slices_folder)
    frames = browserNode.GetSequenceNode(output)
    assert frames.GetNumberOfDataNodes() == 2
    model, slices_model = load_model(tiny_model_folder, "cpu"), load_model(slices_folder, "cpu")
    for seed in range(2):
        image = sitk_image(smooth_pixels((4, 8, 9), seed=seed), matrix_of("oblique"))
        expected = upsample(image, isotropic=True, model=model, slices_model=slices_model)
        assert_same(frames.GetNthDataNode(seed), expected)


def test_a_model_for_pixels_refines_no_stacks(scene, logic, tiny_model_folder):
    thick = add_volume(smooth_pixels((5, 12, 10)), matrix_of("axial"), "Thick")
    with pytest.raises(ValueError, match="refines no stacks of slices"):
        logic.process(thick, isotropic=True, model=tiny_model_folder, slicesModel=tiny_model_folder)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"isotropic": 2.0}, "coarser than the pixels"),
        ({"isotropic": True, "thickness": 20.0}, "not foreseen"),
        ({"isotropic": True, "dataConsistency": True}, "Data consistency"),
        ({"scale": 2, "thickness": 4.0}, "isotropic volume"),
        ({"scale": 2, "measured": (0.1, 0.1)}, "smaller than the stored"),
    ],
)
def test_refusals_say_what_to_do(scene, logic, tiny_model_folder, slices_folder, arguments, reason):
    volume = add_volume(smooth_pixels((5, 12, 10)), matrix_of("axial"))
    before = scene_content(scene)
    with pytest.raises(ValueError, match=reason):
        logic.process(volume, model=tiny_model_folder, slicesModel=slices_folder, **arguments)
    assert scene_content(scene) == before


def test_model_for_slices_is_no_model_for_pixels(scene, logic, slices_folder, volume):
    with pytest.raises(ValueError, match="stacks of slices"):
        logic.process(volume, scale=2, model=slices_folder)


@pytest.mark.parametrize("measured", ["auto", "stored", (1.6, 2.0)])
@pytest.mark.parametrize("direction", ["axial", "left-handed"])
def test_measured_pixels_are_those_of_the_library(scene, logic, tiny_model_folder, interpolated, direction, measured):
    matrix = matrix_of(direction)
    output = logic.process(add_volume(interpolated, matrix), scale=1.5, measured=measured, model=tiny_model_folder)
    model = load_model(tiny_model_folder, "cpu")
    assert_same(output, upsample(sitk_image(interpolated, matrix), 1.5, measured=measured, model=model))
    sizes = {"auto": inspect(sitk_image(interpolated, matrix)).measured[:2], "stored": (0.9, 1.1)}
    width, height = sizes.get(measured, (2.0, 1.6))
    said = [float(text) for text in output.GetAttribute("NExpR.MeasuredPixels").removesuffix(" mm").split(" x ")]
    assert said == pytest.approx([width, height], rel=0.02)
    assert (said[0] > 1.4) == (measured != "stored"), "half of the columns were measured"


@pytest.fixture
def thickSlices(widget, tiny_model_folder, slices_folder, monkeypatch):
    """The module with a thick axial volume, and a model for its slices in the package."""
    monkeypatch.setattr("NExpRSlicerLib.Models.slices_model_for", lambda card: str(slices_folder))
    widget._parameterNode.inputVolume = add_volume(smooth_pixels((5, 12, 10)), matrix_of("axial"), "Thick")
    widget._parameterNode.targetMode = TargetMode.ISOTROPIC
    wait(lambda: "17 slices" in widget.ui.sizeLabel.text)
    return widget


def test_panel_shows_what_an_isotropic_volume_takes(thickSlices):
    widget = thickSlices
    assert "10 x 15 pixels, 0.9 x 0.9 mm" in widget.ui.sizeLabel.text
    assert "of memory" in widget.ui.sizeLabel.text
    assert widget.ui.isotropicSpacingSpinBox.specialValueText == "0.9 mm (finest pixel)"
    assert widget.ui.thicknessSpinBox.specialValueText == "3 mm (slice spacing)"
    assert widget.ui.isotropicSpacingSpinBox.visible
    assert not widget.ui.dataConsistencyCheckBox.enabled
    widget._parameterNode.thickness = 25
    wait(lambda: "not foreseen" in widget.ui.warningLabel.text)
    assert not widget.ui.applyButton.enabled


def test_first_step_in_the_fields_of_an_isotropic_volume_leads_to_what_they_stand_for(thickSlices):
    fields = thickSlices.ui.isotropicSpacingSpinBox, thickSlices.ui.thicknessSpinBox
    assert [field.singleStep for field in fields] == pytest.approx([0.9, 3])
    thickSlices._parameterNode.isotropicSpacing, thickSlices._parameterNode.thickness = 0.9, 3
    wait(lambda: [field.singleStep for field in fields] == [0.05, 0.05])


def test_isotropic_volume_from_the_panel(thickSlices, scene, logic, tiny_model_folder, slices_folder):
    widget = thickSlices
    widget._parameterNode.thickness, widget._parameterNode.isotropicSpacing = 4, 0.8
    wait(lambda: "19 slices" in widget.ui.sizeLabel.text)
    widget.ui.applyButton.click()
    wait(lambda: widget.ui.applyButton.text == "Apply")
    output = slicer.util.getNode("Thick NExpR 0.8 mm")
    expected = logic.process(
        widget._parameterNode.inputVolume,
        isotropic=0.8,
        thickness=4,
        model=tiny_model_folder,
        slicesModel=slices_folder,
    )
    assert np.array_equal(slicer.util.arrayFromVolume(output), slicer.util.arrayFromVolume(expected))


def test_cancelling_an_isotropic_volume(thickSlices, scene):
    nodes = scene.GetNumberOfNodes()
    thickSlices.ui.applyButton.click()
    thickSlices.ui.applyButton.click()
    wait(lambda: thickSlices.ui.applyButton.text == "Apply")
    assert "Cancelled" in thickSlices.ui.statusLabel.text
    assert scene.GetNumberOfNodes() == nodes


def test_thickness_comes_from_the_dicom_database(thickSlices, monkeypatch):
    tags = {"0018,0050": "3.5", "0008,0008": "ORIGINAL\\PRIMARY"}
    database = SimpleNamespace(isOpen=True, instanceValue=lambda uid, tag: tags.get(tag, "") if uid == "1.2.3" else "")
    monkeypatch.setattr(slicer, "dicomDatabase", database, raising=False)
    thickSlices._parameterNode.inputVolume.SetAttribute("DICOM.instanceUIDs", "1.2.3 1.2.4")
    wait(lambda: thickSlices.ui.thicknessSpinBox.specialValueText == "3.5 mm (DICOM)")
    parameters = thickSlices._parameterNode
    volume, settings = parameters.inputVolume, settingsOf(parameters)
    assert settings.thicknessIn(settings.plan(geometryOf(volume))) == 3.5


def test_dicom_database_answers_once_it_is_open(scene, monkeypatch):
    """As ctkDICOMDatabase, which answers with empty texts before."""
    database = SimpleNamespace(isOpen=False, instanceValue=lambda uid, tag: "3.5" if database.isOpen else "")
    monkeypatch.setattr(slicer, "dicomDatabase", database, raising=False)
    volume = add_volume(smooth_pixels((5, 12, 10)), matrix_of("axial"))
    volume.SetAttribute("DICOM.instanceUIDs", "1.2.7")
    assert "SliceThickness" not in headerFacts(volume)
    database.isOpen = True
    assert headerFacts(volume)["SliceThickness"] == 3.5


def test_dicom_database_may_be_filled_after_the_volume_was_looked_at(scene, logic, volume, monkeypatch):
    tags = {}
    database = SimpleNamespace(isOpen=True, instanceValue=lambda uid, tag: tags.get((uid, tag), ""))
    monkeypatch.setattr(slicer, "dicomDatabase", database, raising=False)
    volume.SetAttribute("DICOM.instanceUIDs", "1.2.9 1.2.10")
    assert logic.volumeFacts(volume).thickness is None
    recognize(volume)
    tags["1.2.9", "0018,0050"] = "3.5"
    assert logic.volumeFacts(volume).thickness == 3.5
    recognize(volume)
    assert acquisitionOf(volume).thickness == 3.5


def test_thickness_of_the_header_does_not_matter_where_slices_are_not_refined():
    """Sagittal planes of an axial volume: what is refined lies in these planes."""
    geometry = Geometry((32, 32, 10), (0.5, 0.5, 4.0), (0.0, 0.0, 0.0), np.eye(3))
    settings = Settings(isotropic=True, plane="sagittal", measured="stored", headerThickness=4.0)
    plan = settings.plan(geometry)
    assert plan.through is None
    assert settings.thicknessIn(plan) is None
    with pytest.raises(ValueError, match="isotropic volume"):
        replace(settings, thickness=4.0).plan(geometry)


def test_panel_says_what_was_measured(widget, interpolated):
    volume = add_volume(interpolated, matrix_of("axial", origin=(0, 0, 0)), "Interpolated")
    assert not widget.ui.measuredLabel.visible
    widget._parameterNode.inputVolume = volume
    width, height, _across = inspect(sitk_image(interpolated, matrix_of("axial"))).measured
    text = f"Measured: {width:.3g} x {height:.3g} mm; shown 0.9 x 1.1 mm (interpolated by the scanner)"
    wait(lambda: widget.ui.measuredLabel.text == text)
    assert widget.ui.measuredLabel.visible
    widget._parameterNode.measuredMode = MeasuredMode.STORED
    wait(lambda: not widget.ui.measuredLabel.visible)
    widget._parameterNode.measuredMode, widget._parameterNode.measuredWidth = MeasuredMode.SIZE, 1.2
    wait(lambda: "Measured: 1.2 x 1.1 mm" in widget.ui.measuredLabel.text)
    assert "as chosen" in widget.ui.measuredLabel.text
    assert widget.ui.measuredWidthSpinBox.visible


def test_panel_says_where_the_header_differs_from_the_voxels(widget, interpolated, monkeypatch):
    """128 x 120 pixels of 0.9 x 1.1 mm, of which the voxels say that 64 x 80 were measured."""
    matrices = {"1.2.5": "80\\0\\0\\64", "1.2.6": "100\\0\\0\\64"}
    tags = {"0018,1312": "ROW", "0028,0010": "120", "0028,0011": "128"}
    database = SimpleNamespace(
        isOpen=True, instanceValue=lambda uid, tag: matrices[uid] if tag == "0018,1310" else tags.get(tag, "")
    )
    monkeypatch.setattr(slicer, "dicomDatabase", database, raising=False)
    said = "The header says 1.8 x 1.32 mm: if it is right, name that size in Advanced."
    for uid, ending in (("1.2.5", "by the scanner)"), ("1.2.6", f"by the scanner). {said}")):
        volume = add_volume(interpolated, matrix_of("axial", origin=(0, 0, 0)), uid)
        volume.SetAttribute("DICOM.instanceUIDs", uid)
        widget._parameterNode.inputVolume = volume
        wait(lambda volume=volume: acquisitionOf(volume) is not None)
        wait(lambda ending=ending: widget.ui.measuredLabel.text.endswith(ending))
    widget._parameterNode.measuredMode = MeasuredMode.STORED
    wait(lambda: not widget.ui.measuredLabel.visible)


def test_recognition_runs_in_the_worker(scene, interpolated):
    volume = add_volume(interpolated, matrix_of("axial"))
    tasks, told = [], []
    worker = SimpleNamespace(submit=lambda function, onDone: tasks.append((function, onDone)))
    recognition = Recognition(worker, lambda: told.append(True))
    recognition.request(volume)
    recognition.request(volume)
    assert len(tasks) == 1
    assert acquisitionOf(volume) is None
    ((function, onDone),) = tasks
    onDone(function(), None)
    assert told == [True]
    assert acquisitionOf(volume).measured == inspect(sitk_image(interpolated, matrix_of("axial"))).measured
    recognition.request(volume)
    assert len(tasks) == 1


@pytest.mark.parametrize("dataConsistency", [False, True])
def test_preview_on_the_measured_grid_equals_apply(stage, interpolated, dataConsistency):
    volume = add_volume(interpolated, matrix_of("axial", origin=(0, 0, 0)), "Interpolated")
    stage.showEverywhere(volume)
    stage.center(volume, 2)
    stage.parameters.inputVolume = volume
    stage.parameters.dataConsistency = dataConsistency
    for scale in (1.3, 2):
        stage.parameters.scale = scale
        shown = slicer.util.arrayFromVolume(stage.settle())[0]
        model = load_model(stage.parameters.modelPath, "cpu")
        image = sitk_image(interpolated, matrix_of("axial"))
        expected = sitk.GetArrayFromImage(upsample(image, scale, model=model, data_consistency=dataConsistency))[2]
        assert shown.shape == expected.shape
        assert np.abs(shown - expected).max() < 1e-5 * np.ptp(interpolated)


def test_live_zoom_on_the_measured_grid_is_the_preview_at_other_points(stage, interpolated):
    volume = add_volume(interpolated, matrix_of("axial", origin=(0, 0, 0)), "Interpolated")
    stage.showEverywhere(volume)
    stage.center(volume, 2)
    stage.parameters.inputVolume, stage.parameters.scale = volume, 1
    whole = slicer.util.arrayFromVolume(stage.settle())[0].copy()
    stage.parameters.liveZoom = True
    # One pixel of the view per pixel of the slice.
    stage.views["Red"][0].SetFieldOfView(300 * 0.9, 200 * 1.1, 1)
    zoomed = slicer.util.arrayFromVolume(stage.settle())[0]
    assert zoomed.shape[0] >= 119
    assert abs(zoomed.mean() - whole.mean()) < 0.02 * np.ptp(interpolated)


def test_inferred_detail_of_a_network_that_adds_nothing_is_small(stage, interpolated, skip_only_model_folder):
    volume = add_volume(interpolated, matrix_of("axial", origin=(0, 0, 0)), "Interpolated")
    stage.showEverywhere(volume)
    stage.center(volume, 2)
    stage.parameters.inputVolume, stage.parameters.modelPath = volume, skip_only_model_folder
    stage.parameters.inferredDetail = True
    detail = slicer.util.arrayFromVolume(stage.settle())[0]
    assert detail.shape == (240, 256)
    assert np.abs(detail).mean() < 0.02 * np.ptp(interpolated)


@pytest.mark.parametrize("kind", ["padding", "announced", "NaN", "map"])
def test_preview_and_apply_respect_what_values_mean(stage, logic, monkeypatch, kind):
    """Voxels without data are held out and put back; maps keep their range."""
    pixels = smooth_pixels((4, 30, 28)) if kind != "map" else smooth_pixels((4, 30, 28)).clip(450, 700)
    outside = np.hypot(*np.ogrid[-14.5:15, -13.5:14]) > 12
    pixels[:, outside] = {"padding": -4000, "announced": 3000, "NaN": np.nan, "map": 0}[kind]
    volume = add_volume(pixels, matrix_of("axial", origin=(0, 0, 0)), kind)
    image = sitk_image(pixels, matrix_of("axial", origin=(0, 0, 0)))
    if kind == "announced":
        tags = {"0028,0120": "4000", "0028,1052": "-1000", "0028,1053": "1"}
        database = SimpleNamespace(isOpen=True, instanceValue=lambda uid, tag: tags.get(tag, ""))
        monkeypatch.setattr(slicer, "dicomDatabase", database, raising=False)
        volume.SetAttribute("DICOM.instanceUIDs", "1.2.8")
        set_sidecar(image, {"PixelPaddingValue": 3000})
    stage.showEverywhere(volume)
    stage.center(volume, 2)
    stage.parameters.inputVolume = volume
    shown = slicer.util.arrayFromVolume(stage.settle())[0]
    output = logic.process(volume, scale=2, model=stage.parameters.modelPath)
    expected = sitk.GetArrayFromImage(upsample(image, 2, model=load_model(stage.parameters.modelPath, "cpu")))
    assert np.allclose(slicer.util.arrayFromVolume(output), expected, rtol=1e-5, equal_nan=True)
    assert np.allclose(shown, expected[2], rtol=1e-4, equal_nan=True)
    if kind == "map":
        assert shown.min() == 0
        assert shown.max() <= pixels.max()
    else:
        assert np.array_equal(shown[0, 0], pixels[0, 0, 0], equal_nan=True)
