"""The configurations that come with the repository: what they ask of ``nexpr train`` is understood there."""

from pathlib import Path

import pytest
import yaml

from NExpRTraining.comparison.protocol import read_protocol
from NExpRTraining.comparison.trained import training_run
from NExpRTraining.configs import config_names, config_path
from NExpRTraining.methods import METHODS

RESULTS = config_path("results.yaml", "compare")


@pytest.mark.parametrize("name", config_names("compare"))
def test_every_method_sees_as_many_crops(name):
    protocol = read_protocol(config_path(name, "compare"))
    assert name == "results.yaml" or set(METHODS) <= set(protocol.methods)
    for method in protocol.methods.values():
        if method.config:
            scale = 4 if method.trained.fixed_scale else None
            training_set = next(iter(protocol.training_sets))
            run = training_run(protocol, Path("out"), "any", method, training_set, "data.npz", "cpu", scale)
            per_step = run.options.get("data.slices_per_batch") * run.options.get("data.crops_per_slice")
            assert run.options["trainer.max_steps"] * per_step == protocol.images
            assert run.options["trainer.max_epochs"] == -1, "epochs would end the run before"


@pytest.mark.parametrize("method", [m for m in METHODS if m in read_protocol(RESULTS).methods])
def test_training_understands_the_configuration_of_the_real_run(nexpr, tmp_path, method):
    protocol = read_protocol(RESULTS)
    setting = protocol.methods[method]
    scale = 4 if setting.trained.fixed_scale else None
    run = training_run(protocol, Path("out"), method, setting, "MRI", "data.npz", "cpu", scale)
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(run.configuration()))
    status, out, err = nexpr("train", "--config", tmp_path / "run.yaml", "--print_config")
    assert status == 0, err
    assert "crop_size: 32" in out


def test_encoders_of_the_real_run_are_of_one_size():
    """What follows the encoder is compared."""
    protocol = read_protocol(RESULTS)
    for name, setting in protocol.methods.items():
        if setting.config:
            scale = 4 if setting.trained.fixed_scale else None
            run = training_run(protocol, Path("out"), name, setting, "MRI", "data.npz", "cpu", scale)
            network = run.configuration()["model"]
            network = network.get("init_args", network)["network"]
            assert (network["blocks"], network["features"]) == (5, 32), name
