"""Lightning modules: how each kind of network is trained. What they share is in :mod:`.base`."""

from .arbitrary_scale import ArbitraryScaleTraining
from .base import RestorationTraining
from .fixed_scale import FixedScaleTraining
from .nexpr import NExpRTraining
from .srgan import SRGANTraining

__all__ = ["ArbitraryScaleTraining", "FixedScaleTraining", "NExpRTraining", "RestorationTraining", "SRGANTraining"]
