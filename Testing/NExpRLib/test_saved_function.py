"""Explicit images on disk."""

import subprocess
import sys

import numpy as np
import pytest

from NExpRLib import ExplicitImage


@pytest.mark.parametrize("target", ["scale=2.5", "shape=(40, 31), grid='kspace'", "rows=[9, 1.5, -3], columns=[4.2]"])
def test_saved_function_needs_numpy_only(tiny_model, tmp_path, target):
    pixels = np.random.default_rng(0).uniform(-50, 900, (2, 1, 13, 17)).astype(np.float32)
    image = tiny_model.represent(pixels)
    image.save(tmp_path / "image.npz")
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "import numpy as np\n"
        "from NExpRLib import ExplicitImage\n"
        f"image = ExplicitImage.load('image.npz').rasterize({target})\n"
        "assert type(image) is np.ndarray\n"
        "np.save('image.npy', image)"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
    reference = eval(f"image.rasterize({target})", {"image": image})
    restored = np.load(tmp_path / "image.npy")
    assert restored.dtype == np.float32
    assert np.abs(restored - reference).max() < 1e-5 * 950


def test_damaged_saved_function_is_refused(tiny_model, tmp_path):
    path = tmp_path / "image.npz"
    tiny_model.represent(np.eye(8)).save(path)
    complete = path.read_bytes()
    for content in (b"", b"text", complete[: len(complete) // 2]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="not a saved explicit image"):
            ExplicitImage.load(path)
    np.savez(path, something=1)
    with pytest.raises(ValueError, match="not a saved explicit image"):
        ExplicitImage.load(path)
    with pytest.raises(FileNotFoundError):
        ExplicitImage.load(tmp_path / "missing.npz")


class Code:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return self.path.touch, ()


def test_code_in_a_saved_function_is_not_run(tiny_model, tmp_path):
    tiny_model.represent(np.ones((6, 6))).save(tmp_path / "good.npz")
    with np.load(tmp_path / "good.npz") as file:
        arrays = dict(file)
    np.savez(tmp_path / "bad.npz", **{**arrays, "margin": np.array([Code(tmp_path / "ran")], dtype=object)})
    with pytest.raises(ValueError, match="bad.npz is not a saved explicit image"):
        ExplicitImage.load(tmp_path / "bad.npz")
    assert not (tmp_path / "ran").exists()


def test_saved_function_of_another_format_is_refused(tiny_model, tmp_path):
    tiny_model.represent(np.ones((6, 6))).save(tmp_path / "slice.npz")
    with np.load(tmp_path / "slice.npz") as file:
        arrays = dict(file)
    np.savez(tmp_path / "slice.npz", **{**arrays, "format": 1})
    with pytest.raises(ValueError, match="format version"):
        ExplicitImage.load(tmp_path / "slice.npz")


def test_saved_function_has_the_name_that_was_asked_for(tiny_model, tmp_path):
    tiny_model.represent(np.ones((6, 6))).save(tmp_path / "slice.nexpr")
    assert [path.name for path in tmp_path.iterdir()] == ["slice.nexpr"]
