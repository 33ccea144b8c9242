"""Configurations that come with the package: of ``nexpr train`` here, of ``nexpr compare`` in ``compare/``."""

from pathlib import Path


def config_path(name, folder=""):
    """Path of a configuration: the file ``name``, or the one of that name that comes with the package.

    :param folder: ``compare`` for those of comparisons.
    """
    shipped = Path(__file__).parent / folder / name
    return shipped if not Path(name).is_file() and shipped.is_file() else Path(name)


def config_names(folder=""):
    """Names of the configurations that come with the package."""
    return sorted(path.name for path in (Path(__file__).parent / folder).glob("*.yaml"))
