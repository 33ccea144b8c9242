"""Choices that the user makes in combo boxes: values for NExpRLib, labels for people."""

import enum

from slicer.i18n import tr as _


class ModelChoice(enum.Enum):
    MRI = "mri"
    CT = "ct"
    FILE = "file"

    def label(self):
        return {self.MRI: _("MRI"), self.CT: _("CT"), self.FILE: _("From folder or file")}[self]


class TargetMode(enum.Enum):
    SCALE = "scale"
    SPACING = "spacing"
    SQUARE_PIXELS = "square pixels"

    def label(self):
        labels = {
            self.SCALE: _("Scale factor"),
            self.SPACING: _("Pixel spacing"),
            self.SQUARE_PIXELS: _("Make in-plane isotropic"),
        }
        return labels[self]


class Plane(enum.Enum):
    AUTO = "auto"
    AXIAL = "axial"
    SAGITTAL = "sagittal"
    CORONAL = "coronal"

    def label(self):
        labels = {
            self.AUTO: _("Acquisition plane"),
            self.AXIAL: _("Axial"),
            self.SAGITTAL: _("Sagittal"),
            self.CORONAL: _("Coronal"),
        }
        return labels[self]


class Device(enum.Enum):
    AUTO = "auto"
    CUDA = "cuda"
    MPS = "mps"
    CPU = "cpu"

    def label(self):
        labels = {
            self.AUTO: _("Fastest available"),
            self.CUDA: _("NVIDIA or AMD GPU (CUDA)"),
            self.MPS: _("Apple GPU (MPS)"),
            self.CPU: _("CPU"),
        }
        return labels[self]
