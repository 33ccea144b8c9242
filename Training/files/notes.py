"""Notes on how a file was read, kept in the metadata of its SimpleITK image; and BIDS sidecars."""

import json
from pathlib import Path

_KEY = "notes"


def add_note(image, note):
    """Keep a sentence for the user with an image."""
    image.SetMetaData(_KEY, "\n".join([*notes_of(image), note]))


def drop_notes(image):
    """Forget the sentences kept with an image."""
    image.EraseMetaData(_KEY)


def notes_of(image):
    """The sentences kept with an image."""
    return image.GetMetaData(_KEY).splitlines() if image.HasMetaDataKey(_KEY) else []


def read_sidecar(path):
    """The facts in a BIDS sidecar (.json); an empty dict where there is none that can be read."""
    try:
        facts = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return facts if isinstance(facts, dict) else {}
