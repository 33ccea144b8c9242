"""Complexity and time of every method (Table 5, Fig. 8), measured in one process."""

import hashlib
import json
import math
from functools import partial

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from NExpRLib.allocator import freed_memory_kept

from ..benchmark.machine import device_name
from ..benchmark.timing import Effort, in_turns, synchronized
from ..evaluation.restorers import classical_methods
from ..files.volume_files import atomic_output
from ..markdown import three_digits
from ..methods import METHODS
from .comparison import Case
from .tables import REFERENCE, write_table


def complexity(restorer, size, scale=4):
    """Millions of parameters, and thousand millions of multiply-adds of the network from ``size`` to ``scale`` times
    that, NExpR's rasterizing included; ``None`` for classical methods."""
    if restorer.network is None:
        return None
    low, shape = np.zeros((size, size), np.float32), (size * scale, size * scale)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        restorer(low, shape)
    parameters = sum(parameter.numel() for parameter in restorer.network.parameters())
    return parameters / 1e6, counter.get_total_flops() / 2e9


def times(restorer, size, scales, repeats, device):
    """Medians in seconds: ``(encode, {scale: rescale})``.

    Rescaling is measured from what was encoded to the result in memory; NExpR finds its basis prepared, but for the
    first call. A fixed-scale network runs as a whole for every result. GPUs are synchronized.
    """
    low = np.random.default_rng(0).random((size, size), dtype=np.float32)
    encoded = restorer.encode(low)
    calls = {"encode": partial(restorer.encode, low)}
    for scale in scales:
        if restorer.scale in (None, scale):
            calls[scale] = partial(restorer.rescale, encoded, (round(size * scale), round(size * scale)))
    calls = {name: synchronized(call, device) for name, call in calls.items()}
    with freed_memory_kept():  # Also for the methods that would not ask for it.
        measured = in_turns(calls, Effort(rounds=repeats, turn=0.02, budget=math.inf))
    medians = {name: of_call.median for name, of_call in measured.items()}
    return medians.pop("encode"), medians


def measure_times(comparison):
    """Complexity and times of every method on the field-of-view grid, for the first test set; kept in ``timing.json``.

    :return: ``{"machine": ..., "methods": {method: {"complexity", "encode", "rescale"}}}``.
    """
    setting = comparison.protocol.timing
    path = comparison.output / "timing.json"
    wanted = {"size": setting.size, "scales": setting.scales, "repeats": setting.repeats, "methods": comparison.methods}
    threads = f"{torch.get_num_threads()} threads, PyTorch {torch.__version__}"
    wanted["machine"] = f"{device_name(comparison.device)}, {threads}"
    test_set = next(iter(comparison.protocol.test_sets))
    wanted["networks"] = _origins(comparison, test_set)
    if path.is_file():
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["setting"] == wanted:
            return found
    classical = classical_methods("bicubic")
    measured = {}
    for name in comparison.methods:
        by_scale = {}
        for scale in _scales(comparison, name):
            if name in classical:
                restorer = classical[name]
            else:
                restorer = comparison.restorer(name, Case(test_set, scale))[1]().on_field_of_view()
            if not by_scale:
                counted = complexity(restorer, setting.size)
            encode, rescale = times(restorer, setting.size, setting.scales, setting.repeats, comparison.device)
            by_scale |= rescale
            if restorer.scale is None:
                break
        measured[name] = {"complexity": counted, "encode": encode, "rescale": sorted(by_scale.items())}
        measured[name]["fixed"] = restorer.scale is not None
    found = {"setting": wanted, "methods": measured}
    with atomic_output(path) as temporary:
        temporary.write_text(json.dumps(found, indent=1), encoding="utf-8")
    return found


def _scales(comparison, name):
    """Scales for which a method may have networks of their own, the highest first."""
    scales = sorted({4, *comparison.protocol.fixed_scales}, reverse=True)
    return [scale for scale in scales if comparison.restores(name, scale)]


def _origins(comparison, test_set):
    """Digest of what all networks depend on."""
    origins = [
        comparison.restorer(name, Case(test_set, scale))[0]
        for name in comparison.methods
        for scale in _scales(comparison, name)
    ]
    return hashlib.sha256(json.dumps(origins, sort_keys=True).encode()).hexdigest()


def complexity_table(comparison, found):
    """Table 5."""
    size = comparison.protocol.timing.size
    rescaling = {name: dict(values["rescale"]).get(4) for name, values in found["methods"].items()}
    reference = rescaling.get(REFERENCE)
    rows = []
    for name, values in found["methods"].items():
        parameters, products = values["complexity"] or (None, None)
        rescale = rescaling[name]
        rows.append(
            [
                name,
                f"{parameters:.2f}" if parameters else "-",
                f"{products:.2f}" if parameters else "-",
                *(METHODS[name].paper if name in METHODS else ("-", "-")),
                "-" if values["fixed"] else milliseconds(values["encode"]),
                milliseconds(rescale) if rescale else "-",
                three_digits(rescale / reference) if rescale and reference else "-",
            ]
        )
    header = ["Method", "Parameters (M)", "Multiply-adds (G)", "Paper: parameters (M)", "Paper: multiply-adds (G)"]
    header += ["Encode (ms)", f"Rescale {size} to {4 * size} (ms)", f"Rescale, {REFERENCE} = 1"]
    return write_table(comparison.results, "complexity", header, rows)


def milliseconds(seconds):
    return "< 0.01" if seconds < 1e-5 else three_digits(1e3 * seconds)
