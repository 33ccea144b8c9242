"""Figure of what was measured: spectra with the recognized edge, and the middle slice as stored and as measured."""

from matplotlib.figure import Figure

from NExpRLib.intensity import robust_range
from NExpRLib.volumes.measured_grid import MeasuredGrid
from NExpRLib.volumes.plan import plane_axes


def acquisition_figure(volume, acquisition, title):
    """
    :param volume: :class:`NExpRLib.volumes.volume.Volume` that was inspected.
    :param acquisition: :class:`NExpRLib.volumes.acquisition.Acquisition` of it.
    :return: matplotlib figure.
    """
    figure = Figure(figsize=(13, 4.7), layout="constrained")
    figure.suptitle(f"{title}\n{acquisition}", fontsize=12)
    spectra, stored, measured = figure.subplots(1, 3, width_ratios=[1.3, 1, 1])
    for i, axis in enumerate(acquisition.axes):
        if axis.spectrum is None:
            continue
        (line,) = spectra.plot(axis.spectrum.frequency, axis.spectrum.decibel - axis.spectrum.decibel.max(), lw=1)
        line.set_label(f"axis {'ijk'[i]}: {axis.measured:.3g} mm measured, {axis.stored:.3g} mm stored")
        if axis.interpolated:
            spectra.axvline(axis.edge.share, color=line.get_color(), ls="--", lw=1)
    spectra.set(xlim=(0, 1), xlabel="frequency / Nyquist of the stored pixels", ylabel="mean log power (dB)")
    if spectra.lines:
        spectra.legend(fontsize=9, loc="upper right")
    spectra.grid(alpha=0.3)
    slices = volume.slices(acquisition.slice_axis)
    middle = slices[len(slices) // 2 :][:1]
    rows, columns = plane_axes(volume.geometry, acquisition.slice_axis)
    size = acquisition.measured_size[rows], acquisition.measured_size[columns]
    grid = MeasuredGrid(middle.shape[1:], size, acquisition.periodic, margin=0)
    low, high = robust_range(middle)
    mm = [volume.geometry.spacing[axis] * volume.geometry.size[axis] for axis in (rows, columns)]
    for axes, pixels, name in ((stored, middle[0], "as stored"), (measured, grid.resample(middle)[0], "as measured")):
        # A part of the slice: whole slices have more pixels than the figure.
        axes.imshow(pixels, cmap="gray", vmin=low, vmax=high, extent=(0, mm[1], mm[0], 0), interpolation="nearest")
        axes.set(xlim=(0.35 * mm[1], 0.65 * mm[1]), ylim=(0.65 * mm[0], 0.35 * mm[0]), xticks=[], yticks=[])
        axes.set_title(f"{name}: {pixels.shape[0]} x {pixels.shape[1]} pixels (middle part)", fontsize=10)
    return figure
