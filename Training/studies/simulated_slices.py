"""Thick slices simulated from isotropic volumes, restored through the slices, and compared with the truth.

``3|0`` are slices of 3 voxels without a gap. Quality is measured inside the head or body: the largest region above a
tenth of the intensity range, or of CT, above -500 HU and 5 voxels from its border. With a mask of lesions, a second
table says how much of their contrast is kept.

Run: ``python -m NExpRTraining.studies.simulated_slices VOLUME [VOLUME ...] --model mri-slices [--lesions MASK]``
"""

import argparse
import sys
import time

import numpy as np
import SimpleITK as sitk
import torch
from scipy import ndimage
from torchmetrics.functional.image import structural_similarity_index_measure

from NExpRLib.intensity import robust_range
from NExpRLib.model import load_model
from NExpRLib.volumes.slice_profile import make_consistent, slice_operator
from NExpRLib.volumes.through_plane import spline_through_plane, through_plane

from ..files.volume_files import read_volume
from ..files.volume_sources import find_volumes
from ..markdown import markdown_table

SIZES = ((1, 30), (30, 150), (150, np.inf))


def read_normalized(path, axis):
    """Voxels (n, h, w) with ``axis`` of the image (0 is x) first, from 0 to 1, and the mask inside which to measure."""
    (source,) = find_volumes(path)
    voxels = np.moveaxis(sitk.GetArrayFromImage(read_volume(source)).astype(np.float32), 2 - axis, 0)
    low, high = robust_range(voxels)
    volume = (voxels - low) / (high - low)
    is_ct = low < -500
    mask = voxels > -500 if is_ct else ndimage.gaussian_filter(volume, 1.5) > 0.1
    labels, count = ndimage.label(mask)
    mask = labels == 1 + np.argmax(ndimage.sum(mask, labels, np.arange(1, count + 1)))
    mask = np.stack([ndimage.binary_fill_holes(image) for image in mask])
    if is_ct:
        mask = ndimage.binary_erosion(mask, np.ones((1, 3, 3)), iterations=5)
    return source.name, np.clip(volume, 0, 1), mask


def simulate(volume, thickness, gap, profile):
    """Slices of a volume, the positions of its voxels in slices, and what is known of the slices."""
    spacing = thickness + gap
    count = int(len(volume) / spacing)
    first = (len(volume) - 1 - (count - 1) * spacing) / 2
    positions = (np.arange(len(volume)) - first) / spacing
    slices = {"pixel": 1 / spacing, "thickness": thickness / spacing, "profile": profile}
    operator = operator_of(slices, positions, count)
    return np.tensordot(operator, volume, 1).astype(np.float32), positions, slices


def operator_of(slices, positions, count):
    return slice_operator(positions, np.arange(count), slices["thickness"], slices["profile"])


def linear_through_plane(stack, positions):
    """The same by linear interpolation."""
    inside = np.clip(positions, 0, len(stack) - 1)
    before = np.minimum(inside.astype(int), len(stack) - 2)
    share = (inside - before)[:, None, None].astype(np.float32)
    return (1 - share) * stack[before] + share * stack[before + 1]


def restored(stack, positions, slices, models, wrong):
    """``{method: (volume, seconds)}``: with the thickness as it is, and a fifth too large and too small."""
    results = {"Linear": lambda: linear_through_plane(stack, positions)}
    results["Cubic B-spline"] = lambda: spline_through_plane(stack, positions)
    told = {"": slices}
    if wrong:
        told |= {f", {f:g} T": slices | {"thickness": f * slices["thickness"]} for f in (0.8, 1.2)}
    for suffix, known in told.items():
        operator = operator_of(known, positions, len(stack))
        results[f"B-spline, consistent{suffix}"] = lambda a=operator: make_consistent(
            spline_through_plane(stack, positions), stack, a
        )
        for name, model in models.items():
            results[f"{name}{suffix}"] = lambda k=known, m=model: through_plane(stack, positions, m, **k)
    for name, method in results.items():
        begin = time.perf_counter()
        yield name, method(), time.perf_counter() - begin


def quality(result, truth, mask):
    """PSNR in dB, and SSIM of the planes of slice axis and rows, inside the mask, of a result clipped to [0, 1]."""
    result = np.clip(result, 0, 1)
    psnr = -10 * np.log10(np.mean((result - truth)[mask] ** 2, dtype=np.float64))
    planes = [torch.from_numpy(np.ascontiguousarray(np.moveaxis(v, 2, 0)[:, None])) for v in (result, truth)]
    similarity = [
        structural_similarity_index_measure(*pair, data_range=1.0, return_full_image=True)[1][:, 0].numpy()
        for pair in zip(*(p.split(16) for p in planes))
    ]
    return psnr, np.concatenate(similarity)[np.moveaxis(mask, 2, 0)].mean()


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
        source, truth, mask = read_normalized(path, arguments.axis)
        lesions = None
        if arguments.lesions:
            lesions = np.moveaxis(sitk.GetArrayFromImage(sitk.ReadImage(arguments.lesions)), 2 - arguments.axis, 0) > 0
        for slices_of, profile in ((s, p) for s in arguments.slices for p in arguments.profiles):
            thickness, gap = (float(number) for number in slices_of.split("|"))
            named = f"{thickness:g} + {gap:g}"  # Tables have bars of their own.
            stack, positions, slices = simulate(truth, thickness, gap, profile)
            operator = operator_of(slices, positions, len(stack))
            spline, panels = None, {}
            for method, result, seconds in restored(stack, positions, slices, models, arguments.wrong_thickness):
                psnr, ssim = quality(result, truth, mask)
                panels[method] = np.clip(result[:, :, truth.shape[2] // 2], 0, 1)
                spline = psnr if method == "Cubic B-spline" else spline
                error = np.mean((np.tensordot(operator, result, 1) - stack) ** 2, dtype=np.float64)
                over = "-" if spline is None else f"{psnr - spline:+.2f}"
                measured = [f"{psnr:.2f}", over, f"{ssim:.4f}", f"{-10 * np.log10(max(error, 1e-16)):.1f}"]
                rows.append([source, named, profile, method, *measured, f"{seconds:.0f}"])
                print(*rows[-1], flush=True)
                if lesions is not None:
                    cells = kept_contrast(result, truth, lesions)
                    of_lesions.append([source, named, profile, method, *cells])
            if arguments.figure and len(rows) == len(panels):
                thick = stack[np.clip(np.round(positions), 0, len(stack) - 1).astype(int), :, truth.shape[2] // 2]
                names = ["Cubic B-spline", "B-spline, consistent", *models]
                chosen = {"Thick slices": thick} | {name: panels[name] for name in names}
                figure(chosen | {"Truth": truth[:, :, truth.shape[2] // 2]}).savefig(arguments.figure, dpi=80)
    header = ["Volume", "Slices", "Profile", "Method", "PSNR", "Over B-spline", "SSIM", "Consistency", "Seconds"]
    print("\n" + markdown_table(header, rows))
    if of_lesions:
        sizes = ["Lesions up to 29 voxels", "30 to 149", "150 and more"]
        print("\n" + markdown_table(["Volume", "Slices", "Profile", "Method", *sizes], of_lesions))


if __name__ == "__main__":
    try:
        main()
    except ValueError as error:
        sys.exit(f"simulated_slices: error: {error}")
