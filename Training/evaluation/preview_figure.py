"""Picture of a result: the middle slice before and after, side by side."""

import numpy as np
from matplotlib.figure import Figure

from NExpRLib.function.samples import Samples
from NExpRLib.intensity import robust_range
from NExpRLib.volumes.series import volumes_of


def preview_figure(image, result, plan, title):
    """The slices as acquired, or a cut through them where they are refined, upright as radiologists look at them.

    :param image: SimpleITK image; of a 4D one, the first volume is shown.
    :param result: SimpleITK image that was made of it.
    :param plan: :class:`NExpRLib.volumes.plan.Plan` of the run.
    :return: matplotlib figure.
    """
    before, after = (volumes_of(each)[0] for each in (image, result))
    across = plan.slice_axis if plan.through is None else plan.plane_axes[0]
    axes = [axis for axis in range(before.geometry.dimension) if axis != across]
    # Downwards goes the axis along head and feet; of an axial slice, that along front and back.
    world = {axis: int(np.abs(before.geometry.direction[:, axis]).argmax()) for axis in axes}
    right, down = sorted(axes, key=world.get)
    stored = [Samples.pixels(n) for n in before.geometry.size]
    middle = 0 if across is None else before.geometry.size[across] // 2
    panels = []
    for volume, samples in ((before, stored), (after, plan.samples)):
        pixels = volume.pixels
        if across is not None:
            nearest = int(np.abs(samples[across].positions() - middle).argmin())
            pixels = pixels.take(nearest, axis=pixels.ndim - 1 - across)
        panels.append((pixels if down > right else pixels.T, samples))
    finite = panels[0][0][np.isfinite(panels[0][0])]
    low, high = robust_range(finite) if finite.size else (0.0, 1.0)
    spacing = before.geometry.spacing
    to_left, to_right = _ends(plan.samples[right], spacing[right])
    top, bottom = _ends(plan.samples[down], spacing[down])
    if before.geometry.direction[world[right], right] < 0:
        to_left, to_right = to_right, to_left
    if (before.geometry.direction[world[down], down] < 0) != (world[down] == 2):
        top, bottom = bottom, top
    height = min(5.5 * abs((bottom - top) / (to_right - to_left)) + 0.9, 33)
    figure = Figure(figsize=(11, height), layout="constrained")
    figure.suptitle(title, fontsize=12)
    for panel, name, (pixels, samples) in zip(figure.subplots(1, 2), ("Before", "After"), panels):
        extent = (*_ends(samples[right], spacing[right]), *reversed(_ends(samples[down], spacing[down])))
        panel.imshow(pixels, cmap="gray", vmin=low, vmax=high, extent=extent, interpolation="nearest")
        panel.set(xlim=(to_left, to_right), ylim=(bottom, top), xticks=[], yticks=[])
        mm = " x ".join(f"{spacing[axis] * samples[axis].step:.4g}" for axis in (right, down))
        panel.set_title(f"{name}: {samples[right].count} x {samples[down].count} pixels of {mm} mm", fontsize=10)
    return figure


def _ends(samples, mm):
    """Borders of the first and the last pixel in mm from the center of the input's first pixel."""
    return mm * (samples.first - samples.step / 2), mm * (samples.first + (samples.count - 0.5) * samples.step)
