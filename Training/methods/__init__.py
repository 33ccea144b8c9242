"""The methods that are trained and compared. This is the place where one is added: write its network and its
configuration, and name both in :data:`METHODS`.

Networks are written from their papers, for single-channel images:

- Fixed-scale: ``network(scale)`` makes the network of one scale (2, 3 or 4), and ``network(low)`` gives
  (b, 1, h * scale, w * scale) on the field-of-view grid (:mod:`NExpRLib.function.samples`).
- Arbitrary-scale: ``network()`` makes the one network of all scales, see
  :class:`~.arbitrary_scale.ArbitraryScaleNetwork`.

None of them normalizes intensities or clips its result: LIIF, LTE and SRNO are trained on [-1, 1], see
:func:`~.arbitrary_scale.to_network`, the others on [0, 1].
"""

from dataclasses import dataclass
from enum import Enum

from torch import nn

from NExpRLib.network import NExpRNetwork

from .edsr import EDSR
from .liif import LIIF
from .lte import LTE
from .srconvnet import SRConvNet
from .srgan import MSRResNet
from .srno import SRNO
from .swinir import SwinIR


class Kind(Enum):
    """How a method is trained (:mod:`~NExpRTraining.modules`) and restores (:mod:`~NExpRTraining.evaluation`)."""

    FIXED_SCALE = "one network per scale"
    ADVERSARIAL = "one network per scale, trained against a discriminator"
    ARBITRARY_SCALE = "one network that is queried at any positions"
    NEXPR = "one network that predicts an explicit function"


@dataclass(frozen=True)
class Method:
    """A method with a network.

    :ivar network: its constructor.
    :ivar config: its configuration of ``nexpr train`` among those of the package.
    :ivar paper: millions of parameters and thousand millions of multiply-adds from 64 x 64 to 256 x 256 pixels, as the
        NExpR paper prints them. Sizes of EDSR, SwinIR and SRGAN are MiB of weights there.
    """

    kind: Kind
    network: type[nn.Module]
    config: str
    paper: tuple[str, str] = ("-", "-")

    @property
    def fixed_scale(self):
        """Whether every scale needs a network of its own."""
        return self.kind in (Kind.FIXED_SCALE, Kind.ADVERSARIAL)


METHODS = {
    "EDSR": Method(Kind.FIXED_SCALE, EDSR, "edsr.yaml", ("5.8 MiB", "8.04")),
    "SwinIR": Method(Kind.FIXED_SCALE, SwinIR, "swinir.yaml", ("45.2 MiB", "50.5")),
    "SRConvNet": Method(Kind.FIXED_SCALE, SRConvNet, "srconvnet.yaml", ("1.0", "1.7")),
    "SRGAN": Method(Kind.ADVERSARIAL, MSRResNet, "srgan.yaml", ("5.8 MiB", "10.3")),
    "LIIF": Method(Kind.ARBITRARY_SCALE, LIIF, "liif.yaml", ("1.57", "95.5")),
    "LTE": Method(Kind.ARBITRARY_SCALE, LTE, "lte.yaml", ("1.71", "57.9")),
    "SRNO": Method(Kind.ARBITRARY_SCALE, SRNO, "srno.yaml", ("2.01", "56.7")),
    "NExpR (paper)": Method(Kind.NEXPR, NExpRNetwork, "paper.yaml", ("1.59", "5.36")),
    "NExpR": Method(Kind.NEXPR, NExpRNetwork, "mri.yaml"),
}


def names_of(*kinds):
    """Names of the methods of these kinds."""
    return tuple(name for name, method in METHODS.items() if method.kind in kinds)


def method_of(options):
    """The name of the method whose network has these options, of a configuration or a checkpoint."""
    return options.get("method", "NExpR")
