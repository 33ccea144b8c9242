"""From volumes to normalized slices with a subject each: the input of training."""

import csv
import re
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from tqdm import tqdm

from NExpRLib.intensity import robust_range
from NExpRLib.kspace import kspace_crop


def read_manifest(path):
    """Subject and effective resolution (x, y) of every file named in a MANIFEST.tsv."""
    facts = {}
    with open(path, newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            subject = re.search(r"subject=([^;]+)", row["notes"]).group(1)
            shares = re.search(r"effective resolution x (\d+)%, y (\d+)%", row["notes"])
            resolution = tuple(int(s) / 100 for s in shares.groups()) if shares else (1.0, 1.0)
            facts[Path(row["file"]).name] = (subject, resolution)
    return facts


def prepare(files, manifest, output, min_content=0.1):
    """Write the slices of ``files`` as float16 in [0, 1] to an ``.npz``: ``slice_i``, ``subjects``, ``sources``."""
    slices, subjects, sources = [], [], []
    for path in tqdm(files, desc="Preparing", unit="volume"):
        subject, (share_x, share_y) = manifest[path.name]
        volume = sitk.GetArrayFromImage(sitk.ReadImage(str(path))).astype(np.float32)
        rows, columns = volume.shape[1:]
        size = 2 * round(rows * share_y / 2), 2 * round(columns * share_x / 2)
        if size != (rows, columns) and (share_x, share_y) != (1.0, 1.0):
            volume = kspace_crop(volume, size)
        low, high = robust_range(volume)
        volume = np.clip((volume - low) / (high - low), 0, 1)
        for image in volume:
            if (image > 0.1).mean() >= min_content:
                slices.append(image.astype(np.float16))
                subjects.append(subject)
                sources.append(path.name)
    arrays = {f"slice_{i:05d}": image for i, image in enumerate(slices)}
    np.savez(output, subjects=np.array(subjects), sources=np.array(sources), **arrays)
    print(f"{len(slices)} slices of {len(set(subjects))} subjects in {output}")


if __name__ == "__main__":
    import sys

    folder, pattern, output = sys.argv[1:]
    prepare(sorted(Path(folder).glob(pattern)), read_manifest(Path(folder).parent / "MANIFEST.tsv"), output)
