"""Which precision PyTorch computes in."""

from contextlib import nullcontext

import numpy as np


def full_precision(data):
    """Context in which PyTorch computes in the dtype of ``data``, also where autocast is on.

    :param data: tensor; NumPy arrays need no such context.
    """
    if isinstance(data, np.ndarray):
        return nullcontext()
    import torch  # Loaded already, since the data is a tensor.

    try:
        return torch.autocast(data.device.type, enabled=False)
    except RuntimeError:  # This version of PyTorch has no autocast for such a device.
        return nullcontext()
