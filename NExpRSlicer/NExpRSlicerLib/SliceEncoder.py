"""Slices as explicit functions for the preview: which are encoded when, and which are kept.

Knows neither MRML nor Qt.
"""

from __future__ import annotations

import logging
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np
from slicer.i18n import tr as _

from NExpRLib.function.explicit_image import ExplicitImage
from NExpRLib.function.samples import Samples
from NExpRLib.measured_slice import MeasuredSlice
from NExpRLib.model_card import intensity_range
from NExpRLib.volumes.explicit_plane import ExplicitPlane
from NExpRLib.volumes.in_plane import with_measured_band
from NExpRLib.volumes.meaning import Meaning
from NExpRLib.volumes.measured_grid import MeasuredGrid
from NExpRLib.volumes.padding import filled, mask_of, sampled_mask
from NExpRLib.volumes.through_plane import represent_plane
from NExpRLib.volumes.volume import Volume

from .Models import ModelCache, checkedBetweenLayers, slicesSettings
from .Parameters import Settings
from .PreviewGrid import PreviewGrid, ShownPlane
from .Worker import Cancelled, Worker

KEPT_BYTES = 2**29  # 24 slices of 512 x 512 pixels, 95 of 256 x 256


@dataclass(frozen=True)
class Seen:
    """How the network sees planes of a volume.

    :ivar grid: that was measured of them.
    :ivar stack: for planes through the slices, what is told of these, see NExpRLib.volumes.run.stack_options.
    :ivar noise: standard deviation of the noise, where it may be removed.
    """

    grid: MeasuredGrid
    stack: dict[str, float] | None = None
    noise: float | None = None


class VolumeRange:
    """What of a volume the network sees as 0 and 1, how it sees its planes, and what its values mean.

    With these of the volume, the preview equals the result. They are computed once, in the worker thread, because they
    depend on all voxels.

    :ivar padding: value of voxels without data, after get(); None where there are none.
    :ivar limits: lowest and highest value of the result, after get(); None for no limit.
    """

    def __init__(
        self,
        volume: Volume,
        card: dict,
        measuring: Callable[[Volume], dict[int, Seen]],
        facts: dict,
        across: int,
    ):
        """
        :param measuring: called in the worker thread with the volume, continued where there are no data; says for each
            axis how planes across it are seen.
        :param facts: of the header, under their BIDS names.
        :param across: the axis across the slices.
        """
        self._volume: Volume | None = volume
        self._measuring: Callable[[Volume], dict[int, Seen]] | None = measuring
        self._card, self._facts, self._across = card, facts, across
        self._seen: dict[int, Seen] = {}
        self.padding: float | None = None
        self.limits: tuple[float | None, float | None] = (None, None)
        self._range: tuple[float, float] | None = None
        self._error: ValueError | None = None

    def get(self) -> tuple[float, float]:
        """:raises ValueError: for voxels that are no intensities."""
        if self._volume is not None:
            try:
                self._look(self._volume)
            except ValueError as error:
                self._error = error
            self._volume = self._measuring = None
        if self._error is not None:
            raise self._error
        return self._range

    def _look(self, volume: Volume) -> None:
        meaning = Meaning(volume, self._facts)
        if meaning.is_phase:
            raise ValueError(_("The image is phase, which has no preview: Apply refines its cosine and sine."))
        self.padding, self.limits = meaning.padding, meaning.limits
        (part,) = meaning.parts(self._across)
        self._range = intensity_range(self._card, part.pixels)
        self._seen = self._measuring(part)

    def seen(self, plane: ShownPlane) -> Seen:
        """How the network sees planes of a family, after get()."""
        return self._seen[plane.across]


@dataclass
class SliceContent:
    """What is needed to encode a slice.

    :ivar pixels: array (rows, columns), a copy.
    :ivar plane: which slices it is one of.
    """

    pixels: np.ndarray
    volumeRange: VolumeRange
    settings: Settings
    plane: ShownPlane


@dataclass
class EncodedSlice:
    """A slice as an explicit function, ready to be drawn at any size.

    :ivar image: the function, on the measured grid.
    :ivar grid: the measured grid.
    :ivar measured: what the slice says by itself, on the measured grid.
    :ivar pixels: as they are stored; continued where there are no data.
    :ivar padding: value of pixels without data.
    :ivar empty: where these are, or None.
    :ivar limits: lowest and highest value of a result, or None.
    :ivar withoutNoise: the function of the slice without its noise, or None.
    """

    image: ExplicitImage | ExplicitPlane
    grid: MeasuredGrid
    measured: MeasuredSlice
    pixels: np.ndarray
    padding: float | None = None
    empty: np.ndarray | None = None
    limits: tuple[float | None, float | None] = (None, None)
    withoutNoise: ExplicitImage | None = None

    @property
    def nbytes(self) -> int:
        arrays = [self.measured.pixels, self.measured.empty, self.pixels, *self.image.parts]
        if self.withoutNoise is not None:
            arrays += self.withoutNoise.parts
        return sum(array.nbytes for array in arrays)

    def draw(
        self,
        grid: PreviewGrid,
        dataConsistency: bool = False,
        inferredDetail: bool = False,
        noiseReduction: float = 0.0,
        mix: NoiseMix | None = None,
    ) -> np.ndarray:
        """Pixels of a preview.

        :param dataConsistency: keep the measured spatial frequencies; for grids over the whole slice.
        :param inferredDetail: draw what the network added to the band-limited input.
        :param noiseReduction: share of the noise to remove, from 0 to 1.
        :param mix: of the view, which makes drawing the same slice with another share quick.
        :return: float32 array (rows, columns) of the preview.
        """
        rows, columns = (along.seen_from(of) for along, of in zip((grid.rows, grid.columns), self.grid.samples))
        if noiseReduction and self.withoutNoise is not None:
            values = (mix or NoiseMix()).of(self.image, self.withoutNoise, rows, columns, noiseReduction)
        else:
            values = self.image.rasterize(rows=rows, columns=columns)
        if dataConsistency and self.grid.measured == self.grid.stored:
            values = self.measured.kept_by(values, rows, columns)
        elif dataConsistency:
            values, stored = values.astype(np.float64), self.pixels.astype(np.float64)
            values = with_measured_band(values, stored, grid.rows, grid.columns, self.grid)
        elif self.limits != (None, None):
            values = np.clip(values, *self.limits)
        if inferredDetail:
            values = self.measured.added_by(values, rows, columns)
        if self.empty is not None:
            without = sampled_mask(self.empty, (grid.columns, grid.rows))
            values[without] = 0 if inferredDetail else self.padding
        values = values.astype(np.float32, copy=False)
        return np.ascontiguousarray(values.T if grid.transposed else values)


class NoiseMix:
    """The slice that was drawn last, with and without its noise.

    Functions are linear: mixing what they give takes less time than mixing their coefficients.
    """

    def __init__(self):
        self._drawn: tuple = ()  # (what is drawn, values with noise, values without)

    def of(
        self, image: ExplicitImage, withoutNoise: ExplicitImage, rows: Samples, columns: Samples, share: float
    ) -> np.ndarray:
        """Array (rows, columns) without a share of the noise."""
        what = (image, rows, columns)
        if not self._drawn or self._drawn[0] != what:
            self.clear()  # Before the next is drawn: both can be large.
            self._drawn = what, *(each.rasterize(rows=rows, columns=columns) for each in (image, withoutNoise))
        _what, kept, removed = self._drawn
        return kept + np.float32(share) * (removed - kept)

    def clear(self) -> None:
        """Forget it."""
        self._drawn = ()


def encodeSlice(models: ModelCache, content: SliceContent, superseded: Callable[[], bool]) -> EncodedSlice:
    """Run the network.

    :param superseded: asked between its layers whether another slice is wanted instead.
    :raises Cancelled: if so.
    """

    def check() -> None:
        if superseded():
            raise Cancelled()

    check()
    volumeRange = content.volumeRange.get()
    pixels, padding = content.pixels, content.volumeRange.padding
    empty = None if padding is None else mask_of(pixels, padding)
    if empty is not None and empty.any():
        pixels = np.zeros_like(pixels) if empty.all() else filled(pixels[None], empty[None])[0]
    seen = content.volumeRange.seen(content.plane)
    grid = seen.grid
    onGrid = grid.resample(pixels[None])[0]
    model = models.get(content.settings) if seen.stack is None else models.getForSlices(content.settings)
    start = time.monotonic()
    with checkedBetweenLayers(model, check):
        # The main thread draws on the CPU: it is fast, and the GPU belongs to the worker thread.
        if seen.stack is None:
            image = model.represent(onGrid, volumeRange).cpu()
        else:
            image = represent_plane(onGrid, model, intensity_range=volumeRange, **seen.stack)
        withoutNoise = None
        if seen.noise is not None:
            withoutNoise = model.represent(onGrid, volumeRange, noise_reduction=1.0, noise=seen.noise).cpu()
    settings = content.settings if seen.stack is None else slicesSettings(content.settings)
    models.noteSpeed(settings, math.prod(grid.shape), (time.monotonic() - start) / (1 if withoutNoise is None else 2))
    measured = _onGrid(MeasuredSlice.of(pixels.astype(np.float32)), grid)
    return EncodedSlice(image, grid, measured, pixels, padding, empty, content.volumeRange.limits, withoutNoise)


def _onGrid(measured: MeasuredSlice, grid: MeasuredGrid) -> MeasuredSlice:
    """What a slice says by itself, on the measured grid."""
    if grid.measured == grid.stored:
        return measured
    return MeasuredSlice(grid.resample(measured.pixels[None])[0], grid.nearest(measured.empty[None])[0])


Request = tuple[tuple, Callable[[], SliceContent]]


class SliceEncoder:
    """Keeps the slices that were encoded last. All methods are called in the main thread."""

    def __init__(
        self,
        worker: Worker,
        encode: Callable[[SliceContent, Callable[[], bool]], EncodedSlice],
        onChanged: Callable[[], None] = lambda: None,
    ):
        """
        :param encode: encode(content, superseded) is called in the worker's thread; it may raise Cancelled when
            superseded() says so.
        :param onChanged: called when the slice that was requested last is there, or could not be encoded.
        """
        self._worker = worker
        self._encode = encode
        self._onChanged = onChanged
        self._kept: OrderedDict[tuple, EncodedSlice] = OrderedDict()  # the one used last comes last
        self._inFlight: list[tuple] = []
        self._failures: dict[tuple, Exception] = {}
        self._requested: list[Request] = []

    @property
    def pending(self) -> bool:
        """Whether poll() has something to do."""
        return bool(self._inFlight) or (not self._worker.busy and self._missing() is not None)

    def get(self, key: tuple) -> EncodedSlice | None:
        """The slice, if it is there."""
        return self._kept.get(key)

    def error(self, key: tuple) -> Exception | None:
        """Why a slice that was requested last could not be encoded, or None."""
        return self._failures.get(key)

    def request(self, key: tuple, readContent: Callable[[], SliceContent], neighbors: Iterable[Request] = ()) -> None:
        """Ask for a slice, which is encoded as soon as possible; what was asked for before is given up.

        :param readContent: called when encoding starts; returns the content to encode.
        :param neighbors: (key, readContent) of slices to encode when the worker has nothing else to do, the most likely
            one first.
        """
        self._requested = [(key, readContent), *neighbors]
        keys = [requested for requested, _readContent in self._requested]
        self._failures = {failed: error for failed, error in self._failures.items() if failed in keys}
        for requested in reversed(keys):
            if requested in self._kept:
                self._kept.move_to_end(requested)
        self._start()

    def poll(self, timeout: float = 0) -> None:
        """Take over what was encoded, and go on; see Worker.poll."""
        self._worker.poll(timeout)
        self._start()

    def withdraw(self) -> None:
        """Give up all requests; what is kept stays."""
        self._requested = []

    def release(self) -> None:
        """Forget all slices."""
        self.withdraw()
        self._kept.clear()
        self._failures.clear()

    def _missing(self) -> Request | None:
        """The first requested slice that is neither there nor on its way; neighbors come after the current one."""
        current = self._kept.get(self._requested[0][0]) if self._requested else None
        number = 1 if current is None else max(1, KEPT_BYTES // current.nbytes)
        for key, readContent in self._requested[:number]:
            if key not in self._kept and key not in self._failures and key not in self._inFlight:
                return key, readContent
        return None

    def _start(self) -> None:
        missing = self._missing()
        if missing is None:
            return
        key, readContent = missing
        # The current slice follows at once those that are superseded by it; its neighbors wait until nothing is done.
        if key == self._requested[0][0] or not self._worker.busy:
            self._inFlight.append(key)
            encode = partial(self._encode, readContent(), partial(self._superseded, key))
            self._worker.submit(encode, partial(self._onDone, key))

    def _superseded(self, key: tuple) -> bool:
        """Whether a slice that is being encoded is to be given up; called in the worker's thread."""
        requested = self._requested
        if not requested or all(key != each for each, _readContent in requested):
            return True
        current = requested[0][0]
        return key != current and current not in self._kept and current not in self._failures

    def _onDone(self, key: tuple, value: EncodedSlice | None, error: BaseException | None) -> None:
        self._inFlight.remove(key)
        if isinstance(error, Cancelled):
            return
        requested = [each for each, _readContent in self._requested]
        if error is None and requested:
            self._keep(key, value)
        elif error is not None and key in requested:
            self._failures[key] = error
            if not isinstance(error, ValueError):
                logging.error("NExpR: the slice could not be encoded.", exc_info=error)
        if requested and key == requested[0]:
            self._onChanged()

    def _keep(self, key: tuple, value: EncodedSlice) -> None:
        self._kept[key] = value
        if (current := self._requested[0][0]) in self._kept:
            self._kept.move_to_end(current)
        total = sum(each.nbytes for each in self._kept.values())
        while total > KEPT_BYTES and len(self._kept) > 1:
            _key, dropped = self._kept.popitem(last=False)
            total -= dropped.nbytes
