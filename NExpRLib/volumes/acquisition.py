"""The acquisition of an image: what a scanner measured along each axis, recognized from the voxels and the header."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from .geometry import Geometry, slice_axis
from .meaning import Meaning
from .measured_band import Edge, Spectrum, measured_edge, spectra
from .measured_grid import MeasuredGrid, continues_periodically
from .noise import middle_of, noise_of_slices
from .padding import filled, mask_of, padding_value
from .plan import plane_axes
from .sidecar import sidecar_of
from .volume import Volume, middle_slices

if TYPE_CHECKING:
    import SimpleITK as sitk

# Fewer slices than these have no spectrum across.
_FEWEST_SLICES = 48
_FEWEST_PIXELS = 16  # along rows and columns


@dataclass(frozen=True)
class MeasuredAxis:
    """What was measured along one image axis.

    :ivar size: stored pixels.
    :ivar stored: their size in mm.
    :ivar edge: of the measured band; none recognized is an edge at the Nyquist frequency.
    :ivar header: share of the Nyquist frequency that the header tells of, or ``None``.
    :ivar spectrum: that the edge was found in, or ``None`` where none was looked for.
    """

    size: int
    stored: float
    edge: Edge = Edge()
    header: float | None = None
    spectrum: Spectrum | None = field(default=None, repr=False, compare=False)

    @property
    def measured_size(self) -> int:
        """Pixels that were measured."""
        return min(self.size, max(1, round(self.size * self.edge.share)))

    @property
    def measured(self) -> float:
        """Size of a measured pixel in mm."""
        return self.stored * self.size / self.measured_size

    @property
    def interpolated(self) -> bool:
        return self.measured_size < self.size

    @property
    def told(self) -> float:
        """Size of a measured pixel in mm as the header says; where it says nothing, as the voxels do."""
        return self.stored / (self.header or self.edge.share)

    @property
    def header_differs(self) -> bool:
        """Whether the header says otherwise than the voxels."""
        return self.spectrum is not None and self.header is not None and abs(self.header - self.edge.share) > 0.05


@dataclass(frozen=True)
class Acquisition:
    """What was measured.

    :ivar axes: per image axis, in SimpleITK's order.
    :ivar slice_axis: axis across the acquisition plane; ``None`` for a 2D image.
    :ivar noise: standard deviation of the noise in a measured pixel, in the intensities of the image.
    :ivar signal: mean intensity of what is not background; 0 for values that are no magnitudes, such as those of CT.
    :ivar cropped: standard deviation of what the image holds beyond the measured band of rows and columns.
    :ivar thickness: of slices in mm, or ``None`` where no header tells.
    :ivar periodic: whether rows and columns continue periodically.
    :ivar evidence: a sentence on what each statement rests on.
    """

    axes: tuple[MeasuredAxis, ...]
    slice_axis: int | None
    noise: float
    signal: float
    cropped: float = 0.0
    thickness: float | None = None
    periodic: tuple[bool, bool] = (False, False)
    evidence: tuple[str, ...] = ()

    @property
    def stored(self) -> tuple[float, ...]:
        """Size of a stored pixel in mm per axis."""
        return tuple(axis.stored for axis in self.axes)

    @property
    def measured(self) -> tuple[float, ...]:
        """Size of a measured pixel in mm per axis."""
        return tuple(axis.measured for axis in self.axes)

    @property
    def measured_size(self) -> tuple[int, ...]:
        """Measured pixels per axis."""
        return tuple(axis.measured_size for axis in self.axes)

    @property
    def snr(self) -> float | None:
        """Signal over noise; ``None`` for CT, whose values are no magnitudes, and where there is no noise."""
        return self.signal / self.noise if self.noise > 0 and self.signal > 0 else None

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for the user: what is lost by cropping, and where the header says otherwise than the voxels."""
        notes = []
        if self.noise > 0 and any(axis.interpolated for axis in self._in_plane):
            share = self.cropped / self.noise
            keep = "" if share <= 1 else ": it may be signal, which as stored would be kept"
            notes.append(f"What lies beyond the measured band and is left out is {share:.2g} times the noise{keep}.")
        if any(axis.header_differs for axis in self._in_plane):
            told = _millimeters([axis.told for axis in self._in_plane])
            found = _millimeters([axis.measured for axis in self._in_plane])
            notes.append(
                f"The header says that pixels of {told} were measured, the voxels say {found}, which is used: "
                "name their size if the header is right."
            )
        return tuple(notes)

    @property
    def _in_plane(self) -> list[MeasuredAxis]:
        """Rows and columns, in the order in which the user names their sizes."""
        return [axis for i, axis in reversed(list(enumerate(self.axes))) if i != self.slice_axis]

    def __str__(self) -> str:
        in_plane = self._in_plane
        stored = _millimeters([axis.stored for axis in in_plane])
        if not any(axis.interpolated for axis in in_plane):
            return f"Measured as stored: {stored}; no interpolation recognized"
        measured = _millimeters([axis.measured for axis in in_plane])
        return f"Measured: {measured}; stored {stored}, interpolated by the scanner"


def _millimeters(sizes: list[float]) -> str:
    texts = [f"{size:.3g}" for size in sizes]
    text = " x ".join(texts) + " mm"
    return text if len(set(texts)) == 1 else f"{text} (rows x columns)"


def inspect(image: sitk.Image) -> Acquisition:
    """Recognize what was measured along each axis of an image.

    The voxels decide on the measured band; what the header says beside is reported. An unsure case is taken as stored.

    >>> import SimpleITK as sitk
    >>> inspect(sitk.GaussianSource(sitk.sitkFloat32, [64, 64], [9, 9], [32, 32])).measured
    (1.0, 1.0)

    :param image: scalar SimpleITK image, 2D or 3D.
    :raises ValueError: for an image that holds no intensities.
    """
    volume = Volume.from_image(image)
    facts = sidecar_of(image)
    Meaning(volume, facts)  # refuses what is no intensities
    return inspect_volume(volume, facts)


def inspect_volume(volume: Volume, header: dict | None = None) -> Acquisition:
    """As :func:`inspect`; CT, and images with signed values, are taken as stored.

    Voxels without data are held out, as in a run.

    >>> rng = np.random.default_rng(0)
    >>> grid = Geometry((64, 64, 1), (1.0,) * 3, (0.0,) * 3, np.eye(3))
    >>> inspect_volume(Volume(rng.normal(100, 10, (1, 64, 64)), grid)).measured_size
    (64, 64, 1)

    It is what was measured in the acquisition plane, whichever plane is refined: thick slices are too few along their
    axis for a spectrum, and planes through them hold few lines of each slice.

    :param header: facts of the DICOM header under their BIDS names.
    """
    header = header or {}
    geometry = volume.geometry
    across = slice_axis(geometry)
    rows, columns = plane_axes(geometry, across)
    padding = padding_value(volume.pixels, header.get("PixelPaddingValue"))
    slices, missing = _with_data(volume, across, padding)
    finite = bool(np.isfinite(slices).all())
    large = min(slices.shape[1:]) >= _FEWEST_PIXELS
    magnitude = finite and header.get("Modality") != "CT" and _is_magnitude(slices)
    from_kspace = large and magnitude
    found = dict(zip((rows, columns), spectra(slices))) if from_kspace else {}
    if from_kspace and across is not None and geometry.size[across] >= _FEWEST_SLICES:
        # Rows and slices of planes that hold the slice axis.
        through, _ = _with_data(volume, columns, padding)
        slices_first = across > rows
        found[across] = spectra(through)[0 if slices_first else 1]
    told = _shares_in_header(header, geometry)
    axes = tuple(
        MeasuredAxis(
            n,
            mm,
            measured_edge(found[axis]) if axis in found else Edge(),
            told.get(axis),
            found.get(axis),
        )
        for axis, (n, mm) in enumerate(zip(geometry.size, geometry.spacing))
    )
    continues = continues_periodically(slices, 1), continues_periodically(slices, 2)
    grid = MeasuredGrid(
        (slices.shape[1], slices.shape[2]), (axes[rows].measured_size, axes[columns].measured_size), continues
    )
    noise, signal = noise_of_slices(slices, missing, grid) if finite else (0.0, 0.0)
    cropped = float(grid.cropped(middle_slices(slices, 3)).std()) if grid.measured != grid.stored else 0.0
    evidence = tuple(_evidence("ijk"[i], axis) for i, axis in enumerate(axes) if axis.spectrum is not None)
    signal = signal if magnitude else 0.0
    return Acquisition(axes, across, noise, signal, cropped, header.get("SliceThickness"), continues, evidence)


def measured_sizes(
    geometry: Geometry, measured: str | ArrayLike, across: int | None, acquisition: Acquisition | None
) -> tuple[int, ...]:
    """Measured pixels per image axis; across the plane, and as stored, what is stored.

    >>> grid = Geometry((512, 512, 20), (0.45, 0.45, 4.0), (0.0,) * 3, np.eye(3))
    >>> measured_sizes(grid, 0.9, 2, None)
    (256, 256, 20)

    :param measured: ``auto`` (as recognized), ``stored``, or the size of measured pixels in mm: one for rows and
        columns, or (rows, columns).
    :param acquisition: what was recognized, for ``auto``; ``None`` is as stored.
    :raises ValueError: for anything else, and for measured pixels smaller than the stored ones.
    """
    sizes = list(geometry.size)
    axes = plane_axes(geometry, across)
    if isinstance(measured, str):
        if measured not in ("auto", "stored"):
            raise ValueError(f'Measured pixels are "auto", "stored" or one or two sizes in mm, not "{measured}".')
        if measured == "auto" and acquisition is not None:
            for axis in axes:
                sizes[axis] = acquisition.measured_size[axis]
        return tuple(sizes)
    mm = np.atleast_1d(np.asarray(measured, dtype=np.float64))
    if mm.shape not in ((1,), (2,)) or not (np.isfinite(mm) & (mm > 0)).all():
        raise ValueError(f"The size of measured pixels must be one or two positive numbers in mm, not {measured}.")
    for axis, size in zip(axes, np.broadcast_to(mm, 2)):
        stored = geometry.spacing[axis]
        if size < stored * (1 - 1e-3):
            raise ValueError(
                f"Measured pixels of {size:g} mm are smaller than the stored ones of {stored:g} mm: "
                "no scanner stores fewer than it measured."
            )
        count = round(sizes[axis] * stored / float(size))
        if count < 2:
            raise ValueError(f"Measured pixels of {size:g} mm leave fewer than two along an axis.")
        sizes[axis] = min(sizes[axis], count)
    return tuple(sizes)


def thickness_across(plane: str | int, geometry: Geometry, thickness: float | None) -> float | None:
    """Thickness that the header tells, for the slices of a plane: it is that of the slices that were acquired.

    >>> thick = Geometry((256, 256, 20), (0.9, 0.9, 4.0), (0.0,) * 3, np.eye(3))
    >>> thickness_across("axial", thick, 3.5), thickness_across("sagittal", thick, 3.5)
    (3.5, None)
    """
    return thickness if slice_axis(geometry, plane) == slice_axis(geometry) else None


def _with_data(volume: Volume, across: int | None, padding: float | None) -> tuple[np.ndarray, np.ndarray | None]:
    """Middle slices, continued where they hold no data as in a run, and where that is."""
    slices, missing = middle_of(volume, across)
    if padding is not None:
        missing = mask_of(slices, padding)
        if not missing.all():
            slices = filled(slices, missing)
    return slices, missing


def _is_magnitude(slices: np.ndarray) -> bool:
    """Whether values are not signed, as those of CT in Hounsfield units are."""
    low, high = np.percentile(slices, (1, 99))
    return bool(low > -0.05 * abs(high))


def _shares_in_header(header: dict, geometry: Geometry) -> dict[int, float]:
    """Measured share of the columns (image axis 0) and rows (axis 1) that the scanner stored, where the header tells.

    Of an image that has other pixels now it tells nothing.
    """
    size = geometry.size
    direction = str(header.get("InPlanePhaseEncodingDirectionDICOM") or header.get("PhaseEncodingDirection"))
    phase = {"ROW": 0, "i": 0, "i-": 0, "COL": 1, "j": 1, "j-": 1}.get(direction)
    matrix = header.get("AcquisitionMatrix")
    if isinstance(matrix, list) and len(matrix) == 4 and (header.get("Columns"), header.get("Rows")) == size[:2]:
        frequency_rows, frequency_columns, phase_rows, phase_columns = matrix
        if phase is not None and not matrix[3 - phase]:  # It contradicts itself.
            return {}
        steps = {0: frequency_columns or phase_columns, 1: frequency_rows or phase_rows}
    elif phase is not None and header.get("ReconMatrixPE") == size[phase]:
        base, sampled = header.get("BaseResolution"), header.get("PercentSampling")
        of_phase = header.get("AcquisitionMatrixPE")
        if of_phase is None and base and sampled and geometry.spacing[0] == geometry.spacing[1]:
            of_phase = sampled / 100 * base / size[1 - phase] * size[phase]
        steps = {phase: of_phase, 1 - phase: base}
    else:
        return {}
    return {axis: min(1.0, count / size[axis]) for axis, count in steps.items() if count}


def _evidence(name: str, axis: MeasuredAxis) -> str:
    edge = axis.edge
    if not axis.interpolated:
        text = "no edge below the Nyquist frequency" + ("; filtered" if edge.filtered else "")
    else:
        text = f"power falls by {edge.step:.0f} dB at {edge.share:.0%} of the Nyquist frequency"
        text += f" (log likelihood ratio {edge.evidence:.0f})" + ("; filtered" if edge.filtered else "")
    if axis.header_differs:
        text += f"; the header says {axis.header:.0%}"
    return f"{name}: {text}"
