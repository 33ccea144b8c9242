"""Stand-ins for Qt, CTK and the application, as far as the module's widget uses them.

Widgets are read from the module's .ui file. Properties are attributes, as in PythonQt; signals call back at once;
timers fire when the test calls ``process_events``.
"""

import sys
import types
import xml.etree.ElementTree as ElementTree


class Signal:
    def __init__(self):
        self.slots = []

    def connect(self, slot):
        self.slots.append(slot)

    def emit(self, *arguments):
        for slot in list(self.slots):
            slot(*arguments)


class Palette:
    """Of a theme; its window has a lightness from 0 to 255."""

    Window = object()
    lightness = 240

    def color(self, role):
        return types.SimpleNamespace(lightness=lambda: Palette.lightness)


class Application:
    def __init__(self):
        self.connections = []

    def connect(self, signal, slot):
        self.connections.append((signal, slot))

    def disconnect(self, signal, slot):
        self.connections = [each for each in self.connections if each != (signal, slot)]

    def emit(self, name, *arguments):
        for signal, slot in list(self.connections):
            if signal.split("(")[0] == name:
                slot(*arguments)

    def testingEnabled(self):
        return True

    def layoutManager(self):
        return None


class Shortcut:
    """A key of the main window."""

    present = []

    def __init__(self, key, window):
        self.key, self.window = key, window
        Shortcut.present.append(self)

    def connect(self, signal, slot):
        self.press = slot

    def setParent(self, parent):
        Shortcut.present.remove(self)


class Widget:
    def __init__(self, className, name, parameterName):
        self.className, self.name, self.parameterName = className, name, parameterName
        self.text = self.toolTip = self.currentPath = ""
        self.enabled = self.visible = True
        self.value = self.maximum = 0
        self.checked = False
        self.styleSheet = ""
        self.palette = Palette()
        self.currentIndex, self.items = -1, []
        self.clicked, self.validInputChanged, self.activated = Signal(), Signal(), Signal()

    def setVisible(self, visible):
        assert isinstance(visible, bool)
        self.visible = visible

    def hide(self):
        self.visible = False

    def blockSignals(self, block):
        return False

    def repaint(self):
        pass

    def addCurrentPathToHistory(self):
        self.inHistory = True

    def setMRMLScene(self, scene):
        self.scene = scene

    def connect(self, signal, slot):
        getattr(self, signal.split("(")[0]).connect(slot)

    def addItem(self, text, data):
        self.items.append((text, data))

    def setItemText(self, index, text):
        self.items[index] = (text, self.items[index][1])

    def itemData(self, index):
        return self.items[index][1]

    def findData(self, data):
        return next((index for index, item in enumerate(self.items) if item[1] == data), -1)

    def choose(self, text):
        """As the user does in a combo box."""
        self.currentIndex = [item[0] for item in self.items].index(text)
        self.activated.emit(self.currentIndex)

    def property(self, name):
        return self.parameterName if name == "SlicerParameterName" else None

    def click(self, *arguments):
        assert self.enabled, f"{self.name} is disabled: {self.toolTip}"
        self.clicked.emit(*arguments)


class Timer:
    active = []

    def __init__(self):
        self.timeout = Signal()
        self.singleShot = False

    def setSingleShot(self, singleShot):
        self.singleShot = singleShot

    def setInterval(self, milliseconds):
        self.interval = milliseconds

    def start(self):
        if self not in Timer.active:
            Timer.active.append(self)

    def stop(self):
        if self in Timer.active:
            Timer.active.remove(self)


def process_events(rounds=1):
    """Let every running timer fire."""
    for _ in range(rounds):
        for timer in list(Timer.active):
            if timer.singleShot:
                timer.stop()
            timer.timeout.emit()


class Parent:
    """What Slicer hands to module and widget."""

    def __init__(self, path=""):
        self.path = path
        self.isEntered = True

    def layout(self):
        return types.SimpleNamespace(addWidget=lambda widget: None)


def widgets_of(uiFile):
    """(top widget, namespace of named widgets) of a .ui file."""
    elements = ElementTree.parse(uiFile).getroot().findall(".//widget")
    widgets = []
    for element in elements:
        parameter = element.find("property[@name='SlicerParameterName']/string")
        widgets.append(Widget(element.get("class"), element.get("name"), None if parameter is None else parameter.text))
    return widgets[0], types.SimpleNamespace(**{widget.name: widget for widget in widgets[1:]})


def install(slicer):
    """Make qt and ctk importable and give slicer the application."""
    if "qt" in sys.modules:
        return
    sys.modules["qt"] = types.ModuleType("qt")
    sys.modules["qt"].QTimer = Timer
    sys.modules["qt"].QPalette = Palette
    sys.modules["qt"].QShortcut, sys.modules["qt"].QKeySequence = Shortcut, str
    sys.modules["ctk"] = types.ModuleType("ctk")
    slicer.app = Application()
    loaded = {}

    def loadUI(path):
        top, namespace = widgets_of(path)
        loaded[id(top)] = namespace
        return top

    if hasattr(slicer, "util"):
        slicer.util.loadUI = loadUI
        slicer.util.childWidgetVariables = lambda top: loaded[id(top)]
        slicer.util.mainWindow = lambda: "main window"
