"""``nexpr benchmark``: how long rescaling, encoding and whole volumes take on this machine, beside other methods."""

from pathlib import Path

from ..benchmark.run import run_benchmark


def add_arguments(parser):
    parser.add_argument("--quick", action="store_true", help="tiny images, few repetitions: seconds instead of minutes")
    parser.add_argument("--model", default="mri", help="name or folder of a model (default: mri)")
    parser.add_argument("-o", "--output", metavar="FOLDER", help="write benchmark.md, benchmark.csv and benchmark.png")


def run(arguments):
    folder = Path(arguments.output) if arguments.output else None
    print(run_benchmark(arguments.model, arguments.quick, folder))
    if folder:
        print(f"Written to {folder.resolve()}: benchmark.md, benchmark.csv and benchmark.png.")
