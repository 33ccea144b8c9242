"""Small networks of every method, of the published structure."""

import torch

from Training.methods import METHODS

SMALL = {
    "EDSR": {"blocks": 1, "features": 8},
    "SwinIR": {"features": 12, "depths": (2, 2), "heads": 2, "reconstruction_features": 8},
    "SRConvNet": {"blocks": 2, "features": 16, "heads": 4, "kernels": 3},
    "SRGAN": {"blocks": 1, "features": 8},
    "LIIF": {"blocks": 1, "features": 8, "hidden": (16, 16)},
    "LTE": {"blocks": 1, "features": 8, "hidden": 16},
    "SRNO": {"blocks": 1, "features": 8, "width": 16, "heads": 2},
}
ARBITRARY_SCALE = [name for name, method in METHODS.items() if method.arbitrary_scale]
FIXED_SCALE = [name for name, method in METHODS.items() if not method.arbitrary_scale]


def small_network(name, *scale):
    torch.manual_seed(0)
    return METHODS[name].network(*scale, **SMALL[name]).eval()
