"""Perceptual loss of SRGAN: distance between the features that VGG19 sees (Ledig et al. 2017)."""

import torch
from torch import nn

# Widths of the 3 x 3 convolutions of VGG19 by stage; each stage but the last ends with 2 x 2 max pooling.
STAGES = [[64] * 2, [128] * 2, [256] * 4, [512] * 4, [512] * 4]
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class PerceptualLoss(nn.Module):
    """Mean absolute difference between features of the last convolution (conv5_4), before its activation.

    :param weights: path of the state dictionary of torchvision's VGG19, trained on ImageNet.
    :raises ValueError: if the file is something else.
    """

    def __init__(self, weights):
        super().__init__()
        layers, previous = [], 3
        for stage in STAGES:
            for width in stage:
                layers += [nn.Conv2d(previous, width, 3, padding=1), nn.ReLU(inplace=True)]
                previous = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers[:-2]).eval()
        try:
            state = torch.load(weights, map_location="cpu", weights_only=True)
            self.load_state_dict({name: state[name] for name in self.state_dict()})
        except Exception as error:
            raise ValueError(f"{weights} holds no weights of torchvision's VGG19.") from error
        self.requires_grad_(False)
        self.register_buffer("mean", torch.tensor(_MEAN)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(_STD)[:, None, None], persistent=False)

    def forward(self, results, truths):
        """Scalar loss of gray images (b, 1, H, W) in [0, 1]."""
        return nn.functional.l1_loss(self._features(results), self._features(truths))

    def _features(self, images):
        return self.features((images.expand(-1, 3, -1, -1) - self.mean) / self.std)
