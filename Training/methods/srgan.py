"""SRGAN (Ledig et al. 2017, "Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial
Network"), with the networks that the NExpR paper names: the generator MSRResNet, which is SRResNet without batch
normalization as modified by the authors of ESRGAN (Wang et al. 2018), and a VGG-style discriminator.

The generator has 1.52 M parameters and 10.3 G multiply-adds at 4x for 64 x 64 pixels; the NExpR paper prints its size
in MiB (5.8).
"""

from functools import partial

from torch import nn

from NExpRLib.network import ResidualBlock

from .upsampler import upsampler


class MSRResNet(nn.Module):
    """Generator: (b, 1, h, w) -> (b, 1, h * scale, w * scale) on the field-of-view grid.

    Predicts the difference to bilinear interpolation; one network per scale 2, 3, 4.
    """

    def __init__(self, scale, blocks=16, features=64):
        super().__init__()
        leaky = partial(nn.LeakyReLU, 0.1, inplace=True)
        self.scale = scale
        self.head = nn.Sequential(nn.Conv2d(1, features, 3, padding=1), leaky())
        self.body = nn.Sequential(*[ResidualBlock(features) for _ in range(blocks)])
        self.upsampler = upsampler(features, scale, activation=leaky)
        self.tail = nn.Sequential(
            nn.Conv2d(features, features, 3, padding=1), leaky(), nn.Conv2d(features, 1, 3, padding=1)
        )
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                # "Smaller initialization" of ESRGAN.
                nn.init.kaiming_normal_(layer.weight)
                layer.weight.data *= 0.1
                nn.init.zeros_(layer.bias)

    def forward(self, low):
        difference = self.tail(self.upsampler(self.body(self.head(low))))
        return difference + nn.functional.interpolate(low, scale_factor=self.scale, mode="bilinear")


class VGGStyleDiscriminator(nn.Module):
    """Discriminator: (b, 1, input_size, input_size) -> (b, 1), the logit of being a true image.

    Five stages, each halving the size by its second convolution, then two linear layers.

    :param input_size: side of the high-resolution training crops, a multiple of 32 (128 in the published training).
    :raises ValueError: for another size.
    """

    def __init__(self, input_size=128, features=64):
        super().__init__()
        if input_size < 32 or input_size % 32:
            raise ValueError(f"The discriminator needs crops whose side is a multiple of 32, not {input_size}.")
        widths = [features * factor for factor in (1, 2, 4, 8, 8)]
        layers, previous = [], 1
        for stage, width in enumerate(widths):
            # Batch normalization, except after the very first layer, replaces the bias of a convolution.
            first = nn.Conv2d(previous, width, 3, padding=1, bias=stage == 0)
            second = nn.Conv2d(width, width, 4, stride=2, padding=1, bias=False)
            layers += [first, *([nn.BatchNorm2d(width)] if stage else []), nn.LeakyReLU(0.2, inplace=True)]
            layers += [second, nn.BatchNorm2d(width), nn.LeakyReLU(0.2, inplace=True)]
            previous = width
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(widths[-1] * (input_size // 32) ** 2, 100),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Linear(100, 1),
        )

    def forward(self, image):
        return self.classifier(self.features(image))
