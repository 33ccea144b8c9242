"""Slices for trying a comparison without data of one's own, made from the brain template that nilearn carries.

Every "patient" is the same brain in other slices and another contrast: nothing can be learned about quality.
"""

import numpy as np
import SimpleITK as sitk

from ..data.brain_template import template_slices
from ..data.prepared import PreparedVolume, write_slices
from ..evaluation.metrics import normalized_slices

SUBJECTS = {"training": ("A", "B", "C"), "test": ("D", "E", "F")}
SIZE = (176, 144)


def make_slices(path, contrast, part):
    """Write an ``.npz`` like that of ``nexpr prepare``.

    :param contrast: ``T1``, or ``T2`` where bright and dark tissue change places.
    :param part: ``training`` (subjects A, B, and C for validation) or ``test`` (D, E, F).
    """
    slices = normalized_slices(sitk.GetArrayFromImage(template_slices()))
    top, left = ((n - size) // 2 for n, size in zip(slices.shape[1:], SIZE))
    slices = slices[:, top : top + SIZE[0], left : left + SIZE[1]]
    if contrast == "T2":
        slices = np.where(slices > 0.1, 1.1 - slices, slices)
    subjects = [*SUBJECTS["training"], *SUBJECTS["test"]]
    volumes = []
    for i, subject in enumerate(subjects):
        if subject in SUBJECTS[part]:
            images = [image.astype(np.float16) for image in slices[i :: len(subjects)] ** (0.8 + 0.1 * i)]
            volumes.append(PreparedVolume(f"{contrast}-{subject}", subject, images, len(images), (0.0, 1.0)))
    write_slices(path, volumes, ["C"] if part == "training" else [], [])
