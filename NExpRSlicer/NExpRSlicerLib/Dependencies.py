"""PyTorch comes from the PyTorch extension and is asked for when it is needed for the first time."""

import importlib.util
from types import ModuleType

import numpy
from slicer.i18n import tr as _

MINIMUM_TORCH = (2, 2)
# Installed along with it; without a limit, old versions come that do not work with it.
_MINIMUM_TORCHVISION = "0.17"


class DependencyError(RuntimeError):
    """PyTorch is not there; the message says what to do."""


def torchInstalled() -> bool:
    """Whether PyTorch is installed; it is not imported."""
    try:
        spec = importlib.util.find_spec("torch")
    except (ImportError, ValueError):
        return False
    return spec is not None and spec.origin is not None  # A folder that an uninstallation left has no origin.


def ensureTorch() -> None:
    """Import PyTorch; the user is asked for permission to install it if it is missing.

    :raises DependencyError: if it cannot be had, does not work, or the user declined.
    """
    torch = _importTorch() if torchInstalled() else _installTorch()
    version = tuple(int(part) for part in torch.__version__.split("+")[0].split(".")[:2])
    if version < MINIMUM_TORCH:
        raise DependencyError(
            _(
                "PyTorch {version} is too old, {minimum} or later is needed: open the module PyTorch Utils, uninstall "
                "PyTorch, restart Slicer, and try again."
            ).format(version=torch.__version__, minimum=".".join(map(str, MINIMUM_TORCH)))
        )
    _checkNumPy(torch)


def _checkNumPy(torch: ModuleType) -> None:
    """PyTorch 2.2 needs NumPy 1, which Slicer does not have; Intel builds for macOS find no later PyTorch."""
    try:
        torch.zeros(1).numpy()
    except RuntimeError as error:
        raise DependencyError(
            _(
                "PyTorch {version} does not work with the NumPy of Slicer ({numpy}): enter {command} in the Python "
                "console, restart Slicer, and try again."
            ).format(version=torch.__version__, numpy=numpy.__version__, command='slicer.util.pip_install("numpy<2")')
        ) from error


def _importTorch() -> ModuleType:
    try:
        import torch

        torch.zeros(1)
    except Exception as error:  # Half of an installation fails in any way.
        raise DependencyError(
            _(
                "PyTorch is installed but does not start ({error}): open the module PyTorch Utils, uninstall PyTorch, "
                "restart Slicer, and try again."
            ).format(error=error)
        ) from error
    return torch


def _installTorch() -> ModuleType:
    try:
        import PyTorchUtils
    except ImportError as error:
        raise DependencyError(
            _("NExpR needs the extension PyTorch: install it in the Extensions Manager, restart Slicer, and try again.")
        ) from error
    minimum = ".".join(map(str, MINIMUM_TORCH))
    logic = PyTorchUtils.PyTorchUtilsLogic()
    try:
        torch = logic.installTorch(
            askConfirmation=True,
            torchVersionRequirement=f">={minimum}",
            torchvisionVersionRequirement=f">={_MINIMUM_TORCHVISION}",
        )
    except Exception as error:
        raise DependencyError(
            _(
                "PyTorch could not be installed ({error}): check the network connection and the free disk space, "
                "restart Slicer, and try again."
            ).format(error=error)
        ) from error
    if torch is None:
        raise DependencyError(_("PyTorch was not installed. Nothing was changed; you will be asked again next time."))
    return torch
