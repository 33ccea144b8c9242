"""Apply on a real MRML scene."""

import numpy as np
import pytest

pytest.importorskip("slicer_core", reason="needs the wheel slicer-core")
import slicer
import slicer.util
from NExpRSlicer import NExpRSlicerLogic

from NExpRLib import load_model, upsample


def test_it(scene, tiny_model_folder):
    v = slicer.util.addVolumeFromArray(np.random.default_rng(0).normal(size=(3, 10, 12)).astype(np.float32), name="A")
    out = NExpRSlicerLogic().process(v, scale=2, model=tiny_model_folder)
    print(out)
    assert out.GetImageData().GetDimensions() == (24, 20, 3)
