"""Files that nobody here wrote: what does the command do with them?

    python -m Testing.Training.public_files FOLDER ...

runs ``nexpr upsample`` on every file below the folders that has the name of a volume or is DICOM, and on every folder
of DICOM files; for example on those in the packages nibabel, pydicom and nilearn. Prints one line for each, and how
many ended how. What ended wrongly, see :mod:`.fuzz`, is marked.
"""

import argparse
import os
import re
import tempfile
from collections import Counter
from pathlib import Path

from NExpRTraining.files.dicom_headers import is_dicom
from NExpRTraining.files.volume_sources import extension_of

from .fuzz import Command, judge

_LARGEST = 60_000_000  # bytes of a file or folder that are read in a study


def inputs(folders):
    """Files and folders of DICOM files, each once."""
    for top in folders:
        for folder, _, names in sorted(os.walk(top)):
            paths = [Path(folder, name) for name in sorted(names)]
            paths = [path for path in paths if path.is_file() and 0 < path.stat().st_size < _LARGEST]
            dicom = [path for path in paths if is_dicom(path)]
            yield from (path for path in paths if path in dicom or extension_of(path))
            if len(dicom) > 1 and sum(path.stat().st_size for path in dicom) < _LARGEST:
                yield Path(folder)


def kind_of(status, err):
    """How a run ended, without what is particular to one file."""
    if status == 0:
        return "done"
    words = re.sub(r"\S*/\S*|\([^)]*\)|\d[\d.]*", "", err.splitlines()[-1] if err else "no words")
    return re.sub(r"\s+", " ", words).strip()[:110]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", metavar="FOLDER")
    command, ends, wrong = Command("mri-fast", limit=300), Counter(), 0
    for source in inputs(parser.parse_args().folders):
        with tempfile.TemporaryDirectory(prefix="nexpr-study-") as name:
            output = Path(name, "out") if source.is_dir() else Path(name, "out.nii.gz")
            status, out, err = command.run(source, output, plane="auto")
            problem = judge(source, output, status, out, err) if source.is_file() else ""
            if source.is_dir() and (status not in (0, 2) or "Traceback" in err):
                problem = err[-400:]
            wrong += bool(problem)
            ends[kind_of(status, err)] += 1
            said = problem and f"WRONG: {problem}" or err.strip() or "; ".join(re.findall("Note: (.*)", out)) or "done"
            print(f"{source}: {said}", flush=True)
    command.close()
    print()
    for end, count in ends.most_common():
        print(f"{count:5d} {end}")
    print(f"{wrong} of {sum(ends.values())} ended wrongly.")


if __name__ == "__main__":
    main()
