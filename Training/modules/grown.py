"""A network that begins as a smaller one: blocks that add nothing yet, a noise level that has no effect yet."""

from dataclasses import replace

import torch

from NExpRLib.network import NExpRNetwork


def grow(network: NExpRNetwork, smaller: NExpRNetwork) -> None:
    """Give a network the weights of one with as many blocks or fewer, so that it predicts the same.

    It may be told the noise level where the smaller one is not.

    >>> from NExpRLib.network import NetworkConfig
    >>> networks = [NExpRNetwork(NetworkConfig(blocks=n, features=4, hidden=8)) for n in (3, 1)]
    >>> grow(*networks)
    >>> slices = torch.rand(1, 1, 8, 8)
    >>> bool(torch.allclose(networks[0](slices), networks[1](slices)))
    True

    :raises ValueError: if they differ otherwise.
    """
    config, before = network.config, smaller.config
    alike = replace(before, blocks=config.blocks, noise_level=config.noise_level) == config
    if not alike or before.blocks > config.blocks or before.noise_level > config.noise_level:
        raise ValueError("The model to start from has another architecture than the configuration says.")
    last, last_before = f"encoder.body.{config.blocks}.", f"encoder.body.{before.blocks}."
    weights = {name.replace(last_before, last): value for name, value in smaller.state_dict().items()}
    for name, value in network.state_dict().items():
        if name not in weights:  # Of a block that is new: its second convolution decides what it adds.
            weights[name] = torch.zeros_like(value) if name.endswith((".body.2.weight", ".body.2.bias")) else value
        elif name.startswith("factors.layers.2."):  # New blocks have a part before that of the decoder.
            of_decoder = len(weights[name]) - config.hidden
            new = value.new_zeros(len(value) - len(weights[name]), *value.shape[1:])
            weights[name] = torch.cat([weights[name][:of_decoder], new, weights[name][of_decoder:]])
    if config.noise_level > before.noise_level:
        head = "encoder.head.1.weight"
        weights[head] = torch.nn.functional.pad(weights[head], (0, 0, 0, 0, 0, 1))
    network.load_state_dict(weights)
