"""What ``nexpr benchmark`` rescales, and by which methods. What a method does once per slice is not timed."""

import itertools
import math
from dataclasses import dataclass, replace

import numpy as np
import SimpleITK as sitk
import torch

from NExpRLib.function.explicit_image import ExplicitImage
from NExpRLib.function.fourier_basis import paper_matrix
from NExpRLib.function.samples import Samples, scaled_size
from NExpRLib.network import NetworkConfig

from ..methods import METHODS
from .per_pixel import evaluate_per_pixel

NEXPR = "NExpR, prepared"
REPLAYED = "NExpR, replayed by the GPU"
REPLAYS = 100  # rescalings in a replay
COPY_OF_NEW = "Copy of a result just rescaled"
# What a call holds for every output pixel: SRNO its state before and after a layer. The others take bounded memory.
BYTES_PER_PIXEL = {"SRNO": 2 * 4 * 256}


@dataclass(frozen=True)
class RescaleCase:
    """A grid on which a square slice is evaluated.

    :ivar size: rows, and columns, of the slice.
    :ivar row_samples, column_samples: where the result lies, in low-resolution pixel indices.
    :ivar is_view: whether it is a part of the slice, to be handed over as NumPy array; otherwise the whole slice, as
        tensor on the device.
    """

    name: str
    size: int
    row_samples: Samples
    column_samples: Samples
    is_view: bool = False

    @classmethod
    def whole_slice(cls, size, scale):
        output = scaled_size(size, scale)
        samples = Samples.over(size, output)
        return cls(f"{size}² to {output}² ({scale:.6g}x)", size, samples, samples)

    @classmethod
    def view(cls, size, shape, step=0.237):
        """The visible part of an enlarged slice, as NumPy array; ``step`` is that from one screen pixel to the next."""
        rows, columns = (Samples((size - n * step) / 2, step, n) for n in shape)
        return cls(f"{size}² to a {shape[1]} x {shape[0]} view", size, rows, columns, is_view=True)

    @property
    def shape(self):
        return self.row_samples.count, self.column_samples.count

    @property
    def rows(self):
        """Positions of the rows."""
        return self.row_samples.positions()

    @property
    def columns(self):
        """Positions of the columns."""
        return self.column_samples.positions()

    @property
    def pixels(self):
        return math.prod(self.shape)


def rescale_methods(model, device):
    """``{name: prepare}``: ``prepare(case)`` encodes a slice and returns the function, without arguments, to be timed.

    :param model: :class:`NExpRLib.model.Model` on ``device``.
    """
    torch.manual_seed(0)
    methods = {
        NEXPR: lambda case: _prepared(_represent(model, case), case),
        "NExpR, first time at a scale": lambda case: _unprepared(_represent(model, case), case),
        "NExpR with the paper's network, prepared": lambda case: _prepared(
            PaperFunction(case.size, device).image, case
        ),
        "Paper's network, pixel by pixel": lambda case: PaperFunction(case.size, device).per_pixel(case),
    }
    for name in ("LIIF", "LTE", "SRNO"):
        methods[name] = _query(METHODS[name].network().to(device).eval(), device)
    methods["PyTorch bicubic"] = lambda case: _bicubic(case, device)
    methods = {name: _with_hand_over(prepare) for name, prepare in methods.items()}
    if device.type == "cpu":
        methods["SimpleITK cubic B-spline"] = _bspline
        methods["Copy of the result"] = lambda case: np.ones(case.shape, np.float32).copy
    else:
        methods["Copy of the result"] = lambda case: torch.ones(case.shape, device=device).clone
    return methods


class PaperFunction:
    """Eq. 1 as the paper's network predicts it, with random coefficients for a square slice.

    :ivar image: the function as :class:`ExplicitImage`.
    """

    def __init__(self, size, device):
        config = NetworkConfig()
        patches, n = -(-size // config.patch_size), config.frequencies + 1
        self.patch_size = config.patch_size
        self.alpha, self.beta = torch.randn(2, patches, patches, n, n, device=device) / n
        self.frequencies = config.frequency_step * np.arange(n)
        self.image = ExplicitImage(
            paper_matrix(self.alpha, self.beta),
            shape=(size, size),
            frequencies=np.stack([self.frequencies, self.frequencies]),
            patch_size=config.patch_size,
        )

    def per_pixel(self, case):
        coefficients = self.alpha, self.beta, self.frequencies, self.frequencies, self.patch_size
        return lambda: evaluate_per_pixel(*coefficients, case.rows, case.columns)


def _slice(case):
    return torch.rand(case.size, case.size, generator=torch.Generator().manual_seed(0))


def _represent(model, case):
    return model.represent(_slice(case), (0.0, 1.0))


def _prepared(image, case):
    return lambda: image.rasterize(rows=case.row_samples, columns=case.column_samples)


def _unprepared(image, case):
    """Every call has another grid, shifted by far less than a pixel, as if the scale were new."""
    shifts = itertools.count(1)

    def rescale():
        shift = 1e-7 * next(shifts)
        rows, columns = (replace(along, first=along.first + shift) for along in (case.row_samples, case.column_samples))
        return image.rasterize(rows=rows, columns=columns)

    return rescale


def replayed(model, case):
    """Function that lets a GPU start ``REPLAYS`` rescalings of a slice by itself; the results stay there."""
    rescale = _prepared(_represent(model, case), case)
    rescale()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(REPLAYS):
            rescale()

    def replay(read_by_graph=rescale):  # It holds the image: what the graph reads has to stay in memory.
        graph.replay()

    return replay


def rescale_then_copy(model, case):
    """Two functions: one rescales a slice, the other copies that result, on a CPU as NumPy does."""
    rescale, result = _prepared(_represent(model, case), case), []

    def rescale_and_keep():
        result[:] = [rescale()]

    def copy():
        return result[0].numpy().copy() if result[0].device.type == "cpu" else result[0].clone()

    return rescale_and_keep, copy


def _query(network, device):
    def prepare(case):
        features = network.encode(_slice(case)[None, None].to(device))
        rows, columns = case.rows, case.columns
        return lambda: network.query(features, rows, columns)

    return prepare


def _bicubic(case, device):
    """On the part of the slice that the grid lies in, to whole pixels."""
    rows, columns = (
        slice(max(0, math.floor(positions[0])), math.ceil(positions[-1]) + 1) for positions in (case.rows, case.columns)
    )
    part = _slice(case)[None, None, rows, columns].to(device)
    return lambda: torch.nn.functional.interpolate(part, size=case.shape, mode="bicubic")


def _bspline(case):
    """The spline's coefficients are computed in every call: SimpleITK keeps none."""
    image = sitk.GetImageFromArray(_slice(case).numpy())
    resample = sitk.ResampleImageFilter()
    resample.SetNumberOfThreads(torch.get_num_threads())
    resample.SetInterpolator(sitk.sitkBSpline)
    resample.SetSize(case.shape[::-1])
    resample.SetOutputOrigin((case.column_samples.first, case.row_samples.first))
    resample.SetOutputSpacing((case.column_samples.step, case.row_samples.step))
    return lambda: sitk.GetArrayFromImage(resample.Execute(image))


def _with_hand_over(prepare):
    def prepare_with_hand_over(case):
        rescale = prepare(case)
        return (lambda: rescale().cpu().numpy()) if case.is_view else rescale

    return prepare_with_hand_over
