"""The slices of a comparison: prepared once where they are volumes, then read."""

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..data.prepare import prepare
from ..data.prepared import read_slices
from ..files.volume_files import atomic_output
from .made_data import make_slices


@dataclass(frozen=True)
class SliceToRestore:
    """A slice to restore: float32 ``truth`` (H, W) in [0, 1], number ``index`` among those of its ``volume``."""

    patient: str
    volume: str
    index: int
    truth: np.ndarray


def prepared_file(name, data_set, part, data_folder, output):
    """Path of the ``.npz`` with the slices of a data set, which is made or prepared first where it is missing.

    :param name: of the data set; it names the file.
    :param part: ``training`` or ``test``.
    :param data_folder: that relative paths are relative to.
    :param output: folder of the comparison.
    :raises ValueError: if there is no data, or it cannot be used.
    """
    source = Path(data_folder) / data_set.data
    if source.suffix == ".npz":
        if not source.is_file():
            raise ValueError(f"The data {source} of {name} are missing: write them by nexpr prepare.")
        return source
    path = output / "data" / f"{part}-{name}.npz"
    record = path.with_suffix(".json")
    options = asdict(data_set.prepare)
    tables = [Path(options[option]) for option in ("subjects", "effective_resolution") if options[option]]
    tables = [table for table in tables if table.is_file()]
    files = [*sorted(p for p in source.rglob("*") if p.is_file()), *tables]
    state = [[p.name, p.stat().st_size, p.stat().st_mtime_ns] for p in files]
    recipe = json.dumps([data_set.data, options, state])
    if path.is_file() and record.is_file() and record.read_text(encoding="utf-8") == recipe:
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    if data_set.data in ("made T1", "made T2"):
        make_slices(path, data_set.data.removeprefix("made "), part)
    else:
        found = prepare(source, path, data_set.prepare)
        print(f"Prepared {name}: {sum(len(volume.slices) for volume in found.kept)} slices, shown in {found.sheet}")
        found.check_complete()
    with atomic_output(record) as temporary:
        temporary.write_text(recipe, encoding="utf-8")
    return path


@lru_cache
def fingerprint(path):
    """SHA-256 of all arrays of an ``.npz`` file, wherever it lies and whenever it was written."""
    digest = hashlib.sha256()
    with np.load(path, allow_pickle=False) as file:
        for name in sorted(file.files):
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(file[name]))
    return digest.hexdigest()


@lru_cache
def training_subjects(path):
    """Names of the subjects of a prepared file that networks are trained on."""
    volumes, facts = read_slices(path)
    return {subject for subject, _ in volumes} - set(facts["validation_subjects"])


def slices_to_restore(path, slices_per_volume=None):
    """Slices of a prepared file that hold more than one value, as a list of :class:`SliceToRestore`.

    What holds one value is restored without error, and its PSNR infinite.

    :param slices_per_volume: only that many, evenly spaced, of each volume.
    :raises ValueError: if the file is no prepared data, holds no such slice, or slices are too small to measure SSIM.
    """
    volumes, _ = read_slices(path)
    chosen = []
    for (patient, volume), images in volumes.items():
        if min(map(min, (image.shape for image in images))) < 11:
            raise ValueError(f"{path}: slices of {volume} are too small to compare.")
        contrast = [index for index, image in enumerate(images) if image.min() < image.max()]
        count = min(slices_per_volume or len(contrast), len(contrast))
        # The middles of equal parts of the volume.
        for middle in ((np.arange(count) + 0.5) * len(contrast) / max(1, count)).astype(int):
            index = contrast[middle]
            chosen.append(SliceToRestore(patient, volume, index, images[index].astype(np.float32)))
    if not chosen:
        raise ValueError(f"{path}: every slice holds one value only, there is nothing to compare.")
    return chosen
