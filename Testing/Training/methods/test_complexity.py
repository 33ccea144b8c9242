"""Parameters and multiply-adds of the published sizes, at 64 x 64 -> 256 x 256, counted by hand from the papers."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from NExpRLib.function.samples import Samples
from NExpRTraining.methods import METHODS

from .networks import ARBITRARY_SCALE, COMPARED

LOW, HIGH = 64 * 64, 256 * 256


def convolution(inputs, outputs, kernel_size, bias=True):
    """Parameters, and multiply-adds per pixel."""
    weights = inputs * outputs * kernel_size**2
    return weights + bias * outputs, weights


def total(*layers):
    """Parameters and multiply-adds of (layer, number of positions at which it is evaluated, number of such layers)."""
    return (
        sum(parameters * copies for (parameters, _), _, copies in layers),
        sum(products * positions * copies for (_, products), positions, copies in layers),
    )


ENCODER = [(convolution(1, 64, 3), LOW, 1), (convolution(64, 64, 3), LOW, 33)]
UPSAMPLER = [(convolution(64, 256, 3), LOW, 1), (convolution(64, 256, 3), 4 * LOW, 1), (convolution(64, 1, 3), HIGH, 1)]
LAYER_NORM = (2 * 180, 0)
BY_HAND = {
    "EDSR": total(*ENCODER, *UPSAMPLER),
    # Residual blocks without the convolution after them, but one more at full size.
    "SRGAN": total(
        (convolution(1, 64, 3), LOW, 1),
        (convolution(64, 64, 3), LOW, 32),
        *UPSAMPLER,
        (convolution(64, 64, 3), HIGH, 1),
    ),
    "SwinIR": total(
        (convolution(1, 180, 3), LOW, 1),
        (LAYER_NORM, LOW, 2 + 2 * 36),
        (convolution(180, 3 * 180, 1), LOW, 36),
        ((15**2 * 6, 2 * 64 * 180), LOW, 36),  # position bias; queries x keys, weights x values in windows of 64
        (convolution(180, 180, 1), LOW, 36),
        (convolution(180, 360, 1), LOW, 36),
        (convolution(360, 180, 1), LOW, 36),
        (convolution(180, 180, 3), LOW, 6 + 1),
        (convolution(180, 64, 3), LOW, 1),
        *UPSAMPLER,
    ),
    "SRConvNet": total(
        (convolution(1, 64, 3), LOW, 1),
        ((2 * 64, 0), LOW, 2 * 8),  # layer normalization
        ((8, 0), LOW, 8),  # scale of each head
        (convolution(128, 128, 1, bias=False), 64 * 33, 8),  # at the frequencies of a real transform
        ((64 * 9 + 64, 64 * 9), LOW, 8),  # depthwise convolution for the position
        (convolution(64, 64, 1), LOW, 8 + 8),
        (convolution(64, 128, 1), LOW, 8),
        (convolution(128, 64, 1), LOW, 8),
        *[
            layer
            for size in (5, 7)
            for layer in [
                (convolution(64, 8, 1), 1, 8),
                (convolution(8, 16, 1), 1, 8),
                ((16 * 64 * (size**2 + 1), 16 * 64 * (size**2 + 1)), 1, 8),  # sum of 16 kernels and biases
                ((0, 64 * size**2), LOW, 8),  # depthwise convolution with it
            ]
        ],
        (convolution(64, 256, 1), LOW, 1),
        (convolution(64, 256, 1), 4 * LOW, 1),
        (convolution(64, 1, 3), HIGH, 1),
    ),
    "LIIF": total(
        *ENCODER,
        (convolution(9 * 64 + 4, 256, 1), 4 * HIGH, 1),
        (convolution(256, 256, 1), 4 * HIGH, 3),
        (convolution(256, 1, 1), 4 * HIGH, 1),
    ),
    "LTE": total(
        *ENCODER,
        (convolution(64, 256, 3), LOW, 2),
        (convolution(2, 128, 1, bias=False), 1, 1),
        (convolution(256, 256, 1), 4 * HIGH, 3),
        (convolution(256, 1, 1), 4 * HIGH, 1),
    ),
    "SRNO": total(
        *ENCODER,
        (convolution(4 * 66 + 2, 256, 1), HIGH, 1),
        (convolution(256, 3 * 256, 1), HIGH, 2),
        ((4 * 256, 2 * 16 * 256), HIGH, 2),  # normalization of keys and values; keys x values, queries x that
        (convolution(256, 256, 1), HIGH, 2 * 2 + 1),
        (convolution(256, 1, 1), HIGH, 1),
    ),
}

# Millions of parameters and thousand millions of multiply-adds as published, and by how much the latter may differ.
# SwinIR, SRNO: published without the products of queries, keys and values (6 % and 2 %); SRConvNet: 1.63 against 1.7.
PUBLISHED = {
    "EDSR": (1.52, 8.04, 0.002),
    "SwinIR": (11.9, 50.5, 0.06),
    "SRConvNet": (1.0, 1.7, 0.05),
    "SRGAN": (1.52, 10.3, 0.002),
    "LIIF": (1.57, 95.5, 0.002),
    "LTE": (1.71, 57.9, 0.002),
    "SRNO": (2.01, 56.7, 0.02),
}


def test_every_method_is_counted():
    assert set(BY_HAND) == set(PUBLISHED) == set(COMPARED)


@pytest.mark.parametrize("name", COMPARED)
def test_parameters_and_multiply_adds(name):
    method = METHODS[name]
    with torch.device("meta"):
        network = method.network() if name in ARBITRARY_SCALE else method.network(4)
        low = torch.zeros(1, 1, 64, 64)
    positions = Samples.over(64, 256).positions()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        result = network(low, positions, positions) if name in ARBITRARY_SCALE else network(low)
    assert result.shape == (1, 1, 256, 256)
    counted = sum(p.numel() for p in network.parameters()), counter.get_total_flops() / 2
    assert counted == BY_HAND[name]
    parameters, multiply_adds, tolerance = PUBLISHED[name]
    assert counted[0] / 1e6 == pytest.approx(parameters, rel=0.006)
    assert counted[1] / 1e9 == pytest.approx(multiply_adds, rel=tolerance)


def test_published_figures_that_leave_out_products_of_attention():
    products_of_swinir = 36 * LOW * 2 * 64 * 180
    # The published figure is higher by less than a percent: presumably normalizations and softmax are counted in it.
    assert (BY_HAND["SwinIR"][1] - products_of_swinir) / 1e9 == pytest.approx(50.5, rel=0.01)
    products_of_srno = 2 * HIGH * 2 * 16 * 256
    assert round((BY_HAND["SRNO"][1] - products_of_srno) / 1e9, 1) == 56.7
