"""Time that one step of the scale slider takes: draw a slice and hand it to the preview volume in the scene.

    python -m Testing.NExpRSlicer.benchmark_preview [MODEL]

MODEL is the name or folder of a model (default: mri). Needs the wheel slicer-core. The goal is 8 ms for 512 x 512
pixels on two CPU cores, so that the slider runs at 60 frames per second with room for rendering.
"""

import sys
import time

import numpy as np

from . import conftest  # noqa: F401  (makes the module importable)


def main(model="mri"):
    import slicer

    from NExpRLib import load_model
    from NExpRLib.measured_slice import MeasuredSlice
    from NExpRLib.volumes.geometry import Geometry
    from NExpRLib.volumes.measured_grid import MeasuredGrid
    from NExpRLib.volumes.plan import plan_upsampling
    from NExpRSlicerLib.PreviewGrid import shownPlanes, wholeSliceGrid
    from NExpRSlicerLib.PreviewNode import PreviewNode
    from NExpRSlicerLib.SliceEncoder import EncodedSlice

    slicer.mrmlScene = slicer.vtkMRMLScene()
    composite = slicer.mrmlScene.AddNode(slicer.vtkMRMLSliceCompositeNode())
    network = load_model(model, "cpu")
    print(f"{'input':>9} {'scale':>6} {'output':>11} {'draw':>9} {'hand over':>11} {'total':>9}   (median of 20, ms)")
    for size, scale in ((128, 4.0), (256, 2.0), (205, 2.5), (180, 2.84), (512, 2.0)):
        pixels = np.random.default_rng(0).normal(500, 100, (size, size)).astype(np.float32)
        grid = MeasuredGrid((size, size), (size, size), margin=0)
        encoded = EncodedSlice(network.represent(pixels, (0.0, 1000.0)), grid, MeasuredSlice.of(pixels), pixels)
        preview = PreviewNode()
        geometry = Geometry((size, size, 9), (1.0, 1.0, 3.0), (0.0, 0.0, 0.0), np.eye(3))
        times = []
        for step in range(25):
            # A slider never rests: every step has another scale.
            target = plan_upsampling(geometry, scale=scale + 0.01 * step)
            grid = wholeSliceGrid(shownPlanes(target)[0], np.eye(4), 4)
            start = time.perf_counter()
            drawn = encoded.draw(grid)
            middle = time.perf_counter()
            preview.show(composite, drawn, grid.ijkToWorld)
            times.append((middle - start, time.perf_counter() - middle))
        draw, hand_over = 1000 * np.median(times[5:], axis=0)
        shape = f"{drawn.shape[0]} x {drawn.shape[1]}"
        print(f"{size:>4}x{size:<4} {scale:>6} {shape:>11} {draw:>9.2f} {hand_over:>11.2f} {draw + hand_over:>9.2f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
