"""What ``nexpr benchmark`` measures on each device."""

import copy
import math
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from NExpRLib.memory import available_memory
from NExpRLib.model import load_model
from NExpRLib.volumes.upsampling import upsample

from .machine import device_name
from .report import Row
from .rescale_methods import (
    BYTES_PER_PIXEL,
    COPY_OF_NEW,
    NEXPR,
    REPLAYED,
    REPLAYS,
    RescaleCase,
    replayed,
    rescale_methods,
    rescale_then_copy,
)
from .timing import Effort, Measured, in_turns, synchronized
from .volume_cost import BLOCKS, as_volume, noise, volume_cost

_PLAIN_CALL = "Plain network(x), float32"
_VOLUME_SCALE = 2
_PRECISIONS = ("auto", "float32")  # what users get, and what it is compared with


@dataclass(frozen=True)
class Workload:
    """What is measured, and for how long.

    :ivar rescale: :class:`RescaleCase`, in the order of their output pixels.
    :ivar encode: sizes of square slices.
    :ivar volume: (slices, rows, columns).
    :ivar large_volume: (slices, rows, columns).
    :ivar fewer_slices: of other volumes whose time per slice is compared with that of the large one.
    :ivar longest: seconds; a method that would rescale for longer, by its time per pixel so far, is left out.
    """

    rescale: tuple
    encode: tuple
    volume: tuple
    large_volume: tuple
    fewer_slices: tuple
    effort: Effort
    longest: float = 40

    @property
    def steps(self):
        """Number of steps per device that :func:`measure` announces."""
        return 1 + len(self.rescale) + len(self.encode) + len(_PRECISIONS)


FULL = Workload(
    rescale=(
        *(RescaleCase.whole_slice(64, scale) for scale in (2, 3.14159, 4, 8, 16)),
        RescaleCase.whole_slice(256, 4),
        RescaleCase.view(512, (1080, 1920)),
    ),
    encode=(64, 256, 320, 512),
    volume=(30, 320, 320),
    large_volume=(200, 512, 512),
    fewer_slices=(10, 50),
    effort=Effort(rounds=5, turn=0.1, budget=3),
)
QUICK = Workload(
    rescale=(
        *(RescaleCase.whole_slice(8, scale) for scale in (2, 3.14159, 4)),
        RescaleCase.view(16, (27, 48)),
    ),
    encode=(8, 16),
    volume=(3, 16, 16),
    large_volume=(8, 16, 16),
    fewer_slices=(2,),
    effort=Effort(rounds=2, turn=0.002, budget=0.1),
)


def measure(workload, device, model, announce):
    """Measure everything on a device.

    :param model: name or folder of a model.
    :param announce: called as ``announce(step, method)`` before every measurement.
    :return: list of :class:`~.report.Row`.
    """
    models = {precision: load_model(model, device.type, precision) for precision in _PRECISIONS}
    # The large volume comes first: if it does not fit into memory, that is said at once.
    large_volume = _large_volume(workload, device, model, announce)
    with torch.inference_mode():
        rows = measure_rescaling(workload, device, models["auto"], announce)
        rows += _encode(workload, device, models, announce)
    return rows + _volume(workload, device, models, announce) + large_volume


def notes(workload):
    """What the reader of each section has to know: ``{section: text}``."""
    texts = {
        "rescale": "The slice is encoded already; the result is a tensor on the device, for the view a NumPy array. "
        "The first time at a scale the basis is prepared, later it is found prepared. LIIF, LTE and SRNO have random "
        "weights; theirs is the query alone. SimpleITK prefilters in every call. "
        "Methods are called again and again and find in the caches what they read; a copy is measured so, too, and of "
        "results that are new. "
        f"A dash: not measured, a call would take more than {workload.longest:g} s or half of the free memory. "
        "Other programs that run meanwhile slow long calls more than short ones: compare on a quiet machine.",
        "encode": "From a float32 NumPy slice to the explicit function. For a volume, multiply by its slices.",
        "volume": f"int16 volumes at scale {_VOLUME_SCALE}, from SimpleITK image to SimpleITK image. For the "
        f"largest one, and others of its slices, the network has {BLOCKS} residual blocks at most, to save time.",
        "memory": "Main memory at the peak of a process of its own, minus what was in use before, the input among it, "
        "and minus the result. Fewer residual blocks take as much memory. Not measured on Windows.",
    }
    if workload is QUICK:
        trial = "A trial run on tiny images: it shows that all of it works here, not how fast. "
        texts = {section: trial + text for section, text in texts.items()}
    return texts


def measure_rescaling(workload, device, model, announce):
    """Rows of all methods; what takes too long or too much memory is left out, but never NExpR."""
    methods = rescale_methods(model, device)
    seconds_per_pixel = dict.fromkeys(methods, 0)
    rows = []
    for case in workload.rescale:
        step = f"{device.type}: {case.name}"
        calls = {}
        for name, prepare in methods.items():
            too_long = seconds_per_pixel[name] * case.pixels > workload.longest
            too_large = BYTES_PER_PIXEL.get(name, 0) * case.pixels > (available_memory() or math.inf) / 2
            if name == NEXPR or not (too_long or too_large):
                announce(step, f"preparing {name}")
                calls[name] = synchronized(prepare(case), device)
        measured = in_turns(calls, workload.effort, announce=partial(announce, step))
        rescale, copy_of_new = (synchronized(call, device) for call in rescale_then_copy(model, case))
        measured |= in_turns({COPY_OF_NEW: copy_of_new}, workload.effort, before={COPY_OF_NEW: rescale})
        if device.type == "cuda":
            # In no turn with others: they may drop from the rasterizer's cache what the captured kernels read.
            replay = {REPLAYED: synchronized(replayed(model, case), device)}
            measured[REPLAYED] = in_turns(replay, workload.effort)[REPLAYED].per(REPLAYS)
        seconds_per_pixel |= {name: m.median / case.pixels for name, m in measured.items()}
        rows += _rows("rescale", device, case.name, measured, reference=NEXPR, output_pixels=case.pixels)
    return rows


def _encode(workload, device, models, announce):
    network = copy.deepcopy(models["float32"].network).to(memory_format=torch.contiguous_format)
    rows = []
    for size in workload.encode:
        pixels = np.random.default_rng(0).random((size, size), dtype=np.float32)
        inputs = torch.zeros((1, network.config.channels, size, size))  # A noise level may stand beside the slice.
        inputs[0, 0] = torch.from_numpy(pixels)
        calls = {_PLAIN_CALL: partial(network, inputs.to(device))}
        for precision, model in models.items():
            calls[f"represent, {precision}"] = partial(model.represent, pixels, (0.0, 1.0))
        calls = {name: synchronized(call, device) for name, call in calls.items()}
        measured = in_turns(calls, workload.effort, announce=partial(announce, f"{device.type}: encoding {size}²"))
        rows += _rows("encode", device, f"{size}²", measured, reference=_PLAIN_CALL)
    return rows


def _volume(workload, device, models, announce):
    volume = as_volume(noise(workload.volume))
    name = " x ".join(map(str, workload.volume))
    rows = []
    for precision, model in models.items():
        call = {precision: partial(upsample, volume, _VOLUME_SCALE, model=model)}
        measured = in_turns(call, workload.effort, announce=partial(announce, f"{device.type}: volume, {precision}"))
        per_slice = {precision: measured[precision].per(workload.volume[0])}
        rows += _rows("volume", device, name, measured) + _rows("volume", device, f"{name}, per slice", per_slice)
    return rows


def _large_volume(workload, device, model, announce):
    name, precision = " x ".join(map(str, workload.large_volume)), "auto"
    announce(f"{device.type}: large volume", precision)
    threads = torch.get_num_threads()
    shapes = workload.large_volume, workload.fewer_slices
    cost = volume_cost(model, precision, device.type, threads, *shapes, _VOLUME_SCALE)
    rows = []
    for count, seconds in sorted(cost["seconds"]):
        case = " x ".join(map(str, (count, *workload.large_volume[1:]))) + ", per slice"
        rows += _rows("volume", device, case, {precision: Measured(tuple(seconds)).per(count)})
    if cost["extra"] is not None:
        rows += _rows("memory", device, name, {precision: Measured((cost["extra"],))})
    return rows


def _rows(section, device, case, measured, reference=None, output_pixels=None):
    reference = measured[reference].median if reference else None
    return [
        Row(section, device_name(device), case, method, values, reference, output_pixels)
        for method, values in measured.items()
    ]
