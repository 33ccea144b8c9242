"""Small networks of every method, of the published structure."""

import torch

from NExpRTraining.methods import METHODS, Kind, names_of

SMALL = {
    "EDSR": {"blocks": 1, "features": 8},
    "SwinIR": {"features": 12, "depths": (2, 2), "heads": 2, "reconstruction_features": 8},
    "SRConvNet": {"blocks": 2, "features": 16, "heads": 4, "kernels": 3},
    "SRGAN": {"blocks": 1, "features": 8},
    "LIIF": {"blocks": 1, "features": 8, "hidden": (16, 16)},
    "LTE": {"blocks": 1, "features": 8, "hidden": 16},
    "SRNO": {"blocks": 1, "features": 8, "width": 16, "heads": 2},
}
ARBITRARY_SCALE = names_of(Kind.ARBITRARY_SCALE)
FIXED_SCALE = names_of(Kind.FIXED_SCALE, Kind.ADVERSARIAL)
COMPARED = FIXED_SCALE + ARBITRARY_SCALE


def small_network(name, *scale):
    torch.manual_seed(0)
    return METHODS[name].network(*scale, **SMALL[name]).eval()


def linear_network(name, *scale):
    """A small network that interpolates its input linearly, but for a margin where borders act."""
    network = small_network(name, *scale)
    if name in ("EDSR", "LIIF"):
        pass_on(network.encoder.head)
        zero(network.encoder.body[-1])
    if name == "EDSR":
        interpolate_linearly(network.upsampler)
        pass_on(network.tail)
    elif name == "SwinIR":
        pass_on(network.head)
        zero(network.after_body)
        before, _, upsampling, last = network.tail
        pass_on(before)
        interpolate_linearly(upsampling)
        pass_on(last)
    elif name == "LIIF":
        # Of the nine pixels whose first feature comes first, the fifth is the pixel itself.
        linear = [layer for layer in network.imnet if isinstance(layer, torch.nn.Linear)]
        for layer, feature in zip(linear, [4, *[0] * len(linear)]):
            zero(layer)
            layer.weight.data[0, feature] = 1
        # Activations would cut what is negative.
        linear[0].bias.data[0], linear[-1].bias.data[0] = 9, -9
    else:
        last = {"LTE": "imnet", "SRNO": "project", "SRGAN": "tail", "SRConvNet": "tail"}[name]
        layer = getattr(network, last)
        zero(layer[-1] if isinstance(layer, torch.nn.Sequential) else layer)
    return network


def zero(layer):
    torch.nn.init.zeros_(layer.weight)
    torch.nn.init.zeros_(layer.bias)


def pass_on(convolution):
    """Make a convolution pass on its first feature alone."""
    zero(convolution)
    convolution.weight.data[0, 0, 1, 1] = 1


def interpolate_linearly(layers):
    """Make sub-pixel convolutions continue their first feature along its gradient."""
    for convolution, shuffle in zip(layers[::2], layers[1::2]):
        step = shuffle.upscale_factor
        zero(convolution)
        offsets = (torch.arange(step) + 0.5) / step - 0.5
        for i, down in enumerate(offsets):
            for j, right in enumerate(offsets):
                kernel = convolution.weight.data[i * step + j, 0]
                kernel[1, 1] = 1
                kernel[0, 1], kernel[2, 1] = -down / 2, down / 2
                kernel[1, 0], kernel[1, 2] = -right / 2, right / 2
