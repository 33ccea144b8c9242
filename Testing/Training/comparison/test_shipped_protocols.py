"""The configurations that come with the repository: what they ask of ``nexpr train`` is understood there."""

from pathlib import Path

import pytest
from NExpRTraining.comparison.protocol import read_protocol
from NExpRTraining.comparison.trained import is_fixed_scale, training_run
from NExpRTraining.methods import METHODS

FOLDER = Path(__file__).parents[3] / "Training" / "configs" / "evaluate"


@pytest.mark.parametrize("name", ["quick", "results", "paper"])
def test_every_method_is_covered_and_sees_as_many_crops(name):
    protocol = read_protocol(FOLDER / f"{name}.yaml")
    assert {*METHODS, "NExpR", "NExpR (paper)"} <= set(protocol.methods)
    for method in protocol.methods.values():
        if method.config:
            scale = 4 if is_fixed_scale(method) else None
            training_set = next(iter(protocol.training_sets))
            run = training_run(protocol, Path("out"), "any", method, training_set, "data.npz", "cpu", scale)
            per_step = run.options.get("data.slices_per_batch") * run.options.get("data.crops_per_slice")
            assert run.options["trainer.max_steps"] * per_step == protocol.images
            assert run.options["trainer.max_epochs"] == -1, "epochs would end the run before"


@pytest.mark.parametrize("method", [*METHODS, "NExpR", "NExpR (paper)"])
def test_training_understands_the_options_of_the_real_run(nexpr, method):
    protocol = read_protocol(FOLDER / "results.yaml")
    setting = protocol.methods[method]
    scale = 4 if is_fixed_scale(setting) else None
    run = training_run(protocol, Path("out"), method, setting, "MRI", "data.npz", "cpu", scale)
    status, out, err = nexpr("train", *run.arguments(), "--print_config")
    assert status == 0, err
    assert "crop_size: 24" in out
