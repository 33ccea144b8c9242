"""Trained models: loading, verifying, and representing slices as explicit images."""

import copy
import hashlib
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from .allocator import freed_memory_kept
from .function.backend import full_precision
from .function.explicit_image import ExplicitImage
from .memory import TILE
from .model_card import check_noise_reduction, intensity_range, model_folder, read_card
from .network import NetworkConfig, NExpRNetwork
from .volumes.noise import noise_level

DEVICES = ("auto", "cuda", "mps", "cpu")
PRECISIONS = ("auto", "float32", "bfloat16")


class Model:
    """A trained network with its card.

    :ivar card: the model card, see ``Models/*/card.json``.
    :ivar device: torch device on which slices are encoded.
    :ivar precision: of the encoder, as in :func:`load_model`.
    """

    def __init__(self, network: NExpRNetwork, card: dict[str, Any], device: torch.device, precision: str = "auto"):
        self.network = network.to(device=device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        self.card = card
        self.device = device
        self.precision = precision
        self._lower = precision == "bfloat16" or (precision == "auto" and _has_bfloat16(device))

    def to(self, device: str | torch.device) -> "Model":
        """The same model on another device (``cuda``, ``cuda:1``, ``mps`` or ``cpu``)."""
        return Model(copy.deepcopy(self.network), self.card, torch_device(device), self.precision)

    def intensity_range(self, image: np.ndarray) -> tuple[float, float]:
        """Intensities of a slice or volume that the network sees as 0 and 1: the model's window, or a robust range."""
        return intensity_range(self.card, image)

    @torch.inference_mode()
    def represent(
        self,
        slices: np.ndarray | torch.Tensor,
        intensity_range: Sequence[float] | np.ndarray | torch.Tensor | None = None,
        tile: int | None = TILE,
        periodic: bool = False,
        conditions: Sequence[float] | None = None,
        noise_reduction: float = 0.0,
        noise: float | None = None,
    ) -> ExplicitImage:
        """Encode slices once; the result is rasterized at any scale without the network.

        >>> model = load_model("mri-fast", device="cpu")
        >>> image = model.represent(np.random.default_rng(0).random((16, 12)))
        >>> image.rasterize(scale=2.5).shape
        (40, 30)

        :param slices: (h, w) or (b, 1, h, w), NumPy array or tensor of any real numeric dtype, all finite.
        :param intensity_range: (low, high) that the network sees as 0 and 1, low < high; by default each slice has its
            own (:meth:`intensity_range`). Nothing is clipped. Equivariant networks, as those in the package, give the
            same function for every range.
        :param tile: longest side in pixels that is encoded at once, larger slices in parts; ``None`` for no limit. The
            result does not depend on it.
        :param periodic: the slices continue periodically, as an image does that was made from measured k-space: right
            for grids over the slice, and some pixels beyond. By default they end at their border.
        :param conditions: what the network is told besides the slices, if it takes any: as many numbers as
            ``network.config.conditions`` says, the same for all slices.
        :param noise_reduction: how much of the noise is removed, from 0 to 1; the function is linear in it.
        :param noise: standard deviation of the noise, in the intensities of the slices; by default that of each slice,
            see :func:`~.volumes.noise.noise_level`.
        :return: :class:`ExplicitImage` in the intensities of the input; rasterizing gives (H, W) or (b, 1, H, W), a
            NumPy array, or where ``slices`` was a tensor, a tensor on the device of the model.
        :raises ValueError: for another number of dimensions, complex, empty or non-finite input, for an intensity
            range whose ends are not in order, not finite or too far apart, for another number of conditions, and if
            noise is to be reduced by a model that cannot.
        """
        check_noise_reduction(self.card, noise_reduction)
        if tile is not None and tile < 1:
            raise ValueError(f"A tile must be at least one pixel long, not {tile}.")
        if noise is not None and not 0 <= noise < np.inf:
            raise ValueError(f"The noise must be a number from 0 on, not {noise}.")
        pixels = _real_pixels(slices)
        leading, shape = pixels.shape[:-2], pixels.shape[-2:]
        batch = pixels.reshape(-1, *shape)
        if intensity_range is None:
            ranges = np.array([self.intensity_range(image) for image in batch])
        else:
            ranges = np.tile(np.asarray(intensity_range, dtype=np.float64), (len(batch), 1))
        low, extent = ranges[:, 0], ranges[:, -1] - ranges[:, 0]
        if ranges.shape[1] != 2 or not ((extent > 0) & (extent < np.finfo(np.float32).max)).all():
            raise ValueError(
                f"The intensity range {ranges[0].tolist()} must be two numbers, the lower one first, no further apart "
                "than float32 can hold."
            )
        told = self.network.config.conditions
        if np.shape([] if conditions is None else conditions) != (told,):
            raise ValueError(f"The model takes {told} conditions, not {conditions}.")
        normalized = (batch - low[:, None, None]) / extent[:, None, None]
        sigmas = np.zeros(len(batch))
        if noise_reduction:
            sigmas = np.array([noise_level(image[None])[0] if noise is None else noise for image in batch]) / extent
        a = self.network.config.patch_size
        # All that the border depends on: encoder, blending, and B-spline coefficients, which decay as 0.27^distance.
        padding = self.network.halo + -(-12 // a) * a if periodic else 0
        normalized = np.pad(normalized, ((0, 0), (padding, padding), (padding, padding)), mode="wrap")
        inputs = torch.as_tensor(normalized, dtype=torch.float32, device=self.device)
        with freed_memory_kept():
            known = inputs.new_tensor([conditions] * len(inputs)) if told else None
            predicted = self._reduced(inputs[:, None], inputs.new_tensor(sigmas), noise_reduction, tile, known)
        return self.network.explicit_image(
            predicted,
            inputs.reshape(*leading, *inputs.shape[1:]),
            low_and_extent=inputs.new_tensor(np.stack([low, extent])).reshape(2, *leading),
            padding=padding,
            returns_numpy=not isinstance(slices, torch.Tensor),
        )

    def _reduced(
        self,
        inputs: torch.Tensor,
        sigmas: torch.Tensor,
        noise_reduction: float,
        tile: int | None,
        conditions: torch.Tensor | None,
    ) -> torch.Tensor:
        """Predicted coefficients (b, C, P, Q) of normalized slices (b, 1, h, w) with noise of ``sigmas`` (b,)."""
        if not self.network.config.noise_level:
            return self._encode(inputs, tile, conditions)

        def with_noise_removed(levels: torch.Tensor) -> torch.Tensor:
            level = levels[:, None, None, None].expand_as(inputs)
            return self._encode(torch.cat([inputs, level], dim=1), tile, conditions)

        if noise_reduction == 1:
            return with_noise_removed(sigmas)
        kept = with_noise_removed(torch.zeros_like(sigmas))
        return kept.float().lerp(with_noise_removed(sigmas).float(), noise_reduction) if noise_reduction else kept

    def _encode(self, inputs: torch.Tensor, tile: int | None, conditions: torch.Tensor | None) -> torch.Tensor:
        """Predicted coefficients (b, C, P, Q) of what the network sees (b, 1 or 2, h, w)."""
        if tile is None or max(inputs.shape[-2:]) <= tile:
            return self._run(inputs, conditions)
        a, halo = self.network.config.patch_size, self.network.halo
        # Parts of equal size, in whole patches.
        height, width = (-(-n // (-(-n // tile) * a)) * a for n in inputs.shape[-2:])
        rows = []
        for top in range(0, inputs.shape[-2], height):
            row = []
            for left in range(0, inputs.shape[-1], width):
                from_top, from_left = max(0, top - halo), max(0, left - halo)
                window = inputs[..., from_top : top + height + halo, from_left : left + width + halo]
                part = self._run(window, conditions)
                p, q = (top - from_top) // a, (left - from_left) // a
                row.append(part[..., p : p + height // a, q : q + width // a])
            rows.append(torch.cat(row, dim=-1))
        return torch.cat(rows, dim=-2)

    def _run(self, inputs: torch.Tensor, conditions: torch.Tensor | None) -> torch.Tensor:
        # Of images that are one patch wide, bfloat16 convolutions of PyTorch 2.13 read memory that nobody wrote.
        lower = self._lower and min(inputs.shape[-2:]) > self.network.config.patch_size
        with torch.autocast(self.device.type, dtype=torch.bfloat16) if lower else full_precision(inputs):
            return self.network(inputs.contiguous(memory_format=torch.channels_last), conditions)


def load_model(model: str | os.PathLike = "mri", device: str | torch.device = "auto", precision: str = "auto") -> Model:
    """Load a trained model; its weights are verified and read without running any code in them.

    >>> load_model("mri-fast", device="cpu").card["name"]
    'mri-fast'

    :param model: name of a model in the package, or the path of a model's folder.
    :param device: ``auto`` (the fastest present), ``cuda``, ``cuda:1``, ``mps`` or ``cpu``.
    :param precision: of the encoder: ``float32``, ``bfloat16`` (which changes the quality by less than 0.01 dB), or
        ``auto``: ``bfloat16`` where the device computes faster in it. Everything else is float32.
    :raises ValueError: for an unknown model, a missing device, or weights that do not match their card.
    """
    if precision not in PRECISIONS:
        raise ValueError(f'Unknown precision "{precision}": choose one of {", ".join(PRECISIONS)}.')
    on_device = torch_device(device)
    folder, card = model_folder(model), read_card(model)
    weights = folder / "weights.pt"
    if not weights.is_file():
        raise ValueError(f"The model's weights are missing: {weights}.")
    if hashlib.sha256(weights.read_bytes()).hexdigest() != card.get("sha256"):
        raise ValueError(f"The weights {weights} do not match their model card (SHA-256): get the model again.")
    try:
        network = NExpRNetwork(NetworkConfig(**card["network"])).float()  # whatever PyTorch's default type is
    except (TypeError, ValueError) as error:
        raise ValueError(f"The model card in {folder} does not describe a network ({error}).") from error
    try:
        network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    except Exception as error:
        raise ValueError(f"The weights {weights} do not fit the network in their model card.") from error
    if not all(parameter.isfinite().all() for parameter in network.parameters()):
        raise ValueError(f"The weights {weights} are not all finite numbers: get or train the model again.")
    return Model(network, card, on_device, precision)


def torch_device(device: str | torch.device) -> torch.device:
    """Torch device of a name, or of a torch device: ``auto`` (the fastest present), ``cuda``, ``cuda:1``, ``mps`` or
    ``cpu``.

    >>> torch_device("cpu")
    device(type='cpu')

    :raises ValueError: for another name, and for a device that is not present.
    """
    name, numbered, number = str(device).partition(":")
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(known for known, available in present.items() if available)
    if name not in present or (numbered and not (name == "cuda" and number.isdecimal())):
        raise ValueError(f'Unknown device "{device}": choose one of {", ".join(DEVICES)}, or a GPU such as "cuda:1".')
    if not present[name] or (numbered and int(number) >= torch.cuda.device_count()):
        raise ValueError(f'The device "{device}" is not present on this computer: choose "auto" or "cpu".')
    return torch.device(name, int(number)) if numbered else torch.device(name)


def _real_pixels(slices: np.ndarray | torch.Tensor) -> np.ndarray:
    """Pixels (h, w) or (b, 1, h, w) in float64.

    :raises ValueError: for other shapes, and for what is no finite real number.
    """
    if isinstance(slices, torch.Tensor):
        slices = slices.detach().cpu()
        slices = (slices.double() if slices.is_floating_point() else slices).numpy()  # NumPy has no bfloat16.
    pixels = np.asarray(slices)
    if not (pixels.ndim == 2 or (pixels.ndim == 4 and pixels.shape[1] == 1)) or pixels.size == 0:
        raise ValueError(f"Slices must have shape (h, w) or (b, 1, h, w) and not be empty, not {pixels.shape}.")
    if not (np.issubdtype(pixels.dtype, np.number) or pixels.dtype == bool) or np.iscomplexobj(pixels):
        raise ValueError(f"Slices must hold real numbers, not {pixels.dtype}.")
    pixels = pixels.astype(np.float64)
    if not np.isfinite(pixels).all():
        raise ValueError("The slice contains NaN or infinite values: replace them first.")
    return pixels


def _has_bfloat16(device: torch.device) -> bool:
    """Whether a device has instructions for bfloat16; software would emulate them at a loss."""
    if device.type == "cuda":
        # PyTorch also calls it supported where it is emulated.
        return torch.version.hip is not None or torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu" and hasattr(torch.cpu, "get_capabilities"):
        return any(torch.cpu.get_capabilities().get(name) for name in ("avx512_bf16", "amx_bf16"))
    return False
