"""Thick slices simulated from isotropic volumes, restored through the slices, and compared with the truth.

``3|0`` are slices of 3 voxels without a gap. ``nexpr evaluate`` measures models by the same code; this study adds gaps,
wrong thicknesses, and with a mask of lesions, a second table that says how much of their contrast is kept.

Run: ``python -m NExpRTraining.studies.simulated_slices VOLUME [VOLUME ...] --model mri-slices [--lesions MASK]``
"""

import argparse
import sys
import time

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from NExpRLib.model import load_model

from ..evaluation.metrics import INSIDE
from ..evaluation.stacks import SimulatedStack, methods_through_plane, quality, read_truth
from ..files.volume_sources import find_volumes
from ..markdown import markdown_table

SIZES = ((1, 30), (30, 150), (150, np.inf))


def restored(stack, models, wrong):
    """``(method, voxels, seconds)``: with the thickness as it is, and a fifth too large and too small."""
    for suffix, factor in {"": 1.0, ", 0.8 T": 0.8, ", 1.2 T": 1.2}.items():
        for name, method in methods_through_plane(models).items():
            if factor == 1 or wrong and name not in ("Linear", "Cubic B-spline"):
                begin = time.perf_counter()
                yield name + suffix, method(stack.told(factor)), time.perf_counter() - begin


def lesion_contrasts(volume, lesions):
    """Of each lesion: its number of voxels, and how far it stands out from a ring about it."""
    labels, count = ndimage.label(lesions, np.ones((3, 3, 3)))
    found = []
    for label, box in enumerate(ndimage.find_objects(labels), start=1):
        box = tuple(slice(max(0, b.start - 4), b.stop + 4) for b in box)
        lesion = labels[box] == label
        ring = ndimage.binary_dilation(lesion, iterations=3) & ~ndimage.binary_dilation(lesions[box], iterations=1)
        if ring.any():
            found.append((lesion.sum(), volume[box][lesion].mean() - volume[box][ring].mean()))
    return np.array(found)


def kept_contrast(result, truth, lesions):
    """Cells of a table: per size of lesion, the median share of contrast that is kept, and how many keep half."""
    (sizes, true), (_, kept) = lesion_contrasts(truth, lesions).T, lesion_contrasts(result, lesions).T
    cells = []
    for smallest, largest in SIZES:
        chosen = (sizes >= smallest) & (sizes < largest) & (true > 0.03)
        shares = kept[chosen] / true[chosen]
        cells.append(f"{np.median(shares):.2f}, {(shares >= 0.5).sum()} of {len(shares)}" if len(shares) else "-")
    return cells


def figure(panels):
    """Planes of slice axis, to the right, and rows: ``{title: (n, h)}``, with details below."""
    from matplotlib.figure import Figure

    shown = Figure(figsize=(2.4 * len(panels), 7.4), layout="constrained")
    axes = shown.subplots(2, len(panels))
    for column, (title, plane) in enumerate(panels.items()):
        height, width = plane.shape
        detail = plane[int(0.35 * height) : int(0.65 * height), int(0.35 * width) : int(0.65 * width)]
        for axis, part in zip(axes[:, column], (plane, detail)):
            axis.imshow(part.T, cmap="gray", vmin=0, vmax=1)
            axis.axis("off")
        axes[0, column].set_title(title)
    return shown


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("volumes", nargs="+", metavar="VOLUME")
    parser.add_argument("--model", action="append", default=[])
    parser.add_argument(
        "--slices", nargs="+", default=["3|0", "4|0", "3.5|1.5"], metavar="THICKNESS|GAP", help="in voxels"
    )
    parser.add_argument("--profiles", nargs="+", default=["gaussian", "slr"])
    parser.add_argument("--axis", type=int, default=2, help="image axis across the slices (default: 2)")
    parser.add_argument(
        "--wrong-thickness", action="store_true", help="also with a thickness 20 %% too large and small"
    )
    parser.add_argument("--lesions", metavar="MASK")
    parser.add_argument("--figure", metavar="PNG", help="of the first volume and slices, without other thicknesses")
    arguments = parser.parse_args()
    models = {name: load_model(name) for name in arguments.model}
    rows, of_lesions = [], []
    for path in arguments.volumes:
        (source,) = find_volumes(path)
        truth = read_truth(source, arguments.axis)
        lesions = None
        if arguments.lesions:
            lesions = np.moveaxis(sitk.GetArrayFromImage(sitk.ReadImage(arguments.lesions)), 2 - arguments.axis, 0) > 0
        for slices_of, profile in ((s, p) for s in arguments.slices for p in arguments.profiles):
            thickness, gap = (float(number) for number in slices_of.split("|"))
            case = [truth.name, f"{thickness:g} + {gap:g}", profile]  # Tables have bars of their own.
            stack = SimulatedStack.of(truth.voxels, thickness, gap, profile)
            found, panels = {}, {}
            for method, result, seconds in restored(stack, models, arguments.wrong_thickness):
                found[method] = quality(result, truth, stack)
                psnr, ssim, consistency = found[method].values()
                panels[method] = np.clip(result[:, :, result.shape[2] // 2], 0, 1)
                spline = found.get("Cubic B-spline")
                over = f"{psnr - spline[INSIDE]:+.2f}" if spline else "-"
                measured = [f"{psnr:.2f}", over, f"{ssim:.4f}", f"{consistency:.1f}", f"{seconds:.0f}"]
                rows.append([*case, method, *measured])
                print(*rows[-1], flush=True)
                if lesions is not None:
                    of_lesions.append([*case, method, *kept_contrast(result, truth.voxels, lesions)])
            if arguments.figure and len(rows) == len(panels):
                middle = truth.voxels.shape[2] // 2
                nearest = np.clip(np.round(stack.positions), 0, len(stack.slices) - 1).astype(int)
                names = ["Cubic B-spline", "B-spline, consistent", *models]
                chosen = {"Thick slices": stack.slices[nearest, :, middle]} | {name: panels[name] for name in names}
                figure(chosen | {"Truth": truth.voxels[:, :, middle]}).savefig(arguments.figure, dpi=80)
    header = ["Volume", "Slices", "Profile", "Method", "PSNR", "Over B-spline", "SSIM", "Consistency", "Seconds"]
    print("\n" + markdown_table(header, rows))
    if of_lesions:
        sizes = ["Lesions up to 29 voxels", "30 to 149", "150 and more"]
        print("\n" + markdown_table(["Volume", "Slices", "Profile", "Method", *sizes], of_lesions))


if __name__ == "__main__":
    try:
        main()
    except (ValueError, RuntimeError) as error:
        sys.exit(f"simulated_slices: error: {error}")
