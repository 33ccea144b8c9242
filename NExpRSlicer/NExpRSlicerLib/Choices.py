"""Choices that the user makes in combo boxes: values for NExpRLib, labels for people."""

import enum

from slicer.i18n import tr as _


class ModelChoice(enum.Enum):
    MRI = "mri"
    MRI_FAST = "mri-fast"
    CT = "ct"
    FILE = "file"

    def label(self):
        labels = {
            ModelChoice.MRI: _("MRI"),
            ModelChoice.MRI_FAST: _("MRI, fast"),
            ModelChoice.CT: _("CT"),
            ModelChoice.FILE: _("From folder or file"),
        }
        return labels[self]


class TargetMode(enum.Enum):
    SCALE = "scale"
    SPACING = "spacing"
    SQUARE_PIXELS = "square pixels"

    def label(self):
        labels = {
            TargetMode.SCALE: _("Scale factor"),
            TargetMode.SPACING: _("Pixel spacing"),
            TargetMode.SQUARE_PIXELS: _("Make in-plane isotropic"),
        }
        return labels[self]


class Plane(enum.Enum):
    AUTO = "auto"
    AXIAL = "axial"
    SAGITTAL = "sagittal"
    CORONAL = "coronal"

    def label(self):
        labels = {
            Plane.AUTO: _("Acquisition plane"),
            Plane.AXIAL: _("Axial"),
            Plane.SAGITTAL: _("Sagittal"),
            Plane.CORONAL: _("Coronal"),
        }
        return labels[self]


class Device(enum.Enum):
    AUTO = "auto"
    CUDA = "cuda"
    MPS = "mps"
    CPU = "cpu"

    def label(self):
        labels = {
            Device.AUTO: _("Fastest available"),
            Device.CUDA: _("NVIDIA or AMD GPU (CUDA)"),
            Device.MPS: _("Apple GPU (MPS)"),
            Device.CPU: _("CPU"),
        }
        return labels[self]
