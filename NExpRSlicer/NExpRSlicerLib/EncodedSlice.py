"""A slice as an explicit function, ready to be drawn at any size. Knows neither MRML nor Qt."""

from dataclasses import dataclass, replace

import numpy as np

from NExpRLib.kspace import band_limited, enforce_data_consistency

from .Settings import Settings


@dataclass
class SliceContent:
    """What is needed to encode a slice.

    :ivar pixels: array (rows, columns), a copy.
    :ivar intensityRange: of the whole volume, so that the preview equals the result.
    """

    pixels: np.ndarray
    intensityRange: tuple
    settings: Settings


@dataclass
class EncodedSlice:
    """:ivar image: NExpRLib.ExplicitImage of the slice."""

    pixels: np.ndarray
    image: object

    def draw(self, grid, dataConsistency=False, inferredDetail=False):
        """Pixels of a preview.

        :param grid: PreviewGrid.
        :param dataConsistency: keep the measured spatial frequencies; for grids over the whole slice.
        :param inferredDetail: draw what the network added to the band-limited input.
        :return: float32 array (rows, columns) of the preview.
        """
        values = self.image.rasterize(rows=grid.rows, columns=grid.columns)
        if dataConsistency:
            values = enforce_data_consistency(values, self.pixels, (grid.rows.first, grid.columns.first))
        if inferredDetail:
            values = values - band_limited(self.pixels, grid.rows.positions(), grid.columns.positions())
        return np.ascontiguousarray(values.T if grid.transposed else values)


def encodeSlice(models, content):
    """EncodedSlice of a SliceContent."""
    image = models.get(content.settings).represent(content.pixels, content.intensityRange)
    # The main thread draws on the CPU: it is fast, and the GPU belongs to the worker thread.
    pixels = None if image.pixels is None else image.pixels.cpu()
    image = replace(image, patches=image.patches.cpu(), pixels=pixels)
    return EncodedSlice(content.pixels.astype(np.float32), image)
