"""What is known of a volume beyond its voxels and grid: kept in the metadata of its SimpleITK image.

``sidecar`` holds the facts of the DICOM header under their BIDS names (SliceThickness, ImageType, Modality, ...), as
JSON text. ``notes`` holds what the user has to know of how the file was read, a line each.
"""

import json
from pathlib import Path

SIDECAR, NOTES = "sidecar", "notes"


def set_sidecar(image, facts):
    """Keep a dict of facts with an image."""
    image.SetMetaData(SIDECAR, json.dumps(facts))


def sidecar_of(image):
    """The facts kept with an image; an empty dict where there are none."""
    return json.loads(image.GetMetaData(SIDECAR)) if image.HasMetaDataKey(SIDECAR) else {}


def add_note(image, note):
    """Keep a sentence for the user with an image."""
    image.SetMetaData(NOTES, "\n".join([*notes_of(image), note]))


def notes_of(image):
    """The sentences kept with an image."""
    return image.GetMetaData(NOTES).splitlines() if image.HasMetaDataKey(NOTES) else []


def read_sidecar(path):
    """The facts in a BIDS sidecar (.json); an empty dict where there is none that can be read."""
    try:
        facts = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return facts if isinstance(facts, dict) else {}
