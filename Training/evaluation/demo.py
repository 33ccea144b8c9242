"""``nexpr demo``: restore a real brain MRI that nilearn carries, and measure how close each method comes."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from NExpRLib.model import load_model
from NExpRLib.model_card import check_of_pixels, read_card
from NExpRLib.volumes.upsampling import upsample

from ..data.brain_template import template_slices
from ..files.volume_files import atomic_output, make_folder, write_volume
from ..progress import counted, shown_progress
from .figure import comparison_figure
from .metrics import METRICS, evaluate_slice, measure, normalized_slices
from .restorers import classical_methods


def run_demo(folder, scale, model, device):
    """Restore the template by every method, and write volumes and a figure.

    :param folder: made if it is missing.
    :param scale: above 1 and at most 8.
    :param model: name or folder of a model.
    :return: ``{method: {metric: mean over the slices}}``.
    :raises ValueError: for another scale, and if the model or the folder cannot be used.
    """
    if not 1 < scale <= 8:
        raise ValueError(f"The scale of the demo must be above 1 and at most 8, not {scale}.")
    check_of_pixels(read_card(model))
    folder = Path(folder)
    make_folder(folder, f"The output folder {folder}")

    print("Reading the MNI152 T1 brain template (1 mm) that comes with nilearn.")
    template = template_slices()
    model = load_model(model, device)
    truth_slices = normalized_slices(sitk.GetArrayFromImage(template))
    truth = sitk.GetImageFromArray(truth_slices)
    truth.CopyInformation(template)

    print(f"Measuring {len(truth_slices)} axial slices as a scanner would at 1/{scale:g} of the resolution.")
    methods = classical_methods("kspace")
    low, restored, values = [], {name: [] for name in methods}, {}
    for image in counted(truth_slices, "Classical methods", "slice"):
        low_slice, results = evaluate_slice(image, scale, "kspace", methods)
        low.append(low_slice)
        for name, (result, measured) in results.items():
            restored[name].append(result)
            values.setdefault(name, []).append(measured)
    low_volume = kspace_volume(np.stack(low), truth)

    with shown_progress("NExpR") as progress:
        result = upsample(low_volume, size=truth_slices.shape[1:], grid="kspace", model=model, progress=progress)
    restored["NExpR"] = list(sitk.GetArrayFromImage(result))
    values["NExpR"] = [measure(*slices, "kspace") for slices in zip(restored["NExpR"], truth_slices, low)]

    files = {"input": low_volume, "nexpr": result, "truth": truth}
    for name, volume in files.items():
        write_volume(volume, folder / f"{name}.nii.gz")
    middle = len(low) // 2
    shown = {name: slices[middle] for name, slices in restored.items() if name != "Bicubic"}
    with atomic_output(folder / "figure.png") as temporary:
        comparison_figure(low[middle], shown, truth_slices[middle], f"{scale:g}x").savefig(temporary, dpi=130)
    return {
        name: {metric: np.mean([v[metric] for v in measured]) for metric in METRICS}
        for name, measured in values.items()
    }


def kspace_volume(slices, truth):
    """Low-resolution slices as a volume: the first sample stays in place, the field of view is kept."""
    image = sitk.GetImageFromArray(slices)
    image.SetDirection(truth.GetDirection())
    image.SetOrigin(truth.GetOrigin())
    in_plane = [s * n / m for s, n, m in zip(truth.GetSpacing(), truth.GetSize(), image.GetSize())]
    image.SetSpacing((*in_plane[:2], truth.GetSpacing()[2]))
    return image
