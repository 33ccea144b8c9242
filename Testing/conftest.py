"""Fixtures shared by all tests."""

import hashlib
import io
import json
import os
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from NExpRLib.network import NetworkConfig, NExpRNetwork

_REAL_DATA = Path(os.environ.get("NEXPR_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(scope="session")
def tiny_model_folder(tmp_path_factory):
    """A model of random weights whose contribution to the skip is small but not zero."""
    torch.manual_seed(0)
    config = NetworkConfig(blocks=1, features=8, hidden=16, frequencies=2, basis="full", skip="bspline", blend=True)
    network = NExpRNetwork(config)
    torch.nn.init.normal_(network.decoder[-1].weight, std=0.005)
    buffer = io.BytesIO()
    torch.save({name: tensor.half() for name, tensor in network.state_dict().items()}, buffer)
    folder = tmp_path_factory.mktemp("models") / "tiny"
    folder.mkdir()
    (folder / "weights.pt").write_bytes(buffer.getvalue())
    card = {
        "name": "tiny",
        "scales": [1, 4],
        "network": asdict(config),
        "sha256": hashlib.sha256(buffer.getvalue()).hexdigest(),
    }
    (folder / "card.json").write_text(json.dumps(card))
    return folder


@pytest.fixture(scope="session")
def real_data():
    """Folder of real volumes that lies outside the repository; tests that need it are skipped where it is absent."""
    if not (_REAL_DATA / "test").is_dir():
        pytest.skip(f"real volumes are not at {_REAL_DATA} (set NEXPR_DATA)")
    return _REAL_DATA
