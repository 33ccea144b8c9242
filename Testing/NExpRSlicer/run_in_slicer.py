"""Run by Slicer (--python-script): test the module in the application.

Slicer on Windows prints nothing, so the outcome also goes to slicer-test.log in the current folder.
"""

import traceback
from pathlib import Path

import slicer

outcome, status = "passed", 0
try:
    from NExpRSlicerLib.Dependencies import torchInstalled

    if not torchInstalled():
        import PyTorchUtils

        PyTorchUtils.PyTorchUtilsLogic().installTorch()
    slicer.selfTests["NExpRSlicer"]()
    slicer.util.reloadScriptedModule("NExpRSlicer")
    slicer.selfTests["NExpRSlicer"]()
except BaseException:
    outcome, status = traceback.format_exc(), 1
print(outcome)
Path("slicer-test.log").write_text(outcome, encoding="utf-8")
slicer.util.exit(status)
