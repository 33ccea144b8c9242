"""The .ui file against the parameter node, the widget and the classes that exist."""

import re
import xml.etree.ElementTree as ElementTree

import pytest

from NExpRSlicerLib import Panel, Parameters

from .conftest import MODULE_FOLDER

UI_FILE = MODULE_FOLDER / "Resources" / "UI" / "NExpRSlicer.ui"
# Classes of Qt, CTK and Slicer that Qt's loader in Slicer can create.
QT_CLASSES = {"QLabel", "QComboBox", "QCheckBox", "QPushButton", "QDoubleSpinBox", "QProgressBar"}
CTK_CLASSES = {"ctkCollapsibleButton", "ctkPathLineEdit", "ctkSliderWidget"}
SLICER_CLASSES = {"qMRMLWidget", "qMRMLNodeComboBox"}
# Which widgets slicer.parameterNodeWrapper connects to which type.
CONNECTABLE = {
    "vtkMRMLScalarVolumeNode": {"qMRMLNodeComboBox"},
    "Path": {"ctkPathLineEdit"},
    "bool": {"QCheckBox"},
    "float": {"ctkSliderWidget", "QDoubleSpinBox"},
    "Enum": {"QComboBox"},
}


@pytest.fixture(scope="module")
def root():
    return ElementTree.parse(UI_FILE).getroot()


@pytest.fixture(scope="module")
def widgets(root):
    return root.findall(".//widget")


def text_of(widget, name):
    element = widget.find(f"property[@name='{name}']/*")
    return None if element is None else (element.text or "")


def test_classes_exist_and_custom_ones_are_declared(root, widgets):
    used = {widget.get("class") for widget in widgets}
    declared = {element.text for element in root.findall("customwidgets/customwidget/class")}
    assert used <= QT_CLASSES | CTK_CLASSES | SLICER_CLASSES
    assert declared == used & (CTK_CLASSES | SLICER_CLASSES)


def test_names_are_unique(widgets):
    names = [widget.get("name") for widget in widgets]
    assert len(names) == len(set(names))


def test_every_parameter_has_one_widget_of_a_type_that_connects(widgets):
    parameters = Parameters.NExpRSlicerParameterNode.allParameters
    connected = {
        text_of(w, "SlicerParameterName"): w.get("class") for w in widgets if text_of(w, "SlicerParameterName")
    }
    assert set(connected) == set(parameters) - {"model"}, "models are listed by the widget"
    for name in connected:
        hint = parameters[name]
        kind = getattr(hint, "__origin__", hint)
        kind = "Enum" if hasattr(kind, "__members__") else kind.__name__
        assert connected[name] in CONNECTABLE[kind], name


def test_combo_boxes_are_left_empty_for_the_parameter_node(widgets):
    assert not [w for w in widgets if w.get("class") == "QComboBox" and w.find("item") is not None]


def test_everything_that_can_be_used_has_a_tooltip(widgets):
    layout_only = {"qMRMLWidget", "ctkCollapsibleButton"}
    for widget in widgets:
        is_caption = widget.get("class") == "QLabel" and text_of(widget, "text")
        if widget.get("class") not in layout_only and not is_caption:
            assert len(text_of(widget, "toolTip") or "") > 10, widget.get("name")


def test_node_selectors_get_the_scene(root, widgets):
    receivers = {c.find("receiver").text for c in root.findall("connections/connection")}
    assert receivers == {w.get("name") for w in widgets if w.get("class") == "qMRMLNodeComboBox"}


def test_node_selectors_know_their_types_before_the_name_of_new_nodes(widgets):
    """Properties are set in this order, and the name is dropped without types."""
    for widget in widgets:
        properties = [each.get("name") for each in widget.findall("property")]
        if "baseName" in properties:
            assert properties.index("nodeTypes") < properties.index("baseName")


def test_every_widget_that_the_code_uses_exists(widgets):
    code = (MODULE_FOLDER / "NExpRSlicer.py").read_text(encoding="utf-8")
    used = set(re.findall(r"\bself\.ui\.(\w+)", code)) | set(re.findall(r"\bui\.(\w+)\.", code))
    shown = Panel.visibleWidgets(NExpRSlicerParameters())
    assert used | set(shown) <= {widget.get("name") for widget in widgets}


def test_spin_boxes_tell_the_parameter_node_when_typing_has_ended(widgets):
    """Otherwise its answer would complete 0.4 to 0.400 before the user can type 0.45."""
    for widget in widgets:
        if widget.get("class") == "QDoubleSpinBox":
            assert text_of(widget, "keyboardTracking") == "false"


class NExpRSlicerParameters:
    model = targetMode = measuredMode = None


def test_ranges_of_widgets_hold_those_of_the_parameters(widgets):
    for name, hint in Parameters.NExpRSlicerParameterNode.allParameters.items():
        for annotation in getattr(hint, "__metadata__", ()):
            (widget,) = (w for w in widgets if text_of(w, "SlicerParameterName") == name)
            assert float(text_of(widget, "minimum")) == annotation.minimum
            assert float(text_of(widget, "maximum")) == annotation.maximum
