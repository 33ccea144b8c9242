"""Thick slices restored by another program, such as ECLARE (Remedios et al. 2025), compared with NExpR.

The middle of a volume with cubic voxels, cut to whole slices, is averaged to slices of THICKNESS voxels without gaps.
``write`` saves them for the other program, which is then to return as many voxels as there were; ``compare`` measures
its result beside that of interpolation and NExpR, as ``nexpr evaluate`` does.

Run: ``python -m NExpRTraining.studies.other_program write VOLUME 4 STACK.nii.gz``, then the other program, then
``python -m NExpRTraining.studies.other_program compare VOLUME 4 RESULT.nii.gz --model mri-slices``
"""

import argparse
import sys
import time
from dataclasses import replace

import numpy as np
import SimpleITK as sitk

from NExpRLib.model import load_model
from NExpRLib.volumes.slice_profile import PROFILES

from ..evaluation.stacks import SimulatedStack, methods_through_plane, quality, read_truth
from ..files.volume_sources import find_volumes
from ..markdown import markdown_table, of_metric
from ..option_types import count


def read_whole_slices(path, thickness, profile, axis):
    """``(truth, stack)``, see :mod:`~NExpRTraining.evaluation.stacks`; the truth holds as many voxels as the slices."""
    (source,) = find_volumes(path)
    truth = read_truth(source, axis)
    count = len(truth.voxels) // thickness * thickness
    first = (len(truth.voxels) - count) // 2
    part = slice(first, first + count)
    truth = replace(truth, voxels=truth.voxels[part], inside=truth.inside[part])
    return truth, SimulatedStack.of(truth.voxels, thickness, 0, profile)


def read_result(path, shape):
    """Voxels of the other program's result.

    :raises ValueError: if they are not as many as those of the truth.
    """
    voxels = sitk.GetArrayFromImage(sitk.ReadImage(path))
    if voxels.shape != shape:
        raise ValueError(f"{path} has {voxels.shape} voxels instead of {shape}, slices first.")
    return voxels.astype(np.float32)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=["write", "compare"])
    parser.add_argument("volume", metavar="VOLUME")
    parser.add_argument("thickness", type=count, metavar="THICKNESS", help="of the slices, in voxels")
    parser.add_argument("file", metavar="FILE", help="written, or the result of the other program")
    parser.add_argument("--profile", choices=PROFILES, default="gaussian")
    parser.add_argument("--axis", type=int, default=2, help="image axis across the slices (default: 2)")
    parser.add_argument("--model", action="append", default=[])
    arguments = parser.parse_args()
    truth, stack = read_whole_slices(arguments.volume, arguments.thickness, arguments.profile, arguments.axis)
    if arguments.action == "write":
        image = sitk.GetImageFromArray(stack.slices)
        image.SetSpacing((1.0, 1.0, float(arguments.thickness)))
        sitk.WriteImage(image, arguments.file)
        return
    other = read_result(arguments.file, truth.voxels.shape)
    methods = methods_through_plane({name: load_model(name) for name in arguments.model})
    rows = []
    for name, method in {**methods, arguments.file: lambda _: other}.items():
        begin = time.perf_counter()
        result = method(stack)
        seconds = "-" if result is other else f"{time.perf_counter() - begin:.1f}"
        found = quality(result, truth, stack)
        rows.append([name, *(of_metric(metric, value) for metric, value in found.items()), seconds])
    print(markdown_table(["Method", *found, "Seconds"], rows))


if __name__ == "__main__":
    try:
        main()
    except (ValueError, RuntimeError) as error:
        sys.exit(f"other_program: error: {error}")
