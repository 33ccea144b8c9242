"""Time and memory that a volume takes, measured in a process of its own."""

import json
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np

BLOCKS = 2
_FEWEST_SLICES = 50  # of all volumes of one size together, so that one interruption does not decide


def volume_cost(model, precision, device, threads, shape, fewer, scale):
    """Upsample a volume of noise (int16), and then others of fewer slices, in a new process.

    The network has two residual blocks only, unless the model has fewer: blocks follow each other, so that more of them
    take time but no memory, and a growth of the cost per slice would show all the more.

    :param model: name or folder of a model.
    :param shape: (slices, rows, columns).
    :param fewer: numbers of slices of the other volumes.
    :return: ``{"seconds": [[slices, seconds of each repetition], ...], "extra": bytes at the peak beyond what was there
        before the first volume and its result, or None where the system does not say}``.
    """
    arguments = dict(locals())
    command = [sys.executable, "-m", __name__, json.dumps(arguments)]
    # In a session of its own, so that Ctrl-C reaches this process only, which then ends the other one.
    finished = subprocess.run(command, capture_output=True, text=True, start_new_session=True, check=False)
    if finished.returncode:
        reason = finished.stderr.strip() or f"exit status {finished.returncode}, probably for lack of memory"
        raise MemoryError(f"A volume of {shape} voxels could not be upsampled: {reason.splitlines()[-1]}")
    return json.loads(finished.stdout)


def noise(shape):
    """int16 array."""
    return np.random.default_rng(0).integers(0, 1000, shape, dtype=np.int16)


def as_volume(pixels):
    """SimpleITK image whose slices are thicker than their pixels."""
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(pixels)
    image.SetSpacing((1, 1, 3))
    return image


def peak_memory():
    """Largest main memory in bytes that this process took so far, or ``None`` where the system does not say.

    On Linux the figure of ``resource`` would begin with the peak of the process that started this one.
    """
    try:
        with open("/proc/self/status", encoding="utf-8") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM:"))
    except OSError:
        pass
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _measure(model, precision, device, threads, shape, fewer, scale):
    import torch

    from NExpRLib.model import Model, load_model
    from NExpRLib.network import NExpRNetwork
    from NExpRLib.volumes.upsampling import upsample

    torch.set_num_threads(threads)
    loaded = load_model(model, device, precision)
    config = loaded.network.config
    network = NExpRNetwork(replace(config, blocks=min(config.blocks, BLOCKS)))
    model = Model(network, loaded.card, loaded.device, loaded.precision)
    upsample(as_volume(noise((1, 16, 16))), scale, model=model)
    pixels = noise(shape)  # remains in memory: the peak up to here is what is in use
    volume = as_volume(pixels)
    before = peak_memory()
    result, first = _timed(upsample, volume, scale, model=model)
    after = peak_memory()
    result_bytes = result.GetNumberOfPixels() * result.GetSizeOfPixelComponent()
    seconds = [[shape[0], [first]]]
    for count in fewer:
        volume = as_volume(pixels[:count])
        repetitions = range(-(-_FEWEST_SLICES // count))
        seconds.append([count, [_timed(upsample, volume, scale, model=model)[1] for _ in repetitions]])
    # The peak before may have been higher than what was in use then.
    return {"seconds": seconds, "extra": None if before is None else max(0, after - before - result_bytes)}


def _timed(function, *arguments, **options):
    """What the function returns, and the seconds that it took."""
    start = time.perf_counter()
    returned = function(*arguments, **options)
    return returned, time.perf_counter() - start


if __name__ == "__main__":
    print(json.dumps(_measure(**json.loads(sys.argv[1]))))
