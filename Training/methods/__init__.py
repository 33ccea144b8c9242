"""Networks of the methods that NExpR is compared with, written from their papers, for single-channel images.

- Fixed-scale: ``METHODS[name].network(scale)`` makes the network of one scale (2, 3 or 4), and ``network(low)`` gives
  (b, 1, h * scale, w * scale) on the field-of-view grid (:mod:`NExpRLib.function.samples`).
- Arbitrary-scale: ``METHODS[name].network()`` makes the one network of all scales, see
  :class:`~.arbitrary_scale.ArbitraryScaleNetwork`.

No network normalizes intensities or clips its result: LIIF, LTE and SRNO are trained on [-1, 1], see
:func:`~.arbitrary_scale.to_network`, the others on [0, 1].
"""

from typing import NamedTuple

from torch import nn

from .edsr import EDSR
from .liif import LIIF
from .lte import LTE
from .srconvnet import SRConvNet
from .srgan import MSRResNet
from .srno import SRNO
from .swinir import SwinIR


class Method(NamedTuple):
    """A method: the constructor of its network, and whether one network serves all scales."""

    network: type[nn.Module]
    arbitrary_scale: bool


METHODS = {
    "EDSR": Method(EDSR, False),
    "SwinIR": Method(SwinIR, False),
    "SRConvNet": Method(SRConvNet, False),
    "SRGAN": Method(MSRResNet, False),
    "LIIF": Method(LIIF, True),
    "LTE": Method(LTE, True),
    "SRNO": Method(SRNO, True),
}
