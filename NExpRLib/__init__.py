"""NExpR: super-resolution of MRI and CT slices as explicit analytic functions.

What is public is loaded at first use: importing the package needs no torch.
"""

__version__ = "0.2.0"

_HOME = {
    "load_model": "model",
    "ExplicitImage": "function.explicit_image",
    "ExplicitVolume": "volumes.explicit_volume",
    "inspect": "volumes.acquisition",
    "represent_stack": "volumes.through_plane",
    "upsample": "volumes.upsampling",
}
__all__ = list(_HOME)


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
