"""How well a stack made isotropic predicts the slices that were acquired in another orientation.

Simulated slices are judged by a truth that was measured with the same contrast, noise and position. Acquired slices
have none, but where one patient was imaged in two orientations, the slices of one stack hold in their plane what the
other has to infer. A stack is drawn with isotropic voxels, averaged over the profile of the slices of the other stack
where these lie, and compared with them in a box. Organs move between acquisitions: each method is registered to the
other stack by itself, by a translation and a rotation.

Run: ``python -m NExpRTraining.studies.acquired_slices STACK STACK [STACK] --model mri-slices``
"""

import argparse
import sys
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from scipy.ndimage import gaussian_filter1d, map_coordinates, spline_filter
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation
from tqdm import tqdm

from NExpRLib.model import load_model
from NExpRLib.volumes.slice_profile import make_consistent, slice_profile
from NExpRLib.volumes.through_plane import through_plane

from ..data.slices import slices_in_plane
from ..evaluation.stacks import SimulatedStack, methods_through_plane
from ..files.file_table import fact_of, read_table
from ..files.volume_files import read_volume
from ..files.volume_sources import find_volumes
from ..markdown import markdown_table

PROFILE = "super-gaussian"


@dataclass(frozen=True)
class Stack:
    """Slices (n, h, w) in intensities from 0 to about 1, and where they lie.

    :ivar to_world: (4, 4) from (slice, row, column) to mm.
    :ivar thickness: as a share of the distance between slices.
    """

    name: str
    slices: np.ndarray
    to_world: np.ndarray
    thickness: float

    @property
    def spacing(self):
        return np.linalg.norm(self.to_world[:3, :3], axis=0)

    def world(self, indices):
        """Positions in mm, (3, ...), of indices (3, ...)."""
        return np.tensordot(self.to_world[:3, :3], indices, 1) + _column(self.to_world[:3, 3], indices)

    def indices(self, world):
        inverse = np.linalg.inv(self.to_world)
        return np.tensordot(inverse[:3, :3], world, 1) + _column(inverse[:3, 3], world)


def _column(vector, like):
    return vector.reshape(3, *[1] * (like.ndim - 1))


def read_stack(path, shares=None, thickness=1.0):
    """:param shares: of k-space that was measured along the image axes x and y; recognized, if left out."""
    (source,) = find_volumes(path)
    image = read_volume(source)
    pixels = slices_in_plane(image, 2, shares).astype(np.float32)
    spacing = np.array(image.GetSpacing())
    spacing[:2] *= np.divide(image.GetSize()[:2], pixels.shape[:0:-1])
    to_world = np.eye(4)
    direction = np.array(image.GetDirection()).reshape(3, 3)
    to_world[:3, :3] = (direction * spacing)[:, ::-1]
    to_world[:3, 3] = image.GetOrigin()
    low, high = np.percentile(pixels, [0.1, 99.9])
    return Stack(source.name, ((pixels - low) / (high - low)).astype(np.float32), to_world, thickness)


def box_about_center(stacks, size):
    """Center in mm of what all stacks show, and half the sides of a box."""
    centers = np.array([s.world((np.array(s.slices.shape) - 1.0) / 2) for s in stacks])
    normals = np.array([s.to_world[:3, 0] / s.spacing[0] for s in stacks])
    # Along its own normal, a stack is as wide as its slices reach; the planes through the middle of each meet.
    center = np.linalg.lstsq(normals, np.einsum("ij,ij->i", normals, centers), rcond=None)[0]
    if len(stacks) < 3:
        center = centers.mean(axis=0)
    return center, np.array(size) / 2


def bounds(stack, center, half):
    """Lowest and highest (slice, row, column) in a box."""
    corners = center[:, None] + half[:, None] * np.array(np.meshgrid(*[[-1, 1]] * 3)).reshape(3, -1)
    indices = stack.indices(corners)
    return indices.min(axis=1), indices.max(axis=1)


def cropped(stack, center, half, margin):
    """The part of a stack about a box: all slices, and ``margin`` pixels more."""
    lowest, highest = bounds(stack, center, half)
    first = np.maximum(np.floor(lowest).astype(int) - margin, 0)
    last = np.minimum(np.ceil(highest).astype(int) + margin + 1, stack.slices.shape)
    first[0], last[0] = 0, len(stack.slices)
    to_world = stack.to_world.copy()
    to_world[:3, 3] = stack.world(first.astype(float))
    part = stack.slices[tuple(slice(a, b) for a, b in zip(first, last))]
    return Stack(stack.name, part, to_world, stack.thickness)


def drawings(stack, models):
    """``{method: (m, h, w)}`` at positions along the slice axis that are returned as well."""
    pixel = min(stack.spacing[1:]) / stack.spacing[0]
    positions = np.arange(-0.5 + pixel / 2, len(stack.slices) - 0.5, pixel)
    given = SimulatedStack(stack.slices, positions, pixel, stack.thickness, PROFILE)
    results = {name: method(given) for name, method in methods_through_plane({}).items()}
    for name, model in models.items():
        drawn = through_plane(
            stack.slices, positions, model, pixel=pixel, thickness=stack.thickness, profile=PROFILE, consistency=0
        )
        results[name] = drawn
        results[f"{name}, half consistent"] = make_consistent(drawn, stack.slices, given.operator, 0.5)
        results[f"{name}, consistent"] = make_consistent(drawn, stack.slices, given.operator)
    return positions, results


def predict(volume, positions, source, target, region, motion, center):
    """Slices of ``target`` in ``region`` (slices of indices) from a drawn ``source``.

    :param volume: spline coefficients of the drawing.
    :param motion: translation in mm and rotation vector in degrees, about ``center``.
    """
    depths = np.linspace(-1, 1, 9)[1:-1] * target.thickness
    weights = slice_profile(depths, target.thickness, PROFILE)
    grid = np.stack(np.meshgrid(*region, indexing="ij")).astype(np.float64)
    rotation = Rotation.from_rotvec(motion[3:], degrees=True).as_matrix()
    step = positions[1] - positions[0]
    result = 0
    for depth, weight in zip(depths, weights / weights.sum()):
        world = target.world(grid + _column(np.array([depth, 0, 0]), grid))
        moved = np.tensordot(rotation, world - _column(center, world), 1) + _column(center + motion[:3], world)
        k, r, c = source.indices(moved)
        result = result + weight * map_coordinates(
            volume, [(k - positions[0]) / step, r, c], order=3, prefilter=False, mode="nearest"
        )
    return result


def correlation(a, b):
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def detail(slices, sigma=3.0):
    """What a Gaussian of ``sigma`` pixels leaves in the plane of slices (n, h, w)."""
    return slices - gaussian_filter1d(gaussian_filter1d(slices, sigma, axis=1), sigma, axis=2)


def compare(source, target, center, half, models):
    """``{method: (correlation, of detail, of gradients along the source's slice axis)}``."""
    source = cropped(source, center, half, margin=20)
    positions, results = drawings(source, models)
    region = [
        np.arange(max(0, int(np.ceil(low))), min(n, int(np.floor(high)) + 1))
        for low, high, n in zip(*bounds(target, center, half), target.slices.shape)
    ]
    acquired = target.slices[np.ix_(*region)]
    direction = target.to_world[:3, 1:3] / target.spacing[1:]
    along = 1 + int(np.argmax(np.abs(source.to_world[:3, 0] @ direction)))
    coarse = [axis[::every] for axis, every in zip(region, (1, 2, 2))]
    fewer = target.slices[np.ix_(*coarse)]
    volumes = {name: spline_filter(drawn.astype(np.float64), order=3) for name, drawn in results.items()}

    def registered(volume, start, steps, evaluations):
        def cost(motion):
            return -correlation(predict(volume, positions, source, target, coarse, motion, center), fewer)

        simplex = start + np.vstack([np.zeros(6), steps * np.eye(6)])
        options = {"initial_simplex": simplex, "maxfev": evaluations}
        return minimize(cost, start, method="Nelder-Mead", options=options).x

    # All methods begin where the spline ends, which is once more begun anew.
    common = np.zeros(6)
    for steps, evaluations in ((2.0, 160), (1.0, 100)):
        common = registered(volumes["Cubic B-spline"], common, steps, evaluations)
    found = {}
    for name, volume in volumes.items():
        motion = registered(volume, common, 0.4, 60)
        predicted = predict(volume, positions, source, target, region, motion, center)
        found[name] = (
            correlation(predicted, acquired),
            correlation(detail(predicted), detail(acquired)),
            correlation(np.gradient(predicted, axis=along), np.gradient(acquired, axis=along)),
        )
        print(source.name, "->", target.name, name, np.round(found[name], 4), np.round(motion, 1), flush=True)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stacks", nargs="+", metavar="STACK", help="two or three orthogonal stacks of one patient")
    parser.add_argument("--model", action="append", default=[])
    parser.add_argument("--box", type=float, nargs=3, default=(64, 64, 44), metavar="MM", help="along world axes")
    parser.add_argument("--thickness", type=float, default=1.0, help="of a slice, as a share of the spacing")
    parser.add_argument(
        "--effective-resolution", metavar="TABLE", help="as in nexpr prepare (default: recognized from the voxels)"
    )
    arguments = parser.parse_args()
    table = read_table(arguments.effective_resolution, "resolution") if arguments.effective_resolution else {}
    stacks = [read_stack(path, fact_of(path, table), arguments.thickness) for path in arguments.stacks]
    models = {name: load_model(name) for name in arguments.model}
    center, half = box_about_center(stacks, arguments.box)
    rows, totals = [], {}
    for source, target in tqdm(list(permutations(stacks, 2)), desc="Pairs", disable=None):
        for method, values in compare(source, target, center, half, models).items():
            rows.append([source.name, target.name, method, *(f"{v:.3f}" for v in values)])
            totals.setdefault(method, []).append(values)
    for method, values in totals.items():
        rows.append(["all", "", method, *(f"{v:.3f}" for v in np.mean(values, axis=0))])
    print(markdown_table(["From", "To", "Method", "Correlation", "Of detail", "Of gradients"], rows))


if __name__ == "__main__":
    try:
        main()
    except ValueError as error:
        sys.exit(f"acquired_slices: error: {error}")
