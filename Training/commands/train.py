"""``nexpr train``: train a network, with the options of Lightning's command line."""

from ..modules.run import train


def run(arguments):
    """:param arguments: of the shell, which Lightning parses."""
    for checkpoint in train(arguments):
        print(f"Checkpoint: {checkpoint}")
