"""``nexpr demo``: restore a real brain MRI that nilearn carries; nothing is downloaded."""

from pathlib import Path

from ..evaluation.demo import run_demo
from ..markdown import markdown_table, of_metric
from ..threads import use_threads


def add_arguments(parser):
    parser.add_argument("--scale", type=float, default=2.5, help="above 1 and at most 8 (default: 2.5)")
    parser.add_argument("--output", default="nexpr-demo", metavar="FOLDER", help="default: nexpr-demo")
    parser.add_argument("--model", default="mri", help="name or folder of a model (default: mri)")
    parser.add_argument("--device", default="auto", help="auto, cuda, cuda:1, mps or cpu (default: auto)")


def run(arguments):
    use_threads()
    means = run_demo(arguments.output, arguments.scale, arguments.model, arguments.device)
    metrics = list(next(iter(means.values())))
    rows = [[name, *(of_metric(metric, value) for metric, value in values.items())] for name, values in means.items()]
    print(f"\nMean over the slices at {arguments.scale:g}x (PSNR and consistency in dB)\n")
    print(markdown_table(["Method", *metrics], rows))
    print(f"\nVolumes and figure: {Path(arguments.output).resolve()}")
    print("Open input.nii.gz and nexpr.nii.gz in 3D Slicer to compare them; figure.png shows one slice.")
