"""What the panel says and allows, decided without Qt."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass

import numpy as np
from slicer.i18n import tr as _

from NExpRLib.memory import memory_needed, readable_bytes
from NExpRLib.volumes.geometry import Geometry
from NExpRLib.volumes.plan import Plan

from .Models import ModelCache, cardOf
from .Output import isResult
from .Parameters import MODEL_FROM_FOLDER, NExpRSlicerParameterNode, TargetMode, settingsFromParameterNode


@dataclass(frozen=True)
class VolumeFacts:
    """What the panel needs to know of the input.

    :ivar problem: why it cannot be super-resolved; empty if it can.
    :ivar geometry: None if there is a problem.
    :ivar voxelType: None if there is a problem.
    :ivar frames: number of volumes of its sequence, or 1.
    :ivar modality: DICOM's code, empty if nothing tells.
    """

    problem: str = ""
    geometry: Geometry | None = None
    voxelType: np.dtype | None = None
    frames: int = 1
    modality: str = ""


@dataclass(frozen=True)
class PanelState:
    """
    :ivar problem: why Apply is disabled; empty if it is enabled.
    :ivar sizeText: size, spacing and memory of the result.
    :ivar warning: what the user should know before running.
    """

    problem: str = ""
    sizeText: str = ""
    warning: str = ""


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
        settings = settingsFromParameterNode(parameterNode, volume.geometry, volume.modality)
        plan = settings.plan(volume.geometry)
    except ValueError as error:
        return PanelState(problem=str(error), warning=str(error))
    sizeText, memory = _sizeText(plan, volume, models.secondsPerPixel(settings) if models else None)
    problem, card = _targetProblem(parameterNode, plan), None
    try:
        card = cardOf(settings)
    except ValueError as error:
        problem = problem or str(error)
    warnings = [problem] if problem else []
    if card is not None and max(plan.scale) > card["scales"][1] + 0.01:
        warnings.append(
            _("The model was trained for scales up to {trained}: beyond, the image only gets smoother.").format(
                trained=f"{card['scales'][1]:g}"
            )
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
    return PanelState(problem, sizeText, " ".join(warnings))


def visibleWidgets(parameterNode: NExpRSlicerParameterNode) -> dict[str, bool]:
    """Names of widgets that only make sense for some choices, and whether they are shown."""
    fromFolder = parameterNode.model == MODEL_FROM_FOLDER
    byScale = parameterNode.targetMode == TargetMode.SCALE
    bySpacing = parameterNode.targetMode == TargetMode.SPACING
    return {
        "modelPathLabel": fromFolder,
        "modelPathLineEdit": fromFolder,
        "scaleLabel": byScale,
        "scaleSliderWidget": byScale,
        "spacingLabel": bySpacing,
        "spacingSpinBox": bySpacing,
    }


def deviceText(device: str) -> str:
    """A line for users whose slices are encoded on the CPU; empty otherwise, or before PyTorch is loaded."""
    torch = sys.modules.get("torch")
    hasGPU = torch is not None and (torch.cuda.is_available() or torch.backends.mps.is_available())
    if device == "cpu" or (device == "auto" and torch is not None and not hasGPU):
        return _("Slices are encoded on the CPU, which is much slower than a GPU.")
    return ""


def progressText(done: int, total: int, remainingSeconds: float | None) -> str:
    """Text beside the progress bar."""
    if done == 0:
        return _("Starting...")
    text = _("Slice {done} of {total}").format(done=done, total=total)
    if remainingSeconds is None:
        return text
    return text + ", " + _("about {time} left").format(time=_timeText(remainingSeconds))


def _timeText(seconds: float) -> str:
    if seconds >= 90:
        return _("{minutes} min").format(minutes=round(seconds / 60))
    return _("{seconds} s").format(seconds=max(1, round(seconds)))


def _targetProblem(parameterNode: NExpRSlicerParameterNode, plan: Plan) -> str:
    if parameterNode.outputVolume is not None and parameterNode.outputVolume is parameterNode.inputVolume:
        return _("The output volume is the input volume: select another one, or none for a new volume.")
    if all(abs(scale - 1) < 1e-9 for scale in plan.scale):
        return _("The result would have the pixels of the input: choose a finer target.")
    return ""


def _sizeText(plan: Plan, volume: VolumeFacts, secondsPerPixel: float | None) -> tuple[str, int]:
    memory = memory_needed(plan, volume.voxelType, volume.frames)
    rows, columns = plan.plane_axes
    count = plan.geometry.size[plan.slice_axis]
    costs = _("{memory} of memory").format(memory=readable_bytes(memory))
    if secondsPerPixel is not None:
        seconds = secondsPerPixel * math.prod(volume.geometry.size) * volume.frames
        costs += ", " + _("about {time}").format(time=_timeText(seconds))
    size, spacing = plan.geometry.size, plan.geometry.spacing
    text = _(
        "{slices} of {width} x {height} pixels, {x:.3g} x {y:.3g} mm, {costs} "
        "(input: {inputWidth} x {inputHeight} pixels, {inputX:.3g} x {inputY:.3g} mm)"
    ).format(
        slices=_("1 slice") if count == 1 else _("{count} slices").format(count=count),
        width=size[columns],
        height=size[rows],
        x=spacing[columns],
        y=spacing[rows],
        costs=costs,
        inputWidth=volume.geometry.size[columns],
        inputHeight=volume.geometry.size[rows],
        inputX=volume.geometry.spacing[columns],
        inputY=volume.geometry.spacing[rows],
    )
    if volume.frames > 1:
        text = _("{frames} frames: {text}").format(frames=volume.frames, text=text)
    return text, memory
