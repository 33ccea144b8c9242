import logging
import sys
from pathlib import Path

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import *

# NExpRLib is installed beside this file; in the source tree it is one folder up.
for _folder in (Path(__file__).parent, Path(__file__).parent.parent):
    if str(_folder) not in sys.path:
        sys.path.append(str(_folder))

from NExpRSlicerLib.Apply import ApplyRun
from NExpRSlicerLib.Models import ModelCache
from NExpRSlicerLib.ParameterNode import NExpRSlicerParameterNode
from NExpRSlicerLib.Settings import Settings


class NExpRSlicerLogic(ScriptedLoadableModuleLogic):
    """Everything that can be done without a graphical user interface."""

    def __init__(self):
        ScriptedLoadableModuleLogic.__init__(self)
        self.models = ModelCache()

    def getParameterNode(self):
        return NExpRSlicerParameterNode(super().getParameterNode())

    def process(
        self,
        inputVolume,
        outputVolume=None,
        scale=None,
        spacing=None,
        plane="auto",
        model="mri",
        device="auto",
        dataConsistency=False,
        progress=None,
    ):
        """
        Super-resolve a volume in its acquisition plane, slice by slice. Can be used without GUI widget.

        :param inputVolume: scalar volume node. If it is a frame of a sequence, all frames are processed.
        :param outputVolume: volume node to overwrite; by default a new one is created.
        :param scale: number of output pixels per input pixel along rows and columns; give either scale or spacing.
        :param spacing: output pixel spacing in mm.
        :param plane: auto (the acquisition plane), axial, sagittal or coronal.
        :param model: mri, ct, or the path of a model's folder.
        :param device: auto, cuda, mps or cpu.
        :param dataConsistency: keep the measured spatial frequencies of each slice exactly.
        :param progress: called as progress(done, total, remainingSeconds) after every slice; it may raise to cancel,
            which leaves the scene as it was.
        :return: the output volume node.
        :raises ValueError: for a volume or a target that cannot be super-resolved, with what to do instead.
        """
        settings = Settings(scale, spacing, plane, str(model), device, dataConsistency)
        run = ApplyRun(inputVolume, outputVolume, settings, self.models)
        return run.finish(run.job.run(progress))
