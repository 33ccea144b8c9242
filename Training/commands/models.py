"""``nexpr models``: list, show, verify and export trained models."""

from NExpRLib.model import load_model
from NExpRLib.model_card import is_of_stacks, model_names, read_card

from ..markdown import markdown_table
from ..models.card import card_as_text
from ..models.export import export_model


def add_arguments(parser):
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    actions.add_parser("list", help="the models in the package (default)")
    show = actions.add_parser("show", help="print a model card")
    show.add_argument("model", help="name or folder of a model")
    verify = actions.add_parser("verify", help="check that the weights match their card")
    verify.add_argument("model", nargs="?", help="name or folder of a model (default: all in the package)")
    export = actions.add_parser("export", help="turn a training checkpoint into a model")
    export.add_argument(
        "checkpoint",
        metavar="CHECKPOINT",
        help="of a training run: last.ckpt (its end), or best.ckpt (the highest PSNR on validation subjects since it "
        "began or was resumed)",
    )
    export.add_argument(
        "-o", "--output", required=True, metavar="FOLDER", help="weights.pt and card.json are put there"
    )
    export.add_argument(
        "--about",
        metavar="FILE.json",
        help="what the checkpoint does not know, for the card: summary, licence, training_data (list of sources with "
        "their licenses and credits)",
    )


def run(arguments):
    if arguments.action == "show":
        print(card_as_text(read_card(arguments.model)))
    elif arguments.action == "verify":
        for name in [arguments.model] if arguments.model else model_names():
            load_model(name, device="cpu")
            print(f"The weights of {name} match their model card.")
    elif arguments.action == "export":
        export_model(arguments.checkpoint, arguments.output, arguments.about)
        of_stacks = is_of_stacks(read_card(arguments.output))
        options = "--isotropic --slices-model" if of_stacks else "--scale 2 --model"
        print(f"Model: {arguments.output}. Try: nexpr upsample IN OUT {options} {arguments.output}")
    else:
        cards = {name: read_card(name) for name in model_names()}
        print(markdown_table(["Model", "Summary"], [[name, card.get("summary", "")] for name, card in cards.items()]))
