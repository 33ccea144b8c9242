"""Files that are broken at random: what does the command do with them?

    python -m Testing.Training.fuzz --count 2000 --seed 0

makes small volumes (NIfTI, NRRD, MetaImage, DICOM series), changes bytes or header fields at random, and runs ``nexpr
upsample`` on each. It has to end with status 0 and a whole file whose voxels lie where nibabel or SimpleITK puts those
of the input, with their mean; or with status 2, one line, and no file. Everything else is listed: tracebacks, warnings,
crashes, runs of more than a minute, half files, volumes that moved or changed.
"""

import argparse
import contextlib
import gzip
import io
import multiprocessing
import os
import random
import re
import shutil
import tempfile
import warnings
from collections import Counter
from pathlib import Path

import numpy as np

_NUMBERS = ("-1", "0", "1", "3", "nan", "inf", "-inf", "1e30", "1e-30", "65535", "2147483648", "99999999999")
_NASTY = (*_NUMBERS, "", "x", "1 2", "1 0 0")
_TIME_LIMIT = 60
_KINDS = ("nii", "nii.gz", "nrrd", "raw.nrrd", "mha", "raw.mha", "dicom")


def make(kind, folder, random_numbers):
    """Write a whole input; returns what is to be named on the command line, and the files that may be broken."""
    import nibabel
    import SimpleITK as sitk

    pixels = random_numbers.integers(0, 3000, (4, 10, 12)).astype(random_numbers.choice(["int16", "uint16", "float32"]))
    if kind == "dicom":
        return folder / "in", _dicom(folder / "in", pixels.astype("uint16"))
    path = folder / f"in.{kind.removeprefix('raw.')}"
    axes, _ = np.linalg.qr(random_numbers.normal(size=(3, 3)))
    if kind.startswith("nii"):
        affine = np.eye(4)
        affine[:3, :3] = axes * (0.7, 0.9, 3)
        affine[:3, 3] = random_numbers.normal(0, 50, 3)
        image = nibabel.Nifti1Image(pixels.T, affine)
        image.set_qform(affine, int(random_numbers.integers(0, 3)))
        image.set_sform(affine, int(random_numbers.integers(0, 3)))
        nibabel.save(image, path)
    else:
        image = sitk.GetImageFromArray(pixels)
        image.SetSpacing((0.7, 0.9, 3))
        image.SetDirection((axes * np.sign(np.linalg.det(axes))).ravel().tolist())
        sitk.WriteImage(image, str(path), not kind.startswith("raw"))
    return path, [path]


def _dicom(folder, pixels):
    import SimpleITK as sitk

    folder.mkdir()
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    for k, slice_ in enumerate(pixels):
        image = sitk.GetImageFromArray(slice_)
        image.SetSpacing((0.7, 0.9))
        for key, value in {
            "0008|0060": "MR",
            "0008|0016": "1.2.840.10008.5.1.4.1.1.4",
            "0008|0018": f"1.2.3.{k + 1}",
            "0020|000d": "1.2.3",
            "0020|000e": "1.2.3.4",
            "0020|0013": str(k + 1),
            "0018|0050": "3",
            "0020|0032": f"10\\20\\{3 * k}",
            "0020|0037": "1\\0\\0\\0\\1\\0",
            "0028|1052": "0",
            "0028|1053": "1",
        }.items():
            image.SetMetaData(key, value)
        writer.SetFileName(str(folder / f"{k}.dcm"))
        writer.Execute(image)
    return sorted(folder.iterdir())


def break_one(kind, files, chance):
    """Change one of the files; returns in words what was done."""
    path = chance.choice(files)
    ways = [_bytes, _bytes, _truncated] + {"nii": [_nifti_field] * 4, "nii.gz": [_nifti_field] * 4}.get(kind, [])
    ways += [_text_field] * 4 if kind.endswith(("nrrd", "mha")) else []
    ways += [_element] * 4 if kind == "dicom" else []
    return f"{path.name}: {chance.choice(ways)(path, chance)}"


def _bytes(path, chance):
    content = bytearray(path.read_bytes())
    end = chance.choice([min(400, len(content)), len(content)])
    said = []
    for _ in range(chance.choice([1, 1, 2, 8, 40])):
        where = chance.randrange(end)
        content[where] = chance.choice([0, 255, content[where] ^ (1 << chance.randrange(8)), chance.randrange(256)])
        said.append(where)
    path.write_bytes(content)
    return f"bytes {said[:8]}"


def _truncated(path, chance):
    content = path.read_bytes()
    length = int(len(content) * chance.choice([0, 0.02, 0.3, 0.9, 0.999, 1])) + chance.choice([0, 1, 3])
    path.write_bytes(content[:length] + bytes(chance.choice([0, 0, 100])))
    return f"cut to {length} of {len(content)} bytes"


def _nifti_field(path, chance):
    import nibabel

    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rb") as file:
        content = bytearray(file.read())
    header = np.frombuffer(bytes(content[:348]), nibabel.Nifti1Header.template_dtype).copy()
    name = chance.choice([name for name in header.dtype.names if header[name].dtype.kind in "iuf"])
    values = header[name].reshape(-1)
    where = chance.randrange(len(values))
    extremes = [-1, 0, 1, 2, 3, 7, 16, 255, 1e-30, 32767, -32768, np.nan, np.inf, 1e30]
    with contextlib.suppress(ValueError, OverflowError), np.errstate(all="ignore"):
        values[where] = chance.choice(extremes if values.dtype.kind == "f" else extremes[:8] + extremes[9:11])
    content[:348] = header.tobytes()
    with opened(path, "wb") as file:
        file.write(content)
    return f"{name}[{where}] = {values[where]}"


def _text_field(path, chance):
    content = path.read_bytes()
    mark = b"ElementDataFile" if path.suffix == ".mha" else b"\n\n"
    head, mark, tail = content.partition(mark)
    lines = head.decode("latin-1").split("\n")
    number = chance.randrange(len(lines))
    key, separator, value = lines[number].partition("= " if path.suffix == ".mha" else ": ")
    parts = value.split(" ")
    way = chance.choice(["part", "whole", "remove", "double"])
    if way == "part":
        parts[chance.randrange(len(parts))] = chance.choice(_NASTY)
        lines[number] = key + separator + " ".join(parts)
    elif way == "whole":
        lines[number] = key + separator + chance.choice(_NASTY)
    elif way == "remove":
        del lines[number]
    else:
        lines.insert(number, lines[number])
    path.write_bytes("\n".join(lines).encode("latin-1") + mark + tail)
    return f"{way} {key.strip()}: {lines[number] if number < len(lines) else ''}"


def _element(path, chance):
    import pydicom

    pydicom.config.settings.writing_validation_mode = pydicom.config.IGNORE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        header = pydicom.dcmread(path)
        tag = chance.choice(list(header.keys()))
        said = f"{header[tag].keyword} = {header[tag].repval}"
        if chance.random() < 0.3:
            del header[tag]
            said += " removed"
        else:
            value = chance.choice(_NASTY)
            with contextlib.suppress(Exception):
                header[tag].value = int(float(value)) if header[tag].VR in ("US", "UL") else value.replace(" ", "\\")
                said += f" -> {value}"
        with contextlib.suppress(Exception):
            header.save_as(path)
    return said


def judge(source, output, status, out, err):
    """What is wrong with how a run ended; empty if nothing is."""
    err = re.sub(r".* \d+ % done.*\n", "", err)  # A run of some seconds says how far it is.
    if "Traceback" in err or "Warning" in err + out:
        return "traceback or warning: " + err[-600:]
    left = [path.name for path in output.parent.glob(".*")]
    if left:
        return f"left over: {left}"
    if status == 2:
        if output.exists():
            return "failed, and a file is there"
        return "" if err.count("\n") == 1 and err.startswith("nexpr: error: ") else f"not one line: {err}"
    if status:
        return f"status {status}: {err[-300:]}"
    if err:
        return f"succeeded with words: {err}"
    if not output.exists():
        return "succeeded without a file"
    return _difference(source, output, out)


def _difference(source, output, out):
    """Whether a result lies elsewhere than its input or has other intensities, by readers that are not ours."""
    import nibabel
    import SimpleITK as sitk

    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    result = sitk.ReadImage(str(output))
    voxels = sitk.GetArrayFromImage(result).astype(float)
    with contextlib.suppress(Exception), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        if source.is_dir() or "does not say where" in out:
            return ""  # Where slices are whole and in order is what the tests of DICOM are for.
        if ".nii" in source.name:
            image = nibabel.load(source)
            truth = np.asarray(image.get_fdata())
            header = image.header
            neither = not (header["qform_code"] or header["sform_code"])
            if neither or "differ by up to" in out or "not quite at right angles" in out or truth.ndim != 3:
                return ""
            corners = [image.affine @ [-0.5, -0.5, 0, 1], image.affine @ [n - 0.5 for n in truth.shape[:2]] + [0, 1]]
            places = [corner[:3] * (-1, -1, 1) for corner in corners[:1]]
        elif not source.name.endswith(("nrrd", "mha", "mhd")):
            return _difference_from_dicom(source, result)
        else:
            image = sitk.ReadImage(str(source))
            truth = sitk.GetArrayFromImage(image).astype(float)
            places = [np.array(image.TransformContinuousIndexToPhysicalPoint((-0.5, -0.5, 0)))]
        found = np.array(result.TransformContinuousIndexToPhysicalPoint((-0.5, -0.5, 0)))
        if np.abs(found - places[0]).max() > 1e-2 * min(result.GetSpacing()) + 1e-3 and "across" not in out:
            return f"lies elsewhere: {found} instead of {places[0]}"
        if np.isfinite(truth).all() and abs(voxels.mean() - truth.mean()) > 0.05 * np.ptp(truth):
            return f"has other intensities: mean {voxels.mean():g} instead of {truth.mean():g}"
    return ""


def _difference_from_dicom(source, result):
    import pydicom

    header = pydicom.dcmread(source, stop_before_pixels=True)
    if "MOSAIC" in header.ImageType or int(header.get("NumberOfFrames", 1)) > 1:
        return ""
    across, down = np.reshape(header.ImageOrientationPatient, (2, 3)).astype(float)
    rows, columns = (float(x) for x in header.PixelSpacing)
    place = np.array(header.ImagePositionPatient, float) - 0.5 * (columns * across + rows * down)
    found = np.array(result.TransformContinuousIndexToPhysicalPoint((-0.5, -0.5, 0)))
    return "" if np.abs(found - place).max() < 1e-2 else f"lies elsewhere: {found} instead of {place}"


def _worker(pipe, model):
    """Runs of the command in one process, one after the other."""
    from NExpRLib.model import load_model
    from NExpRTraining.cli import main

    load_model(model, "cpu")  # The first time takes long.
    pipe.send("ready")
    while True:
        source, output, plane = pipe.recv()
        out, err, status = io.StringIO(), io.StringIO(), 0
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                arguments = ["upsample", str(source), str(output), "--scale", "2", "--plane", plane, "--device", "cpu"]
                main([*arguments, "--model", str(model)])
        except SystemExit as end:
            status = end.code or 0
        except BaseException as error:
            status, traceback = 1, f"Traceback: {type(error).__name__}: {error}"
            err.write(traceback)
        pipe.send((status, out.getvalue(), err.getvalue()))


class Command:
    """The command in a process of its own, which is started again when it crashed or hangs."""

    def __init__(self, model, limit=_TIME_LIMIT):
        self._model, self._limit, self._process = model, limit, None

    def run(self, source, output, plane="2"):
        if self._process is None:
            context = multiprocessing.get_context("spawn")
            self._pipe, other = context.Pipe()
            self._process = context.Process(target=_worker, args=(other, self._model), daemon=True)
            self._process.start()
            other.close()
            self._pipe.recv()
        self._pipe.send((source, output, plane))
        with contextlib.suppress(EOFError, ConnectionError):
            if self._pipe.poll(self._limit):
                return self._pipe.recv()
        hangs = self._process.is_alive()
        self.close()
        return 1, "", "hang" if hangs else "crash"

    def close(self):
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None


def fuzz(count, seed=0, model="mri-fast", run=None):
    """Break ``count`` inputs.

    :param run: called as ``run(source, output)`` for ``(status, stdout, stderr)``; by default in another process.
    :return: list of ``(number, kind, what was done, what is wrong)``, and counts of how the runs ended.
    """
    command = None if run else Command(model)
    failures, ends = [], Counter()
    try:
        for number in range(count):
            if number % 100 == 0 and command:
                print(f"{number} of {count}", flush=True)
            chance = random.Random(f"{seed}-{number}")
            kind = chance.choice(_KINDS)
            with tempfile.TemporaryDirectory(prefix="nexpr-fuzz-") as name:
                folder = Path(name)
                (folder / "out").mkdir()
                source, files = make(kind, folder, np.random.default_rng(number))
                done = break_one(kind, files, chance)
                output = folder / "out" / f"out.{chance.choice(['nii', 'nii.gz', 'nrrd', 'mha'])}"
                status, out, err = (run or command.run)(source, output)
                problem = judge(source, output, status, out, err)
                ends[f"{kind}: {'done' if status == 0 else 'refused'}"] += 1
                if problem:
                    failures.append((number, kind, done, problem))
                    print(f"{number} {kind} {done}: {problem}", flush=True)
                    if keep := os.environ.get("NEXPR_FUZZ_KEEP"):
                        shutil.copytree(folder, Path(keep, f"{seed}-{number}"), dirs_exist_ok=True)
    finally:
        if command:
            command.close()
    return failures, ends


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    failures, ends = fuzz(arguments.count, arguments.seed)
    for end, count in sorted(ends.items()):
        print(f"{end} {count}")
    print(f"{len(failures)} of {arguments.count} inputs ended wrongly.")


if __name__ == "__main__":
    main()
