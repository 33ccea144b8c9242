"""Methods on equal terms: each encodes a degraded slice once and then gives the truth's pixels, on the truth's grid."""

import abc
import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from NExpRLib.function.interpolant import interpolate, prefilter
from NExpRLib.kspace import zero_fill
from NExpRLib.model import Model, load_model, torch_device

from ..data.degradation import fixed_scale_input, grid_of, truth_positions
from ..methods import METHODS, Kind, method_of
from ..methods.arbitrary_scale import from_network, to_network
from ..models.checkpoint import load_module, read_checkpoint

# Pixels by which networks see a slice continued on the k-space grid, where images are periodic.
MARGIN = 16


class Restorer(abc.ABC):
    """``restorer(low, shape)`` is ``restorer.rescale(restorer.encode(low), shape)`` as a float32 array (H, W).

    ``low`` is a float32 array (h, w) in [0, 1]. What :meth:`encode` returns serves every shape.

    :ivar scale: the one scale at which it restores, ``None`` for all.
    :ivar network: ``None`` for classical methods.
    """

    scale = None
    network = None

    def __init__(self, degradation):
        self.degradation = degradation
        self.grid = grid_of(degradation)
        self.margin = MARGIN if self.grid == "kspace" else 0

    def __call__(self, low, shape):
        result = self.rescale(self.encode(low), shape)
        return np.asarray(result.cpu() if isinstance(result, torch.Tensor) else result, dtype=np.float32)

    def encode(self, low):
        return low

    @abc.abstractmethod
    def rescale(self, encoded, shape):
        """Result (H, W), NumPy array or tensor, from what :meth:`encode` returned."""

    def on_field_of_view(self):
        """The same for the field-of-view grid, where networks see no more than the slice."""
        twin = copy.copy(self)
        Restorer.__init__(twin, "bicubic")
        return twin


class ZeroFilling(Restorer):
    def rescale(self, encoded, shape):
        return zero_fill(encoded, shape, [p[0] for p in truth_positions(encoded.shape, shape, self.degradation)])


class Interpolation(Restorer):
    """:param kind: ``bicubic`` or ``bspline``."""

    def __init__(self, degradation, kind):
        super().__init__(degradation)
        self.kind = kind

    def encode(self, low):
        return prefilter(low, self.kind)

    def rescale(self, encoded, shape):
        return interpolate(encoded, *truth_positions(encoded.shape, shape, self.degradation), self.kind)


class NExpR(Restorer):
    """:param model: :class:`NExpRLib.model.Model`; intensities are already normalized."""

    def __init__(self, degradation, model):
        super().__init__(degradation)
        self.model, self.network = model, model.network

    def encode(self, low):
        inputs = torch.from_numpy(np.ascontiguousarray(low))
        return self.model.represent(inputs, intensity_range=(0.0, 1.0), periodic=self.grid == "kspace")

    def rescale(self, encoded, shape):
        return encoded.rasterize(shape=shape, grid=self.grid)


class ArbitraryScale(Restorer):
    """LIIF, LTE and SRNO.

    :param network: :class:`~NExpRTraining.methods.arbitrary_scale.ArbitraryScaleNetwork`.
    """

    def __init__(self, degradation, network, device):
        super().__init__(degradation)
        self.network, self.device = network.to(device).eval(), device

    @torch.inference_mode()
    def encode(self, low):
        padded = np.pad(low, self.margin, mode="wrap") if self.margin else low
        return self.network.encode(to_network(_batch(padded, self.device)))

    @torch.inference_mode()
    def rescale(self, encoded, shape):
        low_shape = [n - 2 * self.margin for n in encoded.shape[-2:]]
        rows, columns = (p + self.margin for p in truth_positions(low_shape, shape, self.degradation))
        cell = [n / size for n, size in zip(low_shape, shape)]
        return from_network(self.network.query(encoded, rows, columns, cell)[0, 0])


class FixedScale(Restorer):
    """EDSR, SwinIR, SRConvNet and SRGAN: the whole network runs for every result."""

    def __init__(self, degradation, network, scale, device):
        super().__init__(degradation)
        self.network, self.scale, self.device = network.to(device).eval(), scale, device

    @torch.inference_mode()
    def rescale(self, encoded, shape):
        inputs = fixed_scale_input(encoded, shape, self.scale, self.degradation, self.margin)
        first = self.margin * self.scale
        return self.network(_batch(inputs, self.device))[0, 0, first : first + shape[0], first : first + shape[1]]


def _batch(image, device):
    return torch.from_numpy(np.ascontiguousarray(image))[None, None].to(device)


CLASSICAL = {
    "Zero-filling": ZeroFilling,
    "Bicubic": partial(Interpolation, kind="bicubic"),
    "Cubic B-spline": partial(Interpolation, kind="bspline"),
}


def classical_methods(degradation):
    """The methods without training: ``{name: Restorer}``."""
    return {name: restorer(degradation) for name, restorer in CLASSICAL.items()}


def load_restorer(checkpoint, degradation, device):
    """The network of a checkpoint of ``nexpr train``, on a torch device, in float32 as all of them.

    :raises ValueError: if it is none.
    """
    module = load_module(checkpoint)
    kind = METHODS[method_of(module.hparams)].kind
    if kind is Kind.NEXPR:
        return NExpR(degradation, Model(module.network, {}, device, "float32"))
    if kind is Kind.ARBITRARY_SCALE:
        return ArbitraryScale(degradation, module.network, device)
    return FixedScale(degradation, module.network, module.fixed_scale, device)


@dataclass(frozen=True)
class Trained:
    """A trained network, of a model or a checkpoint.

    :ivar method: name.
    :ivar description: for the user.
    :ivar degradation: that it was trained for.
    :ivar restorer: makes its :class:`Restorer` for a degradation.
    """

    method: str
    description: str
    degradation: str
    restorer: Callable[[str], Restorer]


def load_trained(model, device):
    """A model by name or folder, or the network of a checkpoint (``.ckpt``), as :class:`Trained`.

    :param device: name, or ``auto``.
    :raises ValueError: if it cannot be loaded.
    """
    if not model.endswith(".ckpt"):
        loaded = load_model(model, device)
        described = f'Model "{loaded.card["name"]}" on {loaded.device}'
        trained_for = loaded.card.get("degradation", "kspace")
        return Trained("NExpR", described, trained_for, lambda degradation: NExpR(degradation, loaded))
    state, device = read_checkpoint(model), torch_device(device)
    method, degradation = method_of(state["hyper_parameters"]), state["datamodule_hyper_parameters"]["degradation"]
    described = f"{method} of {model} on {device}"
    return Trained(method, described, degradation, lambda degradation: load_restorer(model, degradation, device))
