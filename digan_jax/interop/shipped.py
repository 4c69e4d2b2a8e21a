"""Models that come with the package: "digan://quickstart". Each is a folder of `digan export` in `interop/shipped/`."""

from __future__ import annotations

from importlib import resources

from etils import epath

from digan_jax.errors import InputError

PREFIX = "digan://"


def names() -> list[str]:
    """Names of the models, without the prefix."""
    folder = _folder()
    return sorted(place.name for place in folder.iterdir() if place.is_dir()) if folder.is_dir() else []


def _folder() -> epath.Path:
    return epath.Path(str(resources.files("digan_jax.interop"))) / "shipped"


def located(path: epath.PathLike) -> epath.PathLike:
    """The folder of a model that comes with the package; any other path as it is.

    Raises:
      InputError: there is no model of that name.
    """
    if not str(path).startswith(PREFIX):
        return path
    name = str(path).removeprefix(PREFIX)
    if name not in names():
        raise InputError(f"{path}: no such model comes with the package; choose one of {[PREFIX + n for n in names()]}.")
    return _folder() / name
