"""Stand-ins for the parts of Slicer's Python that come with its application only."""

import enum
import sys
import types
import typing
from pathlib import Path

from . import gui_stand_ins


class ScriptedLoadableModule:
    def __init__(self, parent):
        self.parent = parent


class ScriptedLoadableModuleWidget:
    def __init__(self, parent=None):
        self.parent = parent
        self.layout = parent.layout()
        self.reloads = 0

    def setup(self):
        pass

    def resourcePath(self, filename):
        return str(Path(sys.modules[type(self).__module__].__file__).parent / "Resources" / filename)

    def onReload(self):
        self.reloads += 1


class ScriptedLoadableModuleLogic:
    """The module's parameter node is a singleton of the scene, as in Slicer."""

    def __init__(self, parent=None):
        self.moduleName = type(self).__name__.removesuffix("Logic")

    def getParameterNode(self):
        import slicer

        node = slicer.mrmlScene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
        if node is None:
            node = slicer.vtkMRMLScriptedModuleNode()
            node.SetSingletonTag(self.moduleName)
            node = slicer.mrmlScene.AddNode(node)
        return node


class ScriptedLoadableModuleTest:
    pass


class WithinRange:
    def __init__(self, minimum, maximum):
        self.minimum, self.maximum = minimum, maximum


def parameterNodeWrapper(cls):
    """Typed properties that are stored in a vtkMRMLScriptedModuleNode: nodes as references, the rest as strings."""
    hints = typing.get_type_hints(cls, include_extras=True)
    cls.allParameters = hints
    defaults = {name: getattr(cls, name) for name in hints if hasattr(cls, name)}

    def initialize(self, parameterNode):
        self.parameterNode = parameterNode

    def observe(self, event, callback, priority=0.0):
        return self.parameterNode.AddObserver(event, callback, priority)

    cls.__init__ = initialize
    cls.AddObserver = observe
    cls.RemoveObserver = lambda self, tag: self.parameterNode.RemoveObserver(tag)
    cls.Modified = lambda self: self.parameterNode.Modified()
    cls.connectGui = _connected
    cls.disconnectGui = lambda self, tag: None
    for name, hint in hints.items():
        setattr(cls, name, _stored(name, hint, defaults.get(name)))
    return cls


def _connected(self, ui):
    """Check that parameters and widgets match; values are set by the tests through the parameter node."""
    connected = {widget.property("SlicerParameterName") for widget in vars(ui).values()} - {None}
    assert connected == set(self.allParameters) - {"model"}, "models are listed by the widget"
    return 0


def _stored(name, hint, default):
    kind, *annotations = typing.get_args(hint) if typing.get_origin(hint) is typing.Annotated else (hint,)

    def read(self):
        if hasattr(kind, "IsTypeOf"):
            return self.parameterNode.GetNodeReference(name)
        text = self.parameterNode.GetParameter(name)
        if not text:
            return default
        if issubclass(kind, enum.Enum):
            return kind[text]
        return text == "True" if kind is bool else kind(text)

    def write(self, value):
        if hasattr(kind, "IsTypeOf"):
            assert value is None or value.IsA(kind.__name__)
            self.parameterNode.SetNodeReferenceID(name, value.GetID() if value else None)
            return
        value = Path(value) if kind is Path else kind(value)
        for annotation in annotations:
            if not annotation.minimum <= value <= annotation.maximum:
                raise ValueError(f"{name} = {value} is out of range")
        self.parameterNode.SetParameter(name, value.name if isinstance(value, enum.Enum) else str(value))

    return property(read, write)


def install():
    """Make the modules importable that a scripted module imports when Slicer loads it."""
    try:
        import slicer
    except ImportError:
        slicer = sys.modules["slicer"] = types.ModuleType("slicer")
        slicer.__path__ = []
        slicer.vtkMRMLScalarVolumeNode = type("vtkMRMLScalarVolumeNode", (), {"IsTypeOf": None})
    if "slicer.i18n" in sys.modules:
        return
    base = _module(
        "slicer.ScriptedLoadableModule",
        ScriptedLoadableModule=ScriptedLoadableModule,
        ScriptedLoadableModuleWidget=ScriptedLoadableModuleWidget,
        ScriptedLoadableModuleLogic=ScriptedLoadableModuleLogic,
        ScriptedLoadableModuleTest=ScriptedLoadableModuleTest,
    )
    base.__all__ = [name for name in vars(base) if name.startswith("Scripted")]
    _module("slicer.i18n", tr=lambda text: text, translate=lambda context, text: text)
    gui_stand_ins.install(slicer)
    _module("slicer.parameterNodeWrapper", parameterNodeWrapper=parameterNodeWrapper, WithinRange=WithinRange)


def _module(name, **content):
    module = sys.modules[name] = types.ModuleType(name)
    vars(module).update(content)
    return module
