"""``nexpr demo``: restore a real brain MRI that nilearn carries; nothing is downloaded."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk
from tqdm import tqdm

from NExpRLib.model import load_model
from NExpRLib.model_card import read_card
from NExpRLib.volumes.upsampling import upsample

from ..evaluation.markdown import markdown_table
from ..evaluation.metrics import METRICS, evaluate_slice, normalized_slices
from ..evaluation.restorers import classical_methods
from ..files.volume_files import atomic_output, write_volume

SLICE_SPACING = 5  # mm, as a 2D acquisition would have


def add_arguments(parser):
    parser.add_argument("--scale", type=float, default=2.5, help="above 1 and at most 8 (default: 2.5)")
    parser.add_argument("--output", default="nexpr-demo", metavar="FOLDER", help="default: nexpr-demo")
    parser.add_argument("--model", default="mri", help="name or folder of a model (default: mri)")
    parser.add_argument("--device", default="auto", help="auto, cuda, mps or cpu")


def run(arguments):
    if not 1 < arguments.scale <= 8:
        raise ValueError(f"The scale of the demo must be above 1 and at most 8, not {arguments.scale}.")
    read_card(arguments.model)
    folder = Path(arguments.output)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"The output folder {folder} cannot be made: {error.strerror}.") from error

    print("Reading the MNI152 T1 brain template (1 mm) that comes with nilearn.")
    template = template_slices()
    model = load_model(arguments.model, arguments.device)
    truth_slices = normalized_slices(sitk.GetArrayFromImage(template))
    truth = sitk.GetImageFromArray(truth_slices)
    truth.CopyInformation(template)

    print(f"Measuring {len(truth_slices)} axial slices as a scanner would at 1/{arguments.scale:g} of the resolution.")
    methods = classical_methods("kspace")
    low, restored, values = [], {name: [] for name in methods}, {}
    for image in tqdm(truth_slices, desc="Classical methods", unit="slice", disable=None):
        low_slice, results = evaluate_slice(image, arguments.scale, "kspace", methods)
        low.append(low_slice)
        for name, (result, measured) in results.items():
            restored[name].append(result)
            values.setdefault(name, []).append(measured)
    low_volume = kspace_volume(np.stack(low), truth)

    with tqdm(total=len(low), desc="NExpR", unit="slice", disable=None) as bar:
        result = upsample(
            low_volume,
            size=truth_slices.shape[1:],
            grid="kspace",
            model=model,
            progress=lambda fraction: bar.update(round(fraction * len(low)) - bar.n),
        )
    restored["NExpR"] = list(sitk.GetArrayFromImage(result))
    given = iter(restored["NExpR"])
    values["NExpR"] = [
        evaluate_slice(image, arguments.scale, "kspace", {"NExpR": lambda low, shape: next(given)})[1]["NExpR"][1]
        for image in truth_slices
    ]

    files = {"input": low_volume, "nexpr": result, "truth": truth}
    for name, volume in files.items():
        write_volume(volume, folder / f"{name}.nii.gz")
    save_figure(folder / "figure.png", low, restored, truth_slices, arguments.scale)

    rows = [
        [name, *(f"{np.mean([v[metric] for v in measured]):.{4 if metric == 'SSIM' else 2}f}" for metric in METRICS)]
        for name, measured in values.items()
    ]
    print(f"\nMean over the slices at {arguments.scale:g}x (PSNR and consistency in dB)\n")
    print(markdown_table(["Method", *METRICS], rows))
    print(f"\nVolumes and figure: {folder.resolve()}")
    print("Open input.nii.gz and nexpr.nii.gz in 3D Slicer to compare them; figure.png shows one slice.")


def template_slices():
    """Axial slices of the template every 5 mm, as a volume with its true geometry."""
    from nilearn.datasets import load_mni152_template

    template = load_mni152_template(resolution=1)
    first, last = 30, 140  # where the brain is
    slices = np.asarray(template.dataobj, dtype=np.float32)[:, :, first:last:SLICE_SPACING]
    image = sitk.GetImageFromArray(np.ascontiguousarray(slices.transpose(2, 1, 0)))
    # nilearn gives positions in right-anterior-superior axes, SimpleITK uses left-posterior-superior ones.
    image.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
    origin = template.affine @ (0, 0, first, 1)
    image.SetOrigin((-origin[0], -origin[1], origin[2]))
    image.SetSpacing((1, 1, SLICE_SPACING))
    return image


def kspace_volume(slices, truth):
    """Low-resolution slices as a volume: the first sample stays in place, the field of view is kept."""
    image = sitk.GetImageFromArray(slices)
    image.SetDirection(truth.GetDirection())
    image.SetOrigin(truth.GetOrigin())
    in_plane = [s * n / m for s, n, m in zip(truth.GetSpacing(), truth.GetSize(), image.GetSize())]
    image.SetSpacing((*in_plane[:2], truth.GetSpacing()[2]))
    return image


def save_figure(path, low, restored, truth, scale):
    """Slice, enlarged part, and error map of every method, with what NExpR inferred beyond the measured band."""
    from ..evaluation.figure import comparison_figure

    middle = len(low) // 2
    images = {name: slices[middle] for name, slices in restored.items() if name != "Bicubic"}
    with atomic_output(path) as temporary:
        comparison_figure(low[middle], images, truth[middle], f"{scale:g}x").savefig(temporary, dpi=130)
