"""Checkpoints of ``nexpr train``."""

import torch


def read_checkpoint(path):
    """What a checkpoint holds.

    :raises ValueError: if it is none, or not readable.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        state["hyper_parameters"], state["datamodule_hyper_parameters"]["degradation"]
        return state
    except FileNotFoundError as error:
        raise ValueError(f"There is no file {path}.") from error
    except Exception as error:
        raise ValueError(f"{path} is no checkpoint of nexpr train, or is damaged.") from error


def load_module(path):
    """The Lightning module of a checkpoint, with its averaged weights.

    :raises ValueError: if it is none.
    """
    from ..modules import RestorationTraining

    try:
        return RestorationTraining.load_from_checkpoint(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(f"{path} is no checkpoint of nexpr train, or is damaged.") from error
