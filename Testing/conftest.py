"""Fixtures shared by all tests."""

import hashlib
import io
import json
import os
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from NExpRLib.model import Model, load_model
from NExpRLib.network import NetworkConfig, NExpRNetwork

REAL_DATA = Path(os.environ.get("NEXPR_DATA", Path(__file__).parents[2] / "shared" / "data"))
TINY = NetworkConfig(blocks=1, features=8, hidden=16, frequencies=2, basis="full", skip="bspline", blend=True)

# The models of most tests are tiny: more threads would only wait for each other, for long on a busy machine.
# Programs that tests start take the same number, so that they round sums as the tests do.
torch.set_num_threads(1)
os.environ["OMP_NUM_THREADS"] = "1"
# Kernels for GPUs are interpreted where there is none; Triton reads this when it is imported.
if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"


def write_model(folder, config, last_layer):
    """Write a model of random weights, its last layer having the standard deviation ``last_layer``."""
    torch.manual_seed(0)
    network = NExpRNetwork(config)
    torch.nn.init.normal_(network.decoder[-1].weight, std=last_layer)
    buffer = io.BytesIO()
    torch.save({name: tensor.half() for name, tensor in network.state_dict().items()}, buffer)
    folder.mkdir()
    (folder / "weights.pt").write_bytes(buffer.getvalue())
    card = {
        "name": folder.name,
        "scales": [1, 4],
        "network": asdict(config),
        "sha256": hashlib.sha256(buffer.getvalue()).hexdigest(),
    }
    (folder / "card.json").write_text(json.dumps(card))
    return folder


def of_stacks(model):
    """The same network, said to be one for stacks of slices."""
    return Model(model.network, model.card | {"degradation": "slices"}, model.device)


@pytest.fixture(scope="session")
def models_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="session")
def tiny_model_folder(models_folder):
    """A model of random weights whose contribution to the skip is about a tenth of the intensity range."""
    return write_model(models_folder / "tiny", TINY, last_layer=0.05)


@pytest.fixture(scope="session")
def skip_only_model_folder(models_folder):
    """A model whose network contributes nothing: the result is the skip, which reproduces affine images."""
    return write_model(models_folder / "skip-only", TINY, last_layer=0.0)


@pytest.fixture(scope="session")
def tiny_model(tiny_model_folder):
    return load_model(tiny_model_folder, "cpu")


@pytest.fixture(scope="session")
def skip_only_model(skip_only_model_folder):
    return load_model(skip_only_model_folder, "cpu")


@pytest.fixture(scope="session")
def real_data():
    """Folder of real volumes that lies outside the repository; tests that need it are skipped where it is absent."""
    if not (REAL_DATA / "test").is_dir():
        pytest.skip(f"real volumes are not at {REAL_DATA} (set NEXPR_DATA)")
    return REAL_DATA
