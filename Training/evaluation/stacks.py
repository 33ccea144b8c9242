"""Thick slices simulated from a volume and restored by several methods: how models for stacks of slices are evaluated.

Quality is measured inside the head or body: the largest region above a tenth of the intensity range, or in CT above
-500 HU and 5 pixels from its outline.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy import ndimage
from torchmetrics.functional.image import structural_similarity_index_measure

from NExpRLib.intensity import robust_range
from NExpRLib.volumes.checks import check_values
from NExpRLib.volumes.geometry import slice_axis
from NExpRLib.volumes.modality import modality_of
from NExpRLib.volumes.sidecar import sidecar_of
from NExpRLib.volumes.slice_profile import make_consistent, slice_operator
from NExpRLib.volumes.through_plane import spline_through_plane, through_plane
from NExpRLib.volumes.volume import Volume

from ..files.notes import notes_of
from ..files.volume_files import read_volume
from ..progress import counted
from .body import body_mask, largest_region
from .metrics import INSIDE, psnr
from .volumes import Evaluation

# Of the slices that a model is evaluated on. CT is reconstructed: nobody excites its slices.
PROFILES = {"MR": ("gaussian", "slr"), "CT": ("gaussian", "box")}


@dataclass(frozen=True)
class Truth:
    """A volume to be averaged to thick slices.

    :ivar voxels: float32 array (n, h, w) from 0 to 1, the slice axis first.
    :ivar inside: bool array of the same shape, where quality is measured.
    :ivar modality: ``MR`` or ``CT``.
    :ivar notes: what is to be known of how it was read.
    """

    name: str
    voxels: np.ndarray
    inside: np.ndarray
    modality: str
    notes: tuple = ()


@dataclass(frozen=True)
class SimulatedStack:
    """Thick slices (n, h, w) of a truth.

    :ivar positions: of the truth's voxels, in slices.
    :ivar pixel: side of a voxel of the truth, as a share of the distance between slices.
    :ivar thickness: of a slice, as a share of the same.
    """

    slices: np.ndarray
    positions: np.ndarray
    pixel: float
    thickness: float
    profile: str

    @classmethod
    def of(cls, voxels, thickness, gap, profile):
        """:param thickness, gap: in voxels."""
        spacing = thickness + gap
        count = int(len(voxels) / spacing)
        if count < 2:
            raise ValueError(f"{len(voxels)} voxels along the slice axis make less than two slices of {spacing:g}.")
        first = (len(voxels) - 1 - (count - 1) * spacing) / 2
        positions = (np.arange(len(voxels)) - first) / spacing
        operator = slice_operator(positions, np.arange(count), thickness / spacing, profile)
        return cls(_averaged(voxels, operator), positions, 1 / spacing, thickness / spacing, profile)

    @property
    def operator(self):
        """Matrix (n, m) from voxels at the positions to slices."""
        return slice_operator(self.positions, np.arange(len(self.slices)), self.thickness, self.profile)

    def told(self, factor):
        """The same slices, said to be ``factor`` times as thick as they are."""
        return replace(self, thickness=factor * self.thickness)


def read_truth(source, plane="auto"):
    """The volume of a :class:`~.files.volume_sources.VolumeSource` as :class:`Truth`.

    :param plane: of the slices, see :func:`NExpRLib.volumes.geometry.slice_axis`.
    """
    image = read_volume(source)
    volume = Volume.from_image(image)
    across = slice_axis(volume.geometry, plane)
    if across is None:
        raise ValueError(f"{source} is one slice: there is nothing to average to thicker ones.")
    check_values(volume.pixels)
    voxels = np.array(volume.slices(across), dtype=np.float32)
    modality = "CT" if modality_of(voxels, sidecar_of(image)) == "CT" else "MR"
    low, high = robust_range(voxels)
    normalized = (voxels - low) / (high - low)
    inside = np.stack([body_mask(one) for one in voxels]) if modality == "CT" else _head_or_limb(normalized)
    if not inside.any():
        raise ValueError(f"{source} shows no head or body to measure quality in.")
    return Truth(source.name, np.clip(normalized, 0, 1), inside, modality, tuple(notes_of(image)))


def _head_or_limb(normalized):
    largest = largest_region(ndimage.gaussian_filter(normalized, 1.5) > 0.1)
    return np.stack([ndimage.binary_fill_holes(one) for one in largest])


def methods_through_plane(models):
    """``{method: function(stack)}``, the truth's voxels (m, h, w) as each method draws them.

    :param models: ``{name: NExpRLib.model.Model}``, for stacks of slices; they are made consistent.
    """

    def consistent_spline(stack):
        return make_consistent(spline_through_plane(stack.slices, stack.positions), stack.slices, stack.operator)

    def drawn_by(model):
        return lambda stack: through_plane(
            stack.slices,
            stack.positions,
            model,
            pixel=stack.pixel,
            thickness=stack.thickness,
            profile=stack.profile,
        )

    return {
        "Linear": linear_through_plane,
        "Cubic B-spline": lambda stack: spline_through_plane(stack.slices, stack.positions),
        "B-spline, consistent": consistent_spline,
        **{name: drawn_by(model) for name, model in models.items()},
    }


def linear_through_plane(stack):
    """Linear interpolation between slices."""
    inside = np.clip(stack.positions, 0, len(stack.slices) - 1)
    before = np.minimum(inside.astype(int), len(stack.slices) - 2)
    share = (inside - before)[:, None, None].astype(np.float32)
    return (1 - share) * stack.slices[before] + share * stack.slices[before + 1]


def quality(result, truth, stack):
    """Metrics of voxels (m, h, w): ``{metric: value}``.

    PSNR in dB and SSIM, in the planes of slice axis and rows, inside the head or body, of the result clipped to [0, 1];
    consistency as the PSNR of the result's slices against those of the stack.

    :param truth: :class:`Truth`.
    """
    clipped = np.clip(result, 0, 1)
    planes = [torch.from_numpy(np.ascontiguousarray(np.moveaxis(v, 2, 0)[:, None])) for v in (clipped, truth.voxels)]
    similarity = [
        structural_similarity_index_measure(*pair, data_range=1.0, return_full_image=True)[1][:, 0].numpy()
        for pair in zip(*(p.split(16) for p in planes))
    ]
    return {
        INSIDE: psnr(clipped[truth.inside], truth.voxels[truth.inside]),
        "SSIM inside the body": float(np.concatenate(similarity)[np.moveaxis(truth.inside, 2, 0)].mean()),
        "Consistency": psnr(_averaged(result, stack.operator), stack.slices),
    }


def evaluate_stacks(sources, models, spacings, plane="auto"):
    """Measure methods on volumes averaged to slices as thick as they are apart.

    :param sources: list of :class:`~.files.volume_sources.VolumeSource`.
    :param models: see :func:`methods_through_plane`.
    :param spacings: from one slice to the next, in voxels of the volume.
    :return: :class:`~.volumes.Evaluation`; the scales of its results are the spacings.
    :raises ValueError: if no volume could be used.
    """
    found = Evaluation()
    methods = methods_through_plane(models)
    for source in sources:
        try:
            truth = read_truth(source, plane)
            profiles = PROFILES[truth.modality]
            stacks = {(p, s): SimulatedStack.of(truth.voxels, s, 0, p) for p in profiles for s in spacings}
        except (ValueError, MemoryError) as error:
            found.failures.append(source.failure(error))
            continue
        found.notes += [f"{source}: {note}" for note in truth.notes]
        cases = [(profile, name, spacing) for profile in profiles for name in methods for spacing in spacings]
        for profile, name, spacing in counted(cases, truth.name, "stack"):
            stack = stacks[profile, spacing]
            row = {"volume": f"{truth.name}, {profile}", "method": name, "scale": spacing}
            found.results.append(row | quality(methods[name](stack), truth, stack))
    if not found.results:
        raise ValueError(" ".join(found.failures))
    return found


def _averaged(voxels, operator):
    return np.tensordot(operator, voxels, 1).astype(np.float32)
