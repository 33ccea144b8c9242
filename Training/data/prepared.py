"""Prepared data: normalized slices with a subject each in one ``.npz``, the input of training and of comparisons."""

import zipfile
from dataclasses import dataclass

import numpy as np

from ..files.volume_files import atomic_output


@dataclass(frozen=True)
class PreparedVolume:
    """Slices of one volume in one window.

    :ivar source: name that no other volume has.
    :ivar slices: float16 (H, W) in [0, 1].
    :ivar total: number of slices before those without content were left out.
    :ivar intensity_range: what became 0 and 1.
    """

    source: str
    subject: str
    slices: list
    total: int
    intensity_range: tuple


def write_slices(path, volumes, validation, windows):
    """Write ``slice_00000...``, ``subjects`` and ``sources`` per slice, ``validation`` subjects and the ``windows``.

    Whatever the windows of its training, a model sees the robust range of each volume when it is used: to networks that
    are not equivariant, pixels far outside a fixed window would be unlike anything that they were trained on.

    :param volumes: list of :class:`PreparedVolume`.
    """
    slices = [image for volume in volumes for image in volume.slices]
    with atomic_output(path) as temporary:
        np.savez(
            temporary,
            subjects=np.array([volume.subject for volume in volumes for _ in volume.slices]),
            sources=np.array([volume.source for volume in volumes for _ in volume.slices]),
            validation=np.array(validation, dtype=str),
            windows=np.array(windows).reshape(-1, 2),
            **{f"slice_{i:05d}": image for i, image in enumerate(slices)},
        )


def read_slices(path):
    """All slices of a prepared ``.npz``.

    :return: ``(volumes, facts)``: ``{(subject, volume): [float16 (H, W), ...]}``, and what a model card says of the
        data: intensity ``windows`` (none: robust ranges) and ``validation_subjects``.
    :raises ValueError: if the file is no prepared data.
    """
    volumes = {}
    try:
        with np.load(path, allow_pickle=False) as file:
            facts = {
                "windows": file["windows"].tolist(),
                "validation_subjects": [str(subject) for subject in file["validation"]],
            }
            for i, key in enumerate(zip(file["subjects"], file["sources"])):
                volumes.setdefault(tuple(map(str, key)), []).append(file[f"slice_{i:05d}"])
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is no data written by nexpr prepare ({error}).") from error
    return volumes, facts


def load_slices(path, validation_subjects=None):
    """Slices of a prepared ``.npz``, split by subject.

    :param validation_subjects: instead of those that were chosen when the file was prepared.
    :return: ``(training, validation, facts)``: volumes and facts as of :func:`read_slices`.
    :raises ValueError: if the file is no prepared data, does not hold these subjects, or either part is empty.
    """
    volumes, facts = read_slices(path)
    if validation_subjects is not None:
        facts["validation_subjects"] = [str(subject) for subject in validation_subjects]
        present = {subject for subject, _ in volumes}
        if unknown := set(facts["validation_subjects"]) - present:
            raise ValueError(
                f"{path} holds no subject {', '.join(sorted(unknown))}: choose from {', '.join(sorted(present))}."
            )
    validation = {key: images for key, images in volumes.items() if key[0] in facts["validation_subjects"]}
    training = {key: images for key, images in volumes.items() if key not in validation}
    if not training or not validation:
        raise ValueError(
            f"{path} leaves no subject for {'validation' if training else 'training'}: name others as validation "
            "subjects, or prepare volumes of at least two."
        )
    return training, validation, facts
