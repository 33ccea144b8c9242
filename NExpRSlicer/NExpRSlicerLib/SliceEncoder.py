"""Encoding slices for the preview: one at a time, the newest request wins. Knows neither MRML nor Qt."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from NExpRLib.function.explicit_image import ExplicitImage
from NExpRLib.kspace import band_limited, enforce_data_consistency

from .Models import ModelCache
from .Parameters import Settings
from .PreviewGrid import PreviewGrid
from .Worker import Worker


@dataclass
class SliceContent:
    """What is needed to encode a slice.

    :ivar pixels: array (rows, columns), a copy.
    :ivar intensityRange: of the whole volume, so that the preview equals the result.
    """

    pixels: np.ndarray
    intensityRange: tuple[float, float]
    settings: Settings


@dataclass
class EncodedSlice:
    """A slice as an explicit function, ready to be drawn at any size."""

    pixels: np.ndarray
    image: ExplicitImage

    def draw(self, grid: PreviewGrid, dataConsistency: bool = False, inferredDetail: bool = False) -> np.ndarray:
        """Pixels of a preview.

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


def encodeSlice(models: ModelCache, content: SliceContent) -> EncodedSlice:
    """Run the network."""
    image = models.get(content.settings).represent(content.pixels, content.intensityRange)
    # The main thread draws on the CPU: it is fast, and the GPU belongs to the worker thread.
    pixels = None if image.pixels is None else image.pixels.cpu()
    image = replace(image, patches=image.patches.cpu(), pixels=pixels)
    return EncodedSlice(content.pixels.astype(np.float32), image)


class SliceEncoder:
    """Keeps the slice that was encoded last. All methods are called in the main thread.

    :ivar key: identifies the encoded slice; None if there is none.
    :ivar value: what encode returned for it.
    """

    def __init__(self, worker: Worker, encode: Callable[[SliceContent], EncodedSlice]):
        """
        :param encode: encode(content) is called in the worker's thread.
        """
        self._worker = worker
        self._encode = encode
        self._inFlight = None
        self.release()

    @property
    def error(self) -> Exception | None:
        """Why the slice that was requested last could not be encoded, or None."""
        return self._failure[1] if self._failure and self._failure[0] == self._newest else None

    @property
    def pending(self) -> bool:
        """Whether a slice is being encoded or waits for it."""
        return self._inFlight is not None or self._wanted is not None

    @property
    def waiting(self) -> bool:
        """Whether the worker is busy with something else than a slice."""
        return self._wanted is not None and self._inFlight is None

    def request(self, key: tuple, readContent: Callable[[], SliceContent]) -> None:
        """Ask for a slice; it replaces requests that were not started.

        :param readContent: called in the main thread when encoding starts; returns the content to encode, or raises
            ValueError to say why it cannot be.
        """
        self._newest = key
        known = key in (self.key, self._inFlight) or self.error is not None
        self._wanted = None if known else (key, readContent)
        self._start()

    def poll(self, timeout: float = 0) -> None:
        """Take over what was encoded, and start what was requested meanwhile; see Worker.poll."""
        self._worker.poll(timeout)
        self._start()

    def withdraw(self) -> None:
        """Give up a request that was not started."""
        self._wanted = None

    def release(self) -> None:
        """Forget all slices; one that is being encoded is dropped when it is done."""
        self._newest = self._wanted = self._failure = None
        self.key = self.value = None

    def _start(self) -> None:
        if self._wanted is None or self._worker.busy:
            return
        (key, readContent), self._wanted = self._wanted, None
        try:
            content = readContent()
        except ValueError as error:
            self._failure = (key, error)
            return
        self._inFlight = key
        self._worker.submit(partial(self._encode, content), partial(self._onDone, key))

    def _onDone(self, key: tuple, value: EncodedSlice | None, error: Exception | None) -> None:
        self._inFlight = None
        if key != self._newest:
            return
        if error is None:
            self.key, self.value, self._failure = key, value, None
        else:
            self._failure = (key, error)
            if not isinstance(error, ValueError):
                logging.error("NExpR: the slice could not be encoded.", exc_info=error)
