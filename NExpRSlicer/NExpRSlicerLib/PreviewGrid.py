"""Where the preview's pixels lie: on the slice, and in space. Plain arithmetic on 4x4 arrays."""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np
from slicer.i18n import tr as _

from NExpRLib.function.samples import Samples
from NExpRLib.volumes.plan import Plan
from NExpRLib.volumes.volume import Volume

# Deviation over the whole view, in voxels of the input, up to which a view counts as parallel.
_TOLERANCE = 0.25


class Remedy(enum.Enum):
    """What one click can do about a view that shows no preview, or not quite where the slice is."""

    SHOW_INPUT = "show input"
    ROTATE_VIEW = "rotate view"
    GO_TO_VOLUME = "go to volume"
    GO_TO_SLICE = "go to slice"

    def label(self) -> str:
        labels = {
            Remedy.SHOW_INPUT: _("Show the input in the views"),
            Remedy.ROTATE_VIEW: _("Rotate slice view to the plane"),
            Remedy.GO_TO_VOLUME: _("Go to the volume"),
            Remedy.GO_TO_SLICE: _("Move the view to the slice"),
        }
        return labels[self]


class NotShowable(ValueError):
    """The slice view does not show a slice of the volume in the plane that is refined."""

    def __init__(self, message: str, remedy: Remedy | None = None):
        super().__init__(message)
        self.remedy = remedy


@dataclass(frozen=True)
class PreviewGrid:
    """Pixels of a preview.

    :ivar rows, columns: in pixels of the input slice.
    :ivar transposed: whether the preview's rows run along the columns of the slice.
    :ivar ijkToWorld: of the preview as a volume of one slice, 16 numbers row by row.
    """

    rows: Samples
    columns: Samples
    transposed: bool
    ijkToWorld: tuple[float, ...]


@dataclass(frozen=True)
class ShownPlane:
    """A family of parallel planes of a volume, of which the preview shows one.

    :ivar across: axis of the volume across the planes.
    :ivar row, column: axes of the volume from row to row and from column to column of what the network sees. It sees
        slices that lie across the plane as rows.
    :ivar rows, columns: of the result, in voxels of the input.
    """

    across: int
    row: int
    column: int
    rows: Samples
    columns: Samples

    def of(self, volume: Volume, index: int) -> np.ndarray:
        """Pixels (rows, columns) of one of the planes, not copied."""
        pixels = volume.slices(self.across)[index]
        return pixels if self.row > self.column else pixels.T


def shownPlanes(plan: Plan) -> list[ShownPlane]:
    """The slices, or for isotropic volumes the two families of planes through them."""
    if plan.through is None:
        return [ShownPlane(plan.slice_axis, *plan.plane_axes, plan.rows, plan.columns)]
    row, (first, second) = plan.slice_axis, plan.plane_axes
    return [
        ShownPlane(across, row, column, plan.samples[row], plan.samples[column])
        for across, column in ((second, first), (first, second))
    ]


def slicePosition(xyToIJK: np.ndarray, viewSize: tuple[int, int], sliceAxis: int) -> float:
    """Where the center of a slice view lies across the slices of a volume; whole numbers are slices."""
    return float(xyToIJK[sliceAxis] @ [(viewSize[0] - 1) / 2, (viewSize[1] - 1) / 2, 0, 1])


def sliceIndex(xyToIJK: np.ndarray, viewSize: tuple[int, int], sliceAxis: int, size: int) -> int:
    """Which slice of the volume a slice view shows.

    :param xyToIJK: 4x4 array from the view's pixels to the volume's voxel indices.
    :param viewSize: (width, height) of the view in pixels.
    :param sliceAxis: volume axis across the plane that is refined.
    :param size: number of voxels along that axis.
    :raises NotShowable: if the view is not parallel to the plane, or outside of the volume.
    """
    across = xyToIJK[sliceAxis]
    if abs(across[0] * viewSize[0]) + abs(across[1] * viewSize[1]) > _TOLERANCE:
        raise NotShowable(_("The slice view is not parallel to the plane that is refined."), Remedy.ROTATE_VIEW)
    index = int(np.floor(slicePosition(xyToIJK, viewSize, sliceAxis) + 0.5))
    if not 0 <= index < size:
        raise NotShowable(_("The slice view shows no slice of the input volume."), Remedy.GO_TO_VOLUME)
    return index


def wholeSliceGrid(plane: ShownPlane, ijkToWorld: np.ndarray, index: int) -> PreviewGrid:
    """The whole slice on the grid of the result.

    :param ijkToWorld: 4x4 array of the input.
    """
    origin = np.zeros(4)
    origin[[plane.row, plane.column, plane.across, 3]] = plane.rows.first, plane.columns.first, index, 1
    matrix = np.eye(4)
    matrix[:, 0] = ijkToWorld[:, plane.column] * plane.columns.step
    matrix[:, 1] = ijkToWorld[:, plane.row] * plane.rows.step
    matrix[:, 2] = ijkToWorld[:, plane.across]
    matrix[:, 3] = ijkToWorld @ origin
    return PreviewGrid(plane.rows, plane.columns, False, tuple(matrix.ravel()))


def visibleGrid(
    plane: ShownPlane,
    sliceShape: tuple[int, int],
    xyToIJK: np.ndarray,
    xyToWorld: np.ndarray,
    viewSize: tuple[int, int],
) -> PreviewGrid:
    """The visible part of the slice on the pixels of the view.

    :param sliceShape: (rows, columns) of the input slice.
    :raises NotShowable: if the view is turned within the plane, the slice sheared, or nothing of it visible.
    """
    row, column = plane.row, plane.column
    swapped = abs(xyToIJK[row, 0]) > abs(xyToIJK[row, 1])
    rowAxis, columnAxis = (0, 1) if swapped else (1, 0)
    turn = max(abs(xyToIJK[row, columnAxis] * viewSize[columnAxis]), abs(xyToIJK[column, rowAxis] * viewSize[rowAxis]))
    if turn > _TOLERANCE:
        down, along = np.linalg.inv(xyToIJK)[:2, [row, column]].T
        if abs(down @ along) > 1e-3 * np.linalg.norm(down) * np.linalg.norm(along):
            raise NotShowable(_("The transform of the input volume shears it, so that live zoom cannot follow."))
        raise NotShowable(
            _("The slice view is turned within its plane, so that live zoom cannot follow."), Remedy.ROTATE_VIEW
        )
    # What little the view is turned is right at its center.
    rowOffset = xyToIJK[row, 3] + xyToIJK[row, columnAxis] * (viewSize[columnAxis] - 1) / 2
    columnOffset = xyToIJK[column, 3] + xyToIJK[column, rowAxis] * (viewSize[rowAxis] - 1) / 2
    rowStart, rowRange = _visible(rowOffset, xyToIJK[row, rowAxis], viewSize[rowAxis], sliceShape[0])
    columnStart, columnRange = _visible(columnOffset, xyToIJK[column, columnAxis], viewSize[columnAxis], sliceShape[1])
    start = np.array([0.0, 0.0, 0.0, 1.0])
    start[rowAxis], start[columnAxis] = rowStart, columnStart
    matrix = xyToWorld.copy()
    matrix[:, 3] = xyToWorld @ start
    return PreviewGrid(rowRange, columnRange, swapped, tuple(matrix.ravel()))


def _visible(offset: float, step: float, number: int, size: int) -> tuple[int, Samples]:
    """First view pixel that lies on the slice, and the Samples of those that do."""
    positions = Samples(offset, step, number).positions()
    inside = np.flatnonzero((positions >= -0.5) & (positions <= size - 0.5))
    if inside.size == 0:
        raise NotShowable(_("The slice view shows nothing of the slice."), Remedy.GO_TO_VOLUME)
    return int(inside[0]), Samples(float(positions[inside[0]]), float(step), int(inside.size))
