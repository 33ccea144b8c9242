"""What the panel says and allows, decided without Qt."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass

import numpy as np
from slicer.i18n import tr as _

from NExpRLib.memory import memory_needed, readable_bytes
from NExpRLib.model_card import exceeds_training, reduces_noise
from NExpRLib.volumes.acquisition import Acquisition
from NExpRLib.volumes.box import Box
from NExpRLib.volumes.geometry import Geometry, slice_axis
from NExpRLib.volumes.plan import Plan, pixels_between_slices, plane_axes

from .Models import ModelCache, cardOf, cardOfSlices, recognizes, slicesSettings
from .Output import isResult
from .Parameters import (
    MODEL_FROM_FOLDER,
    MeasuredMode,
    NExpRSlicerParameterNode,
    Settings,
    TargetMode,
    settingsFromParameterNode,
)
from .RegionPlan import RegionPlan, planned
from .RunTime import runTime


@dataclass(frozen=True)
class VolumeFacts:
    """What the panel needs to know of the input.

    :ivar problem: why it cannot be super-resolved; empty if it can.
    :ivar geometry: None if there is a problem.
    :ivar voxelType: None if there is a problem.
    :ivar frames: number of volumes of its sequence, or 1.
    :ivar modality: DICOM's code, empty if nothing tells.
    :ivar thickness: of its slices in mm, None if no header tells.
    :ivar acquisition: what the scanner measured, None if it is not recognized (yet).
    :ivar box: voxels to super-resolve, None for all.
    :ivar regionProblem: why there are none; empty if there are.
    """

    problem: str = ""
    geometry: Geometry | None = None
    voxelType: np.dtype | None = None
    frames: int = 1
    modality: str = ""
    thickness: float | None = None
    acquisition: Acquisition | None = None
    box: Box | None = None
    regionProblem: str = ""


@dataclass(frozen=True)
class PanelState:
    """
    :ivar problem: why Apply is disabled; empty if it is enabled.
    :ivar measuredText: what the scanner measured, where that is not what is stored, or the header says otherwise.
    :ivar finestPixel, thickness: in mm, what these fields stand for before the user writes anything.
    :ivar isotropicText, thicknessText: what stands in them then.
    :ivar sizeText: size, spacing and memory of the result.
    :ivar warning: what the user should know before running.
    :ivar canReduceNoise: whether the model can.
    """

    problem: str = ""
    sizeText: str = ""
    warning: str = ""
    measuredText: str = ""
    finestPixel: float = 0.05
    thickness: float = 0.05
    isotropicText: str = ""
    thicknessText: str = ""
    canReduceNoise: bool = False


def panelState(
    parameterNode: NExpRSlicerParameterNode,
    volume: VolumeFacts,
    freeMemory: int | None,
    models: ModelCache | None = None,
) -> PanelState:
    """
    :param volume: the input.
    :param freeMemory: bytes, or None if unknown.
    :param models: know how long slices take.
    """
    if volume.problem:
        nothingSelected = parameterNode.inputVolume is None
        return PanelState(problem=volume.problem, warning="" if nothingSelected else volume.problem)
    try:
        settings = settingsFromParameterNode(parameterNode, volume.geometry, volume.modality, volume.thickness)
    except ValueError as error:
        return PanelState(problem=str(error), warning=str(error))
    problem, card, acquisition = "", None, volume.acquisition
    try:
        card = cardOf(settings)
        acquisition = acquisition if recognizes(settings) else None
        if settings.isotropic:
            slicesSettings(settings)
        if settings.noiseReduction and settings.dataConsistency:
            problem = _("Measured frequencies hold the noise: keep either these, or a noise reduction of 0.")
    except ValueError as error:
        problem = str(error)
    texts = {"canReduceNoise": card is not None and reduces_noise(card)}
    try:
        sizes = settings.measuredSizes(volume.geometry, acquisition)
        texts |= _measuredTexts(volume, sizes, settings, acquisition)
        if volume.regionProblem:
            raise ValueError(volume.regionProblem)
        regionPlan = planned(settings, volume.geometry, acquisition, volume.box)
    except ValueError as error:
        return PanelState(problem=str(error), warning=str(error), **texts)
    plan = regionPlan.result
    seconds = runTime(models, settings, regionPlan) if models and not problem else None
    sizeText, memory = _sizeText(regionPlan, volume, seconds)
    problem = _targetProblem(parameterNode, plan, settings) or problem
    warnings = [problem] if problem else []
    shares = (sizes[axis] / volume.geometry.size[axis] for axis in plan.plane_axes)
    if card is not None and exceeds_training(card, max(n / m for n, m in zip(plan.scale, shares))):
        warnings.append(
            _(
                "The model was trained for up to {trained} times the measured pixels: beyond, the image only gets "
                "smoother."
            ).format(trained=f"{card['scales'][1]:g}")
        )
    if plan.through is not None and not problem:
        slicesCard = cardOfSlices(settings)
        if exceeds_training(slicesCard, pixels_between_slices(volume.geometry, plan.slice_axis, sizes)):
            warnings.append(
                _(
                    "The slices are more than {trained} pixels apart, for which the model was not trained: what is "
                    "drawn between them is a guess."
                ).format(trained=f"{slicesCard['scales'][1]:g}")
            )
    output = parameterNode.outputVolume
    if not problem and output is not None and output.GetImageData() is not None and not isResult(output):
        warnings.append(_("{name} will be overwritten: it is selected as output.").format(name=output.GetName()))
    trained = card.get("modality") if card is not None else None
    if trained and volume.modality and volume.modality != trained:
        warnings.append(
            _("The volume is {modality}, the model was trained on {trained}.").format(
                modality=volume.modality, trained=trained
            )
        )
    # Apply is not disabled by it: nothing tells when memory becomes free, and Apply looks again.
    if freeMemory is not None and memory > freeMemory:
        warnings.append(
            _(
                "The run takes about {needed} of memory, but only {free} is free: choose a smaller scale, or crop the "
                "volume."
            ).format(needed=readable_bytes(memory), free=readable_bytes(freeMemory))
        )
    return PanelState(problem, sizeText, " ".join(warnings), **texts)


def visibleWidgets(parameterNode: NExpRSlicerParameterNode) -> dict[str, bool]:
    """Names of widgets that only make sense for some choices, and whether they are shown."""
    fromFolder = parameterNode.model == MODEL_FROM_FOLDER
    byScale = parameterNode.targetMode == TargetMode.SCALE
    bySpacing = parameterNode.targetMode == TargetMode.SPACING
    isotropic = parameterNode.targetMode == TargetMode.ISOTROPIC
    bySize = parameterNode.measuredMode == MeasuredMode.SIZE
    return {
        "modelPathLabel": fromFolder,
        "modelPathLineEdit": fromFolder,
        "scaleLabel": byScale,
        "scaleSliderWidget": byScale,
        "spacingLabel": bySpacing,
        "spacingSpinBox": bySpacing,
        "isotropicSpacingLabel": isotropic,
        "isotropicSpacingSpinBox": isotropic,
        "thicknessLabel": isotropic,
        "thicknessSpinBox": isotropic,
        "measuredWidthLabel": bySize,
        "measuredWidthSpinBox": bySize,
        "measuredHeightLabel": bySize,
        "measuredHeightSpinBox": bySize,
    }


def deviceText(device: str) -> str:
    """A line for users whose slices are encoded on the CPU; empty otherwise, or before PyTorch is loaded."""
    torch = sys.modules.get("torch")
    hasGPU = torch is not None and (torch.cuda.is_available() or torch.backends.mps.is_available())
    if device == "cpu" or (device == "auto" and torch is not None and not hasGPU):
        return _("Slices are encoded on the CPU, which is much slower than a GPU.")
    return ""


def progressText(fraction: float, remainingSeconds: float | None) -> str:
    """Text beside the progress bar."""
    if fraction == 0:
        return _("Starting...")
    text = _("{percent} % done").format(percent=math.floor(100 * fraction))
    if remainingSeconds is None:
        return text
    return text + ", " + _("about {time} left").format(time=_timeText(remainingSeconds))


def _timeText(seconds: float) -> str:
    if seconds >= 90:
        return _("{minutes} min").format(minutes=round(seconds / 60))
    return _("{seconds} s").format(seconds=max(1, round(seconds)))


def _targetProblem(parameterNode: NExpRSlicerParameterNode, plan: Plan, settings: Settings) -> str:
    if parameterNode.outputVolume is not None and parameterNode.outputVolume is parameterNode.inputVolume:
        return _("The output volume is the input volume: select another one, or none for a new volume.")
    asItIs = plan.through is None and not settings.noiseReduction
    if asItIs and all(abs(scale - 1) < 1e-9 for scale in plan.scale):
        return _("The result would have the pixels of the input: choose a finer target.")
    return ""


def _measuredTexts(
    volume: VolumeFacts, sizes: tuple[int, ...], settings: Settings, acquisition: Acquisition | None
) -> dict[str, str | float]:
    """What is said of the measured pixels, and the defaults that follow from them.

    :param sizes: measured pixels along each axis.
    :param acquisition: what was recognized, None where it does not matter.
    """
    geometry = volume.geometry
    across = slice_axis(geometry, settings.plane)
    rows, columns = plane_axes(geometry, across)
    measured = [mm * stored / count for mm, stored, count in zip(geometry.spacing, geometry.size, sizes)]
    finest, thickness = min(measured[rows], measured[columns]), volume.thickness or geometry.spacing[across]
    thicknessText = _("{size} mm (DICOM)") if volume.thickness else _("{size} mm (slice spacing)")
    texts = {
        "finestPixel": finest,
        "thickness": thickness,
        "isotropicText": _("{size} mm (finest pixel)").format(size=f"{finest:.3g}"),
        "thicknessText": thicknessText.format(size=f"{thickness:.3g}"),
    }
    sentences = []
    if sizes != geometry.size:
        text = _("Measured: {x:.3g} x {y:.3g} mm; shown {storedX:.3g} x {storedY:.3g} mm").format(
            x=measured[columns], y=measured[rows], storedX=geometry.spacing[columns], storedY=geometry.spacing[rows]
        )
        reason = _("interpolated by the scanner") if settings.measured == "auto" else _("as chosen in Advanced")
        sentences.append(f"{text} ({reason})")
    if acquisition is not None and settings.measured == "auto":
        inPlane = acquisition.axes[columns], acquisition.axes[rows]
        if any(axis.header_differs for axis in inPlane):
            text = _("The header says {x:.3g} x {y:.3g} mm: if it is right, name that size in Advanced.")
            sentences.append(text.format(x=inPlane[0].told, y=inPlane[1].told))
    texts["measuredText"] = ". ".join(sentences)
    return texts


def _sizeText(regionPlan: RegionPlan, volume: VolumeFacts, seconds: float | None) -> tuple[str, int]:
    memory = memory_needed(regionPlan.run, volume.voxelType, volume.frames)
    plan, inputSize = regionPlan.result, volume.box.size if volume.box else volume.geometry.size
    rows, columns = plan.plane_axes
    count = plan.geometry.size[plan.slice_axis]
    costs = _("{memory} of memory").format(memory=readable_bytes(memory))
    if seconds is not None:
        costs += ", " + _("about {time}").format(time=_timeText(seconds * volume.frames))
    size, spacing = plan.geometry.size, plan.geometry.spacing
    text = _(
        "{slices} of {width} x {height} pixels, {x:.3g} x {y:.3g} mm, {costs} "
        "(input: {inputWidth} x {inputHeight}, {inputX:.3g} x {inputY:.3g} mm)"
    ).format(
        slices=_("1 slice") if count == 1 else _("{count} slices").format(count=count),
        width=size[columns],
        height=size[rows],
        x=spacing[columns],
        y=spacing[rows],
        costs=costs,
        inputWidth=inputSize[columns],
        inputHeight=inputSize[rows],
        inputX=volume.geometry.spacing[columns],
        inputY=volume.geometry.spacing[rows],
    )
    if volume.frames > 1:
        text = _("{frames} frames: {text}").format(frames=volume.frames, text=text)
    return text, memory
