"""LPIPS (Zhang et al. 2018), where the user has its weights. Needs the package lpips."""

import numpy as np
import torch


class LPIPSMetric:
    """Perceptual distance of gray slices in [0, 1]; lower is better.

    :ivar name: with the variant, for tables.
    """

    def __init__(self, network, variant, device):
        self.network, self.name, self.device = network.to(device).eval(), f"LPIPS ({variant})", device

    @torch.inference_mode()
    def __call__(self, restored, truth):
        images = [
            torch.from_numpy(np.clip(image, 0, 1).astype(np.float32)).to(self.device).expand(1, 3, -1, -1)
            for image in (restored, truth)
        ]
        return float(self.network(*images, normalize=True))


def load_lpips(setting, device):
    """LPIPS with the linear layers that the package lpips carries, on the given weights of torchvision.

    :param setting: :class:`~.protocol.LPIPS`.
    :raises ValueError: if the weights are not those of the network.
    """
    import lpips

    if setting.network not in ("alex", "vgg"):
        raise ValueError(f"The network of LPIPS must be alex or vgg, not {setting.network}.")
    network = lpips.LPIPS(net=setting.network, pnet_rand=True, verbose=False)
    try:
        state = torch.load(setting.weights, map_location="cpu", weights_only=True)
        # Within its slices, the package numbers layers as torchvision does: slice2.3.weight is features.3.weight.
        names = {name: "features." + name.split(".", 1)[1] for name in network.net.state_dict()}
        network.net.load_state_dict({name: state[of_torchvision] for name, of_torchvision in names.items()})
    except Exception as error:
        raise ValueError(f"{setting.weights} holds no weights of torchvision for LPIPS ({setting.network}).") from error
    return LPIPSMetric(network, setting.network, device)
