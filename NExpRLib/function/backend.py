"""Which precision PyTorch computes in."""

from contextlib import nullcontext, suppress

import numpy as np


def full_precision(data):
    """Context in which PyTorch computes in the dtype of ``data``, also where autocast is on.

    :param data: tensor; NumPy arrays need no such context.
    """
    if isinstance(data, np.ndarray):
        return nullcontext()
    import torch  # Loaded already, since the data is a tensor.

    device_type = data.device.type
    with suppress(TypeError, RuntimeError):  # Versions before 2.4 cannot be asked; entering autocast takes 5 us.
        if not torch.is_autocast_enabled(device_type):
            return nullcontext()
    try:
        return torch.autocast(device_type, enabled=False)
    except RuntimeError:  # This version of PyTorch has no autocast for such a device.
        return nullcontext()
