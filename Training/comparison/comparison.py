"""The measurements of a comparison: restored on demand, by networks that are trained on demand."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from NExpRLib.function.samples import scaled_size
from NExpRLib.model import load_model, torch_device
from NExpRLib.model_card import read_card

from ..data.degradation import degrade
from ..evaluation.metrics import measure
from ..evaluation.restorers import CLASSICAL, NExpR, classical_methods, load_restorer
from ..progress import counted
from .data_sets import fingerprint, prepared_file, slices_to_restore, training_subjects
from .lpips import load_lpips
from .store import stored_rows
from .trained import training_run

HOW = "float32 without TF32, consistency before rounding"  # Measurements of another kind are not reused.


@dataclass(frozen=True)
class Case:
    """Where methods are compared.

    :ivar test_set: name.
    :ivar scale: from the input to the result.
    :ivar input_scale: from the input to the slice; the truth is the slice reduced to ``scale``. The same as ``scale``
        if ``None``.
    :ivar trained_on: training set of the networks; that of the test set if ``None``.
    """

    test_set: str
    scale: float
    input_scale: float | None = None
    trained_on: str | None = None


class Comparison:
    """Measurements of all methods of a protocol.

    :ivar output: folder of everything that is written.
    :ivar results: its folder of tables and figures.
    :ivar methods: names, in the order of the tables.
    :ivar metrics: names; LPIPS among them where its weights are given.
    """

    def __init__(self, protocol, output, data_folder, device):
        self.protocol, self.output, self.data_folder = protocol, Path(output), data_folder
        # Apple GPUs only where they are asked for: the other methods were never run on one.
        automatic = "cuda" if torch.cuda.is_available() else "cpu"
        self.device = torch_device(automatic if device == "auto" else device)
        self.results = self.output / "results"
        self.lpips = load_lpips(protocol.lpips, self.device) if protocol.lpips else None
        self.metrics = ["PSNR", "SSIM", "Consistency", *([self.lpips.name] if self.lpips else [])]
        self.methods = [*CLASSICAL, *protocol.methods]
        self._slices = {}
        self._loaded = None, None

    def restores(self, name, scale):
        """Whether a method has a network for a scale."""
        if name in CLASSICAL or not self.protocol.methods[name].trained.fixed_scale:
            return True
        scales = self.protocol.methods[name].scales
        return scale in (self.protocol.fixed_scales if scales is None else scales)

    def slices(self, test_set):
        """Slices of a test set."""
        if test_set not in self._slices:
            self._slices[test_set] = slices_to_restore(self._file(test_set), self.protocol.slices_per_volume)
        return self._slices[test_set]

    def _file(self, test_set):
        return prepared_file(test_set, self.protocol.test_sets[test_set], "test", self.data_folder, self.output)

    def _training_file(self, name):
        return prepared_file(name, self.protocol.training_sets[name], "training", self.data_folder, self.output)

    def degradation(self, test_set):
        """That of the training set whose networks a test set is for."""
        return self.protocol.training_sets[self.protocol.test_sets[test_set].trained_on].degradation

    def restorer(self, name, case, setting=None):
        """``(origin, load)``: what a restorer depends on, as JSON can hold it, and a function that makes it.

        :param setting: of a method that the protocol does not name.
        """
        degradation = self.degradation(case.test_set)
        if name in CLASSICAL:
            return name, lambda: classical_methods(degradation)[name]
        method = setting or self.protocol.methods[name]
        training_set = case.trained_on or self.protocol.test_sets[case.test_set].trained_on
        model = method.models.get(training_set)
        if model:
            ready = partial(load_model, model, self.device.type, "float32")
            return read_card(model)["sha256"], lambda: NExpR(degradation, ready())
        self._check_patients(case.test_set, training_set)
        scale = int(case.scale) if method.trained.fixed_scale else None
        data_file = self._training_file(training_set)
        run = training_run(self.protocol, self.output, name, method, training_set, data_file, self.device.type, scale)

        def load():
            run.finish()
            if self._loaded[0] != (run.folder, degradation):
                self._loaded = (run.folder, degradation), load_restorer(run.checkpoint, degradation, self.device)
            return self._loaded[1]

        return run.origin, load

    def _check_patients(self, test_set, training_set):
        both = {one.patient for one in self.slices(test_set)} & training_subjects(self._training_file(training_set))
        if both:
            raise ValueError(
                f"{', '.join(sorted(both))}: in the training set {training_set} as well as in the test set {test_set}. "
                "Networks must not be tested on patients that they were trained on."
            )

    def rows(self, name, case, setting=None):
        """Measurements of a method per slice, see :func:`~.store.stored_rows`; ``setting`` as of :meth:`restorer`."""
        origin, load = self.restorer(name, case, setting)
        scales = f"{case.scale:.3f}x" + (f" of {case.input_scale:g}x" if case.input_scale else "")
        trained_on = case.trained_on or self.protocol.test_sets[case.test_set].trained_on
        parts = (name, f"trained on {trained_on}", case.test_set, scales)
        slices = self.slices(case.test_set)
        degradation = self.degradation(case.test_set)
        test_file = self._file(case.test_set)
        origin = [origin, degradation, self.metrics, fingerprint(test_file), self.protocol.slices_per_volume, HOW]

        def compute():
            restorer = load()
            shown = counted(slices, ", ".join(parts), "slice")
            return [self._measured(one, restorer, case, degradation) for one in shown]

        return stored_rows(self.output / "slices", parts, origin, compute)

    def _measured(self, one, restorer, case, degradation):
        low, truth = reduced(one.truth, case, degradation)
        restored = restorer(low, truth.shape)
        values = measure(restored, truth, degrade(one.truth, low.shape, degradation, rounded=False), degradation)
        if self.lpips:
            values[self.lpips.name] = self.lpips(restored, truth)
        return {"patient": one.patient, "volume": one.volume, "slice": one.index, **values}


def reduced(image, case, degradation):
    """Input and truth of a case: the slice reduced to ``input_scale``, and the slice at ``scale`` times that size."""
    low_shape = [scaled_size(n, 1 / (case.input_scale or case.scale)) for n in image.shape]
    low = degrade(image, low_shape, degradation)
    if not case.input_scale:
        return low, image
    # Rounded sizes may exceed the slice by a pixel.
    shape = [min(n, scaled_size(size, case.scale)) for n, size in zip(image.shape, low_shape)]
    truth = image if tuple(shape) == image.shape else degrade(image, shape, degradation)
    return low, np.clip(truth, 0, 1)
