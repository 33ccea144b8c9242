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


@pytest.mark.parametrize("skip", ["none", "bspline"])
@pytest.mark.parametrize("blend", [False, True])
@pytest.mark.parametrize("slices", [(), (3, 1)])
def test_file_of_format_2_is_read(tmp_path, skip, blend, slices):
    """It held what is drawn: columns before rows, coefficients side by side, and all continued beyond the border."""
    rng = np.random.default_rng(0)
    shape, padding, patch_size = (7, 9), 2, 2
    patches, pixels = (6, 7), (11, 13)
    coefficients = rng.standard_normal((*slices, *patches, 3, 3)).astype(np.float32)
    skip_coefficients = rng.standard_normal((*slices, *pixels)).astype(np.float32)
    frequencies = np.array([[0, 1.3], [0, 2.1]])
    options = {"patch_size": patch_size, "blend": blend, "skip": skip}
    image = ExplicitImage(
        coefficients,
        None if skip == "none" else skip_coefficients,
        shape=shape,
        frequencies=frequencies,
        padding=padding,
        **options,
    )
    repeated = np.pad(coefficients, [(0, 0)] * len(slices) + [(1, 1), (1, 1), (0, 0), (0, 0)], mode="edge")
    leading = tuple(range(len(slices)))
    arranged = repeated.transpose(*leading, *(len(slices) + axis for axis in (1, 3, 0, 2)))
    arrays = {"patches": arranged.reshape(*slices, 3 * 9, 3 * 8)}
    if skip == "bspline":
        # Along each axis: the four pixels around a cell of two, one cell before the first, and all of the last one.
        before = 3 if blend else 4
        borders = [(before, 6 + n % 2 - before) for n in pixels]
        mirrored = np.pad(skip_coefficients, [(0, 0)] * len(slices) + borders, mode="reflect")
        arrays["pixels"] = mirrored.swapaxes(-1, -2)
    np.savez_compressed(
        tmp_path / "image.npz",
        format=2,
        shape=shape,
        margin=padding,
        row_frequencies=frequencies[0],
        column_frequencies=frequencies[1],
        **options,
        **arrays,
    )
    loaded = ExplicitImage.load(tmp_path / "image.npz")
    np.testing.assert_array_equal(loaded.rasterize(2.5), image.rasterize(2.5))


def test_saved_function_holds_the_coefficients_of_patches_and_pixels(tiny_model, tmp_path):
    """So that other programs can read it."""
    image = tiny_model.represent(np.random.default_rng(0).random((2, 1, 13, 17)))
    image.save(tmp_path / "image.npz")
    with np.load(tmp_path / "image.npz") as arrays:
        assert arrays["coefficients"].shape == (2, 1, 7, 9, 5, 5)
        assert arrays["skip_coefficients"].shape == (2, 1, 13, 17)
        assert arrays["frequencies"].shape == (2, 3)


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
    np.savez(tmp_path / "bad.npz", **{**arrays, "padding": np.array([Code(tmp_path / "ran")], dtype=object)})
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
