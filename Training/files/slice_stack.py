"""Whether the slices of a DICOM series make a volume: how they lie, from their positions alone.

Positions jitter and are rounded, so they are judged by how far they are from the best even grid, as a share of the
spacing. A slice that is missing or doubled is at least half a spacing away.
"""

from dataclasses import dataclass

import numpy as np

_TOLERANCE = 0.1  # of the spacing of slices
_SIDEWAYS = 0.25  # of a pixel, over the whole stack
_SAME_ORIENTATION = 2e-3


@dataclass(frozen=True)
class SliceStack:
    """Evenly spaced parallel slices.

    :ivar files: indices of the files, one per slice and volume, in any order.
    :ivar shape: (slices, rows, columns).
    :ivar volumes: how often each position was measured.
    :ivar origin: position of the first pixel of the first slice, mm.
    :ivar axes: (3, 3), columns are unit vectors along rows, columns and slices; right-handed.
    :ivar spacing: mm, along the same.
    :ivar step: from one slice to the next, mm.
    :ivar tilted: whether that is shifted sideways, as by a tilted CT gantry, instead of along the third axis.
    :ivar deviation: largest distance of a slice from its place, mm.
    :ivar exact: whether all slices have one orientation, lie upright on each other, and at the same places in all
        volumes.
    """

    files: tuple
    shape: tuple
    volumes: int
    origin: np.ndarray
    axes: np.ndarray
    spacing: tuple
    step: np.ndarray
    tilted: bool = False
    deviation: float = 0.0
    exact: bool = True


def stacks_of(files):
    """The stacks of a series.

    :param files: :class:`~.dicom_headers.DicomFile` of one series whose frames are known.
    :return: list of :class:`SliceStack`: one, or several where orientations, sizes or echoes differ.
    :raises ValueError: where slices are missing, doubled or shifted; the sentence says "its slices ...".
    """
    parts = {}
    for index, file in enumerate(files):
        for frame in file.frames:
            if not frame.position:
                if len(files) > 1 or len(file.frames) > 1:
                    raise ValueError("its slices do not say where they lie (ImagePositionPatient)")
                frame = None
            key = (file.shape, file.kind)
            for orientation, members in parts.setdefault(key, []):
                if frame is None or _turned(orientation, frame) < _SAME_ORIENTATION:
                    members.append((index, frame))
                    break
            else:
                parts[key].append((frame, [(index, frame)]))
    return [_stack(files, members) for groups in parts.values() for _, members in groups]


def _turned(frame, other):
    return max(np.abs(np.subtract(frame.across, other.across)).max(), np.abs(np.subtract(frame.down, other.down)).max())


def _stack(files, members):
    indices, frames = zip(*members)
    shape = files[indices[0]].shape
    if frames[0] is None:
        return None
    spacings = np.array([frame.spacing for frame in frames])
    if np.ptp(spacings, axis=0).max() > 1e-3 * spacings.min():
        raise ValueError("its slices differ in pixel spacing")
    rows, columns = spacings[0]
    across = np.mean([frame.across for frame in frames], axis=0)
    across /= np.linalg.norm(across)
    normal = np.cross(across, np.mean([frame.down for frame in frames], axis=0))
    normal /= np.linalg.norm(normal)
    axes = np.stack([across, np.cross(normal, across), normal], axis=1)
    exact = all(frame.across == frames[0].across and frame.down == frames[0].down for frame in frames)
    positions = np.array([frame.position for frame in frames])
    places = _places(positions @ normal, min(rows, columns))
    counts = np.bincount(places)
    if len(set(counts)) > 1:
        raise ValueError(
            f"its {len(positions)} slices lie at {len(counts)} positions, {counts.min()} to {counts.max()} at each: "
            "slices are missing or doubled"
        )
    means = np.array([positions[places == place].mean(axis=0) for place in range(len(counts))])
    thickness = files[indices[0]].thickness or 0.0
    known = {"files": tuple(sorted(set(indices))), "shape": (len(means), *shape), "volumes": int(counts[0])}
    if len(means) == 1:
        return SliceStack(
            **known,
            origin=means[0],
            axes=axes,
            spacing=(columns, rows, thickness if thickness > 0 else 1.0),
            step=normal,
            exact=exact and not np.ptp(positions, axis=0).any(),
        )
    order = np.arange(len(means)) - (len(means) - 1) / 2
    step = order @ means / (order @ order)
    step = _announced_step(files[indices[0]], means, order, step)
    grid = means.mean(axis=0) + order[:, None] * step
    distance = float(step @ normal)
    gaps = np.diff(np.sort(means @ normal))
    off = np.abs((positions - grid[places]) @ normal).max()
    if off > _TOLERANCE * distance:
        raise ValueError(
            f"its slices lie {gaps.min():.3g} to {gaps.max():.3g} mm apart, unevenly: slices are missing or doubled"
        )
    sideways = step - distance * normal
    tilted = (len(means) - 1) * np.linalg.norm(sideways) > _SIDEWAYS * min(rows, columns)
    jitter = positions - grid[places]
    jitter = np.linalg.norm(jitter - np.outer(jitter @ normal, normal), axis=1).max()
    if jitter > _SIDEWAYS * min(rows, columns):
        raise ValueError(f"its slices are shifted sideways by up to {jitter:.3g} mm, unevenly")
    if not tilted:
        step = distance * normal
    exact = exact and not tilted and (counts[0] == 1 or not np.abs(positions - means[places]).any())
    return SliceStack(
        **known,
        origin=means.mean(axis=0) + order[0] * step,
        axes=axes,
        spacing=(columns, rows, distance),
        step=step,
        tilted=tilted,
        deviation=float(off),
        exact=exact,
    )


def _announced_step(file, means, order, step):
    """The step between slices: the spacing of the header where the positions are rounded and allow it."""

    def off(step):
        return np.linalg.norm(means - means.mean(axis=0) - order[:, None] * step, axis=1).max()

    distance = np.linalg.norm(step)
    for announced in (file.slice_spacing, file.thickness):
        if announced and abs(announced / distance - 1) < 0.02 and 0.01 * distance < off(step):
            if off(step * announced / distance) < 2 * off(step):
                return step * announced / distance
    return step


def _places(heights, pixel):
    """Which of the distinct heights each slice lies at, counted from the lowest."""
    order = np.argsort(heights, kind="stable")
    gaps = np.diff(heights[order])
    places = np.zeros(len(heights), dtype=int)
    if len(gaps) and gaps.max() > 1e-3 * pixel:
        wide = gaps[gaps > 0.05 * gaps.max()]
        places[order[1:]] = np.cumsum(gaps > 0.5 * np.median(wide))
    return places
