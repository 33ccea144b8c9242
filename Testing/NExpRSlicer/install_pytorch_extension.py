"""Run by Slicer (--python-script): install the extension PyTorch; Slicer loads it when it starts the next time."""

import slicer

model = slicer.app.extensionsManagerModel()
model.interactive = False
installed = model.isExtensionInstalled("PyTorch") or model.installExtensionFromServer("PyTorch", False)
slicer.util.exit(0 if installed else 1)
