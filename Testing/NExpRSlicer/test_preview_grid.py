"""Geometry of the preview against closed forms."""

import numpy as np
import pytest

from NExpRLib.volumes.geometry import Geometry
from NExpRLib.volumes.plan import plan_upsampling
from NExpRSlicerLib.PreviewGrid import NotShowable, Remedy, shownPlanes, sliceIndex, visibleGrid, wholeSliceGrid

SIZE = (10, 12, 5)
SPACING = (0.9, 1.1, 3.0)


def oblique(handedness=1):
    rng = np.random.default_rng(3)
    direction = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    direction *= handedness * np.sign(np.linalg.det(direction))
    matrix = np.eye(4)
    matrix[:3, :3] = direction * SPACING
    matrix[:3, 3] = 4, -7, 20
    return matrix


def target_of(matrix, scale, plane="auto"):
    direction = matrix[:3, :3] / SPACING
    geometry = Geometry(SIZE, SPACING, tuple(matrix[:3, 3]), direction)
    (plane,) = shownPlanes(plan_upsampling(geometry, scale=scale, plane=plane))
    return plane


@pytest.mark.parametrize("handedness", [1, -1])
def test_whole_slice_is_the_input_with_columns_divided_by_the_scale(handedness):
    matrix, scale, k = oblique(handedness), 4, 3
    grid = wholeSliceGrid(target_of(matrix, scale), matrix, k)
    expected = matrix.copy()
    expected[:, :2] /= scale
    expected[:, 3] = matrix @ [(1 / scale - 1) / 2, (1 / scale - 1) / 2, k, 1]
    assert np.allclose(np.reshape(grid.ijkToWorld, (4, 4)), expected)
    assert (grid.rows.count, grid.columns.count) == (48, 40)


@pytest.mark.parametrize("plane", [0, 1, 2])
def test_whole_slice_lies_where_its_positions_say_in_every_plane(plane):
    matrix = oblique(-1)
    target = target_of(matrix, 2.3, plane)
    grid = wholeSliceGrid(target, matrix, 1)
    rows, columns = grid.rows.positions(), grid.columns.positions()
    index = np.zeros(4)
    index[[target.row, target.column, target.across, 3]] = rows[4], columns[7], 1, 1
    assert np.allclose(np.reshape(grid.ijkToWorld, (4, 4)) @ [7, 4, 0, 1], matrix @ index)


def view(matrix, zoom, flips=(1, 1), swap=False, offset=(-20.0, -15.0), k=2):
    """(xyToIJK, xyToWorld) of a view parallel to the slices, with so many view pixels per voxel."""
    xyToIJK = np.zeros((4, 4))
    axes = (1, 0) if swap else (0, 1)
    for column, (axis, flip) in enumerate(zip(axes, flips)):
        xyToIJK[axis, column] = flip / zoom
        xyToIJK[axis, 3] = -flip * offset[column] / zoom if flip > 0 else SIZE[axis] - 1 + offset[column] / zoom
    xyToIJK[2] = 0, 0, 0.3, k + 0.2
    xyToIJK[3, 3] = 1
    return xyToIJK, matrix @ xyToIJK


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("flips", [(1, 1), (-1, 1), (1, -1), (-1, -1)])
@pytest.mark.parametrize("offset", [(-20.0, -15.0), (13.0, 25.0)])
def test_visible_part_has_one_pixel_per_view_pixel(flips, swap, offset):
    matrix = oblique()
    viewSize = (90, 80)
    xyToIJK, xyToWorld = view(matrix, zoom=9.0, flips=flips, swap=swap, offset=offset)
    grid = visibleGrid(target_of(matrix, 2), (SIZE[1], SIZE[0]), xyToIJK, xyToWorld, viewSize)
    rows, columns = grid.rows.positions(), grid.columns.positions()
    preview = np.reshape(grid.ijkToWorld, (4, 4))
    assert grid.transposed == swap
    for i, j in [(0, 0), (3, 5)]:
        # Voxel (i, j) of the preview, found through space, is the position that is drawn into it.
        inInput = np.linalg.inv(matrix) @ preview @ [i, j, 0, 1]
        row, column = (rows[i], columns[j]) if swap else (rows[j], columns[i])
        assert np.allclose(inInput[:2], [column, row])
        # It also is a pixel of the view.
        inView = np.linalg.inv(xyToWorld) @ preview @ [i, j, 0, 1]
        assert np.allclose(inView[:2], np.round(inView[:2]))
    inside = [p[(p >= -0.5) & (p <= n - 0.5)] for p, n in zip((rows, columns), (SIZE[1], SIZE[0]))]
    assert len(inside[0]) == len(rows) > 0
    assert len(inside[1]) == len(columns) > 0


def test_index_is_that_of_the_nearest_slice():
    xyToIJK, _ = view(oblique(), 5.0, k=3)
    assert sliceIndex(xyToIJK, (90, 80), 2, 5) == 3
    with pytest.raises(NotShowable) as caught:
        sliceIndex(view(oblique(), 5.0, k=5)[0], (90, 80), 2, 5)
    assert caught.value.remedy == Remedy.GO_TO_VOLUME


def test_tilted_and_turned_views_are_told_apart():
    tilted, _ = view(oblique(), 5.0)
    tilted[2, 0] = 0.02
    with pytest.raises(NotShowable, match="not parallel") as caught:
        sliceIndex(tilted, (90, 80), 2, 5)
    assert caught.value.remedy == Remedy.ROTATE_VIEW
    turned, world = view(oblique(), 5.0)
    angle = np.deg2rad(5)
    turned[:2, :2] = turned[:2, :2] @ [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    sliceIndex(turned, (90, 80), 2, 5)
    with pytest.raises(NotShowable, match="turned") as caught:
        visibleGrid(target_of(oblique(), 2), (SIZE[1], SIZE[0]), turned, world, (90, 80))
    assert caught.value.remedy == Remedy.ROTATE_VIEW
    sheared, _ = view(oblique(), 5.0)
    sheared[0, 1] = 0.05
    with pytest.raises(NotShowable, match="shears") as caught:
        visibleGrid(target_of(oblique(), 2), (SIZE[1], SIZE[0]), sheared, world, (90, 80))
    assert caught.value.remedy is None


def test_nothing_visible():
    xyToIJK, world = view(oblique(), 5.0, offset=(500.0, 0.0))
    with pytest.raises(NotShowable, match="nothing"):
        visibleGrid(target_of(oblique(), 2), (SIZE[1], SIZE[0]), xyToIJK, world, (90, 80))


def test_slightly_tilted_view_shows_the_slice_at_its_center():
    xyToIJK, _ = view(oblique(), 5.0)
    xyToIJK[2] = 0.24 / 90, 0, 0, 3.45  # 3.57 at the center
    assert sliceIndex(xyToIJK, (90, 80), 2, 5) == 4
    xyToIJK[2] = 0, -0.24 / 80, 0, 3.55  # 3.43 at the center
    assert sliceIndex(xyToIJK, (90, 80), 2, 5) == 3


@pytest.mark.parametrize("swap", [False, True])
def test_slightly_turned_view_is_drawn_right_at_its_center(swap):
    matrix, (width, height) = oblique(), (91, 81)
    xyToIJK, _ = view(matrix, zoom=20.0, swap=swap, offset=(0, 0))
    xyToIJK[0, 0 if swap else 1] = 0.2 / height
    xyToIJK[1, 1 if swap else 0] = 0.2 / width
    grid = visibleGrid(target_of(matrix, 2), (SIZE[1], SIZE[0]), xyToIJK, matrix @ xyToIJK, (width, height))
    rows, columns = grid.rows.positions(), grid.columns.positions()
    center = np.array([(width - 1) // 2, (height - 1) // 2, 0, 1])
    start = np.linalg.inv(matrix @ xyToIJK) @ np.reshape(grid.ijkToWorld, (4, 4))[:, 3]
    i, j = np.round(center - start).astype(int)[:2]
    column, row = (xyToIJK @ center)[:2]
    drawn = (rows[i], columns[j]) if swap else (rows[j], columns[i])
    assert np.allclose(drawn, (row, column), atol=1e-9)


@pytest.mark.parametrize(("k", "index"), [(2.51, 3), (3.49, 3), (3.51, 4), (-0.49, 0), (4.49, 4)])
def test_index_between_two_slices_is_that_of_the_nearer(k, index):
    xyToIJK, _ = view(oblique(), 5.0)
    xyToIJK[2] = 0, 0, 0, k
    assert sliceIndex(xyToIJK, (90, 80), 2, 5) == index
