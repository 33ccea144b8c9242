"""The configuration of a comparison: which methods, trained and tested on which data, in which experiments."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ArgumentError, ArgumentParser

from ..configs import config_path
from ..data.degradation import DEGRADATIONS
from ..data.prepare import Preparation
from ..methods import METHODS, method_of


@dataclass
class TrainingSet:
    """Slices to train on.

    :ivar data: ``.npz`` of ``nexpr prepare``; or a folder of volumes, which is prepared first; or ``made T1`` or
        ``made T2``, see :mod:`~NExpRTraining.comparison.made_data`. Relative to the folder of the data.
    :ivar prepare: how a folder of volumes is prepared.
    """

    data: str
    degradation: str = "kspace"
    prepare: Preparation = field(default_factory=Preparation)


@dataclass
class TestSet:
    """Slices to test on.

    :ivar data, prepare: as for a training set; subjects are patients.
    :ivar trained_on: name of the training set whose networks, and whose degradation, it is for.
    """

    data: str
    trained_on: str
    prepare: Preparation = field(default_factory=Preparation)


@dataclass
class MethodSetting:
    """How a method takes part.

    :ivar config: configuration of ``nexpr train``, relative to this file; by default, the method's own
        (:data:`~NExpRTraining.methods.METHODS`). The network is trained where it is missing.
    :ivar options: of ``nexpr train`` beside those of all methods, e.g. ``data.crop_size: 32``.
    :ivar scales: of a fixed-scale method, those that a network is trained for; all fixed scales, if left out.
    :ivar models: instead of a configuration, the name or folder of a model for each training set.
    """

    config: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    scales: list[int] | None = None
    models: dict[str, str] = field(default_factory=dict)

    @cached_property
    def trained(self):
        """The :class:`~NExpRTraining.methods.Method` whose network it is."""
        name = method_of(read_config(self.config)["model"].get("init_args", {}) if self.config else {})
        if name not in METHODS:
            raise ValueError(f"The configuration {self.config} names no method that there is: {name}.")
        return METHODS[name]


@dataclass
class ArbitraryScales:
    """``count`` scales from ``lowest`` to ``highest``, all restored from the input of ``input_scale``."""

    input_scale: float = 4.0
    lowest: float = 2.0
    highest: float = 4.0
    count: int = 20


@dataclass
class Timing:
    """Times from ``size`` x ``size`` pixels: encoding, and rescaling at each of ``scales``; medians."""

    size: int = 64
    scales: list[float] = field(default_factory=lambda: [1.5, 2.0, 2.5, 3.0, 3.5, 4.0])
    repeats: int = 5


@dataclass
class Study:
    """Networks of a method that differ in one number, trained and tested like the others.

    :ivar method: name of a method that is NExpR.
    :ivar test_set, scale: where they are compared.
    """

    method: str
    values: list[int]
    test_set: str
    scale: float = 4.0
    options: dict[str, Any] = field(default_factory=dict)


@dataclass
class LPIPS:
    """Network of LPIPS, ``alex`` or ``vgg``, and the file of torchvision's weights for it."""

    network: str
    weights: str


@dataclass
class Protocol:
    """What a comparison covers; an experiment that is left out or empty is not run.

    :ivar images: training crops that every network sees.
    :ivar note: a sentence for the page, for example on what it was run.
    :ivar options: of ``nexpr train`` for all methods.
    :ivar slices_per_volume: evenly spaced slices of every test volume; all, if left out.
    :ivar fixed_scales: of the tables (Tables 2 and 4 and the tests).
    :ivar frequency_study: over the number of frequencies N, each learned and fixed (Fig. 10).
    :ivar patch_study: over the side of the patches (Table 6).
    :ivar panels_scale: of the qualitative panels (Fig. 4).
    """

    images: int
    training_sets: dict[str, TrainingSet]
    test_sets: dict[str, TestSet]
    methods: dict[str, MethodSetting]
    note: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    slices_per_volume: int | None = None
    fixed_scales: list[int] = field(default_factory=lambda: [2, 3, 4])
    arbitrary_scales: ArbitraryScales | None = None
    cross_data_set: bool = False
    timing: Timing | None = None
    frequency_study: Study | None = None
    patch_study: Study | None = None
    panels_scale: int | None = None
    lpips: LPIPS | None = None


def read_protocol(path):
    """Read and check the configuration of a comparison.

    :raises ValueError: if it cannot be read or makes no sense.
    """
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(Protocol)
    try:
        protocol = Protocol(**vars(parser.instantiate(parser.parse_object(read_config(path)))))
    except (yaml.YAMLError, ArgumentError, TypeError, AttributeError, UnicodeDecodeError) as error:
        raise ValueError(f"The configuration {path} is not understood: {error}") from error
    for problem in _problems(protocol):
        raise ValueError(f"{path}: {problem}")
    for name, method in protocol.methods.items():
        if method.config:
            method.config = str(Path(path).parent / method.config)
        elif not method.models:
            method.config = str(config_path(METHODS[name].config))
    return protocol


def read_config(path):
    """Content of a configuration.

    :raises ValueError: if it cannot be read.
    """
    try:
        return yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"The configuration {path} cannot be read: {error.strerror}.") from error


def _problems(protocol):
    for name, training_set in protocol.training_sets.items():
        if training_set.degradation not in DEGRADATIONS:
            yield f"the degradation of {name} must be one of {', '.join(DEGRADATIONS)}."
    for name, test_set in protocol.test_sets.items():
        if test_set.trained_on not in protocol.training_sets:
            yield f"{name} is to be restored by networks trained on {test_set.trained_on}, which is no training set."
    for name, method in protocol.methods.items():
        missing = set(protocol.training_sets) - set(method.models)
        if not method.config and missing and (method.models or name not in METHODS):
            yield f"{name} needs a config, or a model for {', '.join(sorted(missing))}."
    scales = protocol.arbitrary_scales
    if scales and not 1 <= scales.lowest <= scales.highest <= scales.input_scale:
        yield "the arbitrary scales must lie between 1 and the input scale: beyond it, there is no truth."
    for study in (protocol.frequency_study, protocol.patch_study):
        if study and study.method in protocol.methods and protocol.methods[study.method].models:
            yield f"a study trains variants of {study.method}, which has no config but a ready model."
        if study and (study.method not in protocol.methods or study.test_set not in protocol.test_sets):
            yield f"a study names the method {study.method} and the test set {study.test_set}: one is not listed."
    if not set(protocol.fixed_scales) <= {2, 3, 4}:
        yield "the fixed scales must be among 2, 3 and 4, those of the fixed-scale networks."
    if not protocol.test_sets:
        yield "there is no test set."
