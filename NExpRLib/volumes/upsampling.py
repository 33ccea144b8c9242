"""Upsampling of images in Python: SimpleITK image in, SimpleITK image out."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from ..model_card import check_of_stacks, model_for, read_card, slices_model_for
from .checks import check_no_effect
from .modality import modality_of
from .series import SeriesUpsampling, volumes_of
from .sidecar import sidecar_of

if TYPE_CHECKING:
    import SimpleITK as sitk

    from ..model import Model


def upsample(
    image: sitk.Image,
    scale: ArrayLike | None = None,
    *,
    spacing: ArrayLike | None = None,
    size: ArrayLike | None = None,
    like: sitk.Image | None = None,
    isotropic: bool | float | None = None,
    thickness: float | None = None,
    plane: str | int = "auto",
    grid: str = "fov",
    measured: str | ArrayLike = "auto",
    model: str | os.PathLike | Model = "auto",
    slices_model: str | os.PathLike | Model = "auto",
    noise_reduction: float = 0.0,
    data_consistency: bool = False,
    value_range: str = "auto",
    fill: float | None = None,
    device: str = "auto",
    progress: Callable[[float], None] | None = None,
) -> sitk.Image:
    """Super-resolve a volume in its acquisition plane, or along all axes, in bounded memory.

    Name the target by exactly one of ``scale``, ``spacing``, ``size``, ``like`` or ``isotropic``; see
    :func:`~.plan.plan_upsampling`.

    >>> import SimpleITK as sitk
    >>> image = sitk.GaussianSource(sitk.sitkInt16, [32, 32, 2], [8, 8, 8], [16, 16, 1])
    >>> upsample(image, 2, model="mri-fast", device="cpu").GetSize()
    (64, 64, 2)

    :param image: scalar image, 2D or 3D, of any integer or floating-point type; of a 4D image (time, direction, echo),
        each volume in turn.
    :param scale: factor, or (rows, columns) factors.
    :param spacing: in-plane spacing in mm, or (rows, columns).
    :param size: (rows, columns) of an output slice.
    :param like: image whose in-plane grid is taken over, of a 4D image that of its volumes. Its samples outside the
        input's field of view are set to ``fill``.
    :param isotropic: refine the slice axis, too: ``True`` for cubes of the shorter side of the measured pixels, or
        their side in mm.
    :param thickness: of the slices in mm, for ``isotropic``; by default that of the header, else slices are taken to
        touch each other.
    :param plane: ``auto`` (the acquisition plane), ``axial``, ``sagittal``, ``coronal``, or the through-plane axis 0-2.
    :param grid: ``fov`` (field of view preserved), or ``kspace`` (first sample stays in place, and slices continue
        periodically, as those do that were made from measured k-space).
    :param measured: size of the pixels that were measured, where the scanner stored smaller ones: ``auto`` (recognized
        from the voxels, for models trained on k-space; others take images as stored), ``stored``, or mm, or (rows,
        columns) in mm. The network sees the measured pixels.
    :param model: name of a model in the package, path of a model's folder, or a loaded :class:`NExpRLib.model.Model`
        (which keeps its own device); ``auto`` takes ``ct`` where the header says so, or more than 2 % of the voxels are
        near -1000, else ``mri``.
    :param slices_model: likewise for stacks of slices, for ``isotropic``; ``auto`` takes that of the modality of
        ``model``.
    :param noise_reduction: how much of the noise is removed, from 0 to 1. Its level is measured in the volume.
    :param data_consistency: replace the measured band of k-space of each slice by that of the input.
    :param value_range: of the result: ``keep`` that of the input, ``free``, or ``auto``: ``keep`` for maps, which are
        known by the header, by fractions from 0 to 1, or by being 0 outside and nowhere else near it.
    :param fill: value outside the input, with ``like``; by default the lowest value, or 0 where values are signed about
        0.
    :param device: ``auto``, ``cuda``, ``cuda:1``, ``mps`` or ``cpu``.
    :param progress: called as ``progress(fraction)`` after every batch of slices; it may raise to cancel.
    :return: image of the input's pixel type; integers are rounded and saturated.
    :raises ValueError: for an image or a target that cannot be upsampled, with what to do instead.
    """
    check_no_effect(fill, like is not None, slices_model != "auto", isotropic)
    if slices_model != "auto":
        check_of_stacks(_card_of(slices_model))
    if model == "auto":
        model = model_for(modality_of(volumes_of(image)[0].pixels, sidecar_of(image)))
    upsampling = SeriesUpsampling(
        image,
        _card_of(model),
        scale=scale,
        spacing=spacing,
        size=size,
        like=like,
        isotropic=isotropic,
        thickness=thickness,
        plane=plane,
        grid=grid,
        measured=measured,
        noise_reduction=noise_reduction,
        data_consistency=data_consistency,
        value_range=value_range,
        fill=fill,
    )
    of_pixels = _loaded(model, device)
    if upsampling.plan.through is None:
        return upsampling.run(of_pixels, progress)
    name = slices_model_for(of_pixels.card) if slices_model == "auto" else slices_model
    return upsampling.run(of_pixels, progress, slices_model=_loaded(name, str(of_pixels.device)))


def _card_of(model: str | os.PathLike | Model) -> dict[str, Any]:
    return read_card(model) if isinstance(model, str | os.PathLike) else model.card


def _loaded(model: str | os.PathLike | Model, device: str) -> Model:
    if not isinstance(model, str | os.PathLike):
        return model
    from ..model import load_model

    return load_model(model, device)
