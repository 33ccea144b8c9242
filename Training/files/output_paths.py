"""Where results go: one checked path for each volume."""

import os
from collections import Counter
from pathlib import Path

from .volume_files import WRITTEN_EXTENSIONS, check_output, make_folder, sidecar_path
from .volume_sources import extension_of, stem_of


def output_paths(inputs, sources, output, references=()):
    """One path per source, checked before any work. Folders are made.

    :param inputs: paths that the user named.
    :param sources: list of :class:`~.volume_sources.VolumeSource` found there.
    :param output: path of a file, or of a folder for volumes under their own names.
    :param references: sources that must not be replaced either.
    :raises ValueError: for a path that cannot be written, is an input, or would be written twice.
    """
    if not output:
        raise ValueError("The name of the output is empty.")
    output = Path(output)
    if len(sources) == 1 and extension_of(output):
        paths = [output]
    else:
        _check_folder(inputs, sources, output)
        paths = [output / source.folder / f"{source.name}{_written_extension(source)}" for source in sources]
        for folder in {path.parent for path in paths}:
            make_folder(folder, f"The output folder {output}")
    files = {_identity(file) for source in [*sources, *references] for file in source.files if os.path.isfile(file)}
    searched = {Path(path).resolve() for path in inputs if Path(path).is_dir()}
    searched |= {Path(source.files[0]).resolve().parent for source in sources if source.folder}
    for path in paths:
        check_output(path)
        if path.exists() and _identity(path) in files:
            raise ValueError(f"The output {path} is an input: choose another name or folder.")
        if path.resolve().parent in searched:
            raise ValueError(
                f"The output {path} lies among the inputs, where the next run would take it for one: "
                "choose another folder."
            )
    _check_different(paths)
    _check_different([sidecar for path in paths if (sidecar := sidecar_path(path))])
    return paths


def preview_paths(preview, paths, output):
    """Path of the picture of each result: ``preview`` itself for one, in the folder ``preview`` for several.

    :param preview: as the user named it; ``None`` for no pictures.
    :param paths: of the results.
    :param output: as the user named it.
    :raises ValueError: where a picture cannot be written.
    """
    if preview is None:
        return [None] * len(paths)
    preview = Path(preview)
    if preview.suffix == ".png":
        if len(paths) > 1:
            raise ValueError(f"The preview must be a folder for {len(paths)} volumes, not {preview}.")
        pictures = [preview]
    elif paths == [Path(output)] and not preview.is_dir():
        raise ValueError(f"The preview {preview} must end in .png.")
    else:
        folder = Path(output) if paths != [Path(output)] else Path(output).parent
        pictures = [preview / path.relative_to(folder).with_name(f"{stem_of(path)}.png") for path in paths]
    _check_different(pictures)
    for folder in {picture.parent for picture in pictures}:
        make_folder(folder, f"The folder of the preview {preview}")
    return pictures


def _check_different(paths):
    for path, count in Counter(paths).items():
        if count > 1:
            raise ValueError(f"Two volumes would both be written to {path}: rename one.")


def _check_folder(inputs, sources, output):
    if len(inputs) == 1 and Path(inputs[0]).is_file() and not output.is_dir():
        raise ValueError(
            f"The output {output} is no folder: a file needs one of the extensions {', '.join(WRITTEN_EXTENSIONS)}."
        )
    if output.is_file() or extension_of(output):
        volumes = "1 volume" if len(sources) == 1 else f"{len(sources)} volumes"
        raise ValueError(f"The output must be a folder for {volumes}, not {output}.")


def _identity(path):
    """The file that a path leads to, whatever its spelling."""
    status = os.stat(path)
    return status.st_dev, status.st_ino


def _written_extension(source):
    """That of the source where it is written; otherwise that of the nearest format that is."""
    extension = extension_of(source.files[0]) if source.series is None else ""
    return {".mhd": ".mha", ".nhdr": ".nrrd"}.get(
        extension, extension if extension in WRITTEN_EXTENSIONS else ".nii.gz"
    )
