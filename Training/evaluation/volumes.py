"""Restoring the degraded slices of whole volumes by several methods: what ``nexpr evaluate`` measures."""

from dataclasses import dataclass, field

import numpy as np
from tqdm import tqdm

from NExpRLib.volumes.modality import modality_of
from NExpRLib.volumes.sidecar import sidecar_of

from ..data.slices import slices_in_plane
from ..files.file_table import fact_of_volume
from ..files.notes import notes_of
from ..files.volume_files import read_volume
from ..models.card import ALL_SLICES
from ..progress import counted
from .body import body_mask
from .metrics import INSIDE, METRICS, evaluate_slice, normalized_slices


@dataclass
class Evaluation:
    """
    :ivar results: means over the slices of every volume and over all, as a model card holds them, see
        :mod:`~NExpRTraining.models.card`.
    :ivar empty_slices: number of slices that hold one value only: every method restores them, so they are left out.
    :ivar without_resolution: volumes that the table of effective resolutions lacks.
    :ivar notes: what is to be known of how volumes were read.
    :ivar failures: why other volumes could not be used.
    """

    results: list = field(default_factory=list)
    empty_slices: int = 0
    without_resolution: list = field(default_factory=list)
    notes: list = field(default_factory=list)
    failures: list = field(default_factory=list)


def evaluate_volumes(sources, methods, degradation, scales, plane="auto", window=None, shares=None):
    """Measure methods on the slices of volumes.

    :param sources: list of :class:`~.files.volume_sources.VolumeSource`.
    :param methods: ``{name: Restorer}``.
    :param plane: of the slices, see :func:`NExpRLib.volumes.geometry.slice_axis`.
    :param window: intensities that become 0 and 1; the robust range of each volume, if left out.
    :param shares: facts of a table of effective resolutions, by file; without one, what was measured is recognized
        from the voxels where k-space is cropped.
    :return: :class:`Evaluation`.
    :raises ValueError: if no volume could be used.
    """
    found, measured = Evaluation(), {}
    on_kspace = degradation == "kspace"
    with tqdm(sources, desc="Volumes", unit="volume", disable=None) as bar:
        for source in bar:
            try:
                share = fact_of_volume(source, shares or {})
                if shares and not share:
                    found.without_resolution.append(source.name)
                image = read_volume(source)
                pixels, modality = _slices(image, plane, share or (None if on_kspace and not shares else (1.0, 1.0)))
                slices = normalized_slices(pixels, window)
            except (ValueError, MemoryError) as error:
                found.failures.append(source.failure(error))
                continue
            found.notes += [f"{source}: {note}" for note in notes_of(image)]
            bodies = [body_mask(one) if modality == "CT" else None for one in pixels]
            with_contrast = [(truth, body) for truth, body in zip(slices, bodies) if truth.min() < truth.max()]
            found.empty_slices += len(slices) - len(with_contrast)
            if not with_contrast:
                found.failures.append(f"{source}: every slice holds one value only, there is nothing to compare.")
            for truth, body in counted(with_contrast, source.name, "slice"):
                for scale in scales:
                    for name, (_, values) in evaluate_slice(truth, scale, degradation, methods, body)[1].items():
                        measured.setdefault(source, {}).setdefault((name, scale), []).append(values)
    if not measured:
        raise ValueError(" ".join(found.failures))
    everywhere = all(any(INSIDE in v for v in values) for group in measured.values() for values in group.values())
    metrics = (*METRICS, INSIDE) if everywhere else METRICS
    volumes = [(source.name, [of_volume]) for source, of_volume in measured.items()]
    for volume, group in [*volumes, (ALL_SLICES, list(measured.values()))]:
        for name in methods:
            for scale in scales:
                of_slices = [values for of_volume in group for values in of_volume[name, scale]]
                means = {key: np.mean([v[key] for v in of_slices if key in v]).item() for key in metrics}
                found.results.append({"volume": volume, "method": name, "scale": scale, **means})
    return found


def _slices(image, plane, share):
    """Slices (n, H, W) of a volume that can be evaluated, of what was measured, and its modality.

    The window of SSIM has to fit.
    """
    pixels = slices_in_plane(image, plane, share)
    if min(pixels.shape[-2:]) < 11:
        raise ValueError(f"slices of {pixels.shape[-2]} x {pixels.shape[-1]} pixels are too small to compare.")
    return pixels, modality_of(pixels, sidecar_of(image))
