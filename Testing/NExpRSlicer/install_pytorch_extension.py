"""Run by Slicer (--python-script): install the extension PyTorch; Slicer loads it when it starts the next time."""

import sys

import slicer

model = slicer.app.extensionsManagerModel()
model.interactive = False
installed = model.isExtensionInstalled("PyTorch") or model.installExtensionFromServer("PyTorch", False)
if sys.platform == "darwin":
    # Intel builds of PyTorch for macOS end with 2.2, which needs NumPy 1.
    slicer.util.pip_install("numpy<2")
slicer.util.exit(0 if installed else 1)
