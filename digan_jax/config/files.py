"""Loads configuration files, with overrides through the flags of ml_collections.

Shipped files are in configs/ of a checkout and in digan_jax/configs/ of an installed package, where they do not collide
with another package named configs. Configuration files write `from configs import base` in both cases: while a file
loads, `configs` is the shipped folder.
"""

from __future__ import annotations

import ast
import contextlib
import difflib
import re
import sys
import types
from collections.abc import Iterator, Sequence
from pathlib import Path

from absl import flags
from ml_collections import ConfigDict, config_flags

from digan_jax import config
from digan_jax.errors import InputError

_PACKAGE = Path(__file__).parents[1]
_FOLDER = next(f for f in (_PACKAGE / "configs", _PACKAGE.parent / "configs") if (f / "base.py").exists())
OVERRIDE = re.compile(r"--?(?:no)?config\.([\w.]+)")


def load(name: str, overrides: Sequence[str] = ()) -> config.RunConfig:
    """Loads and checks a configuration file.

    Args:
      name: a shipped configuration, such as "quickstart", or the path of a Python file with `get_config() ->
        ConfigDict`. The file may use `from configs import base`; in a folder named configs, its neighbours come first.
      overrides: as on the command line, ["--config.train.batch_size=32", "--config.data.flip=false"].

    Raises:
      InputError: an unknown name, a file that is missing or fails, an override of an unknown field or with a wrong
        type, or a configuration that `config.parse` rejects.
    """
    path = _path(name)
    fields = _fields(_parsed(path, ()))
    for override in overrides:
        field = OVERRIDE.match(override)
        if field is None and override.startswith("-"):
            raise InputError(f"unknown option {override}; a field of the configuration is --config.GROUP.FIELD=VALUE.")
        if field is not None and field[1] not in fields:
            close = difflib.get_close_matches(field[1], fields, 1, cutoff=0.5)
            cure = f"did you mean {close[0]}?" if close else f"see them all with: digan config --config {name}"
            raise InputError(f"unknown config field {field[1]}; {cure}")
    return config.parse(_parsed(path, overrides))


def shipped() -> dict[str, str]:
    """{name: first line of the docstring} of the shipped configurations."""
    files = (path for path in sorted(_FOLDER.glob("*.py")) if path.stem != "__init__")
    return {path.stem: ast.get_docstring(ast.parse(path.read_text("utf-8"))).partition("\n")[0] for path in files}


def _path(name: str) -> str:
    """A plain word is the name of a shipped configuration; anything else is a path."""
    if not re.fullmatch(r"\w+", name):
        return name
    if (path := _FOLDER / f"{name}.py").exists():
        return str(path)
    close = difflib.get_close_matches(name, shipped(), 3, cutoff=0.5)
    cure = f"did you mean {' or '.join(close)}?" if close else f"choose one of {list(shipped())}"
    raise InputError(
        f"--config {name}: is not shipped; {cure} (see: digan config --list). For your own file, give its path."
    )


def _fields(tree: ConfigDict) -> set[str]:
    """Dotted names of fields and groups."""
    names = set(tree)
    for group in tree:
        if isinstance(tree[group], ConfigDict):
            names |= {f"{group}.{name}" for name in _fields(tree[group])}
    return names


def _parsed(path: str, overrides: Sequence[str]) -> ConfigDict:
    arguments = ["digan", f"--config={path}", *overrides]
    known = flags.FlagValues()
    config_flags.DEFINE_config_file("config", flag_values=known, sys_argv=arguments)
    try:
        with _configs_importable(Path(path).resolve().parent):
            rest = known(arguments)[1:]
            tree = known.config
            tree.keys()  # a file that cannot be opened raises only now
    except (flags.Error, config_flags.config_flags.FlagOrderError) as error:
        raise InputError(_about_value(str(error), path)) from None
    except OSError:
        raise InputError(
            f"--config {path}: cannot be opened; digan config --list shows those that are shipped."
        ) from None
    except Exception as error:  # whatever the file's own code raises
        raise InputError(f"--config {path}: the file fails with {type(error).__name__}: {error}") from error
    if rest:
        raise InputError(f"unexpected {rest[0]!r}; a field of the configuration is --config.GROUP.FIELD=VALUE.")
    return tree


def _about_value(message: str, path: str) -> str:
    """Rewrites absl's "flag --config.train.batch_size=many: invalid literal …" with the expected type."""
    found = re.match(r"flag --config\.([\w.]+)=(.*?): (.*)", message, re.DOTALL)
    if found is None:  # a TypeError or ValueError in the file, which absl reports as a traceback
        return f"--config {path}: the file fails with {message.strip().splitlines()[-1]}"
    default = _parsed(path, ())
    for name in found[1].split("."):
        default = default[name]
    if isinstance(default, ConfigDict):
        return f"{found[1]}={found[2]}: is a group of fields; set one of {sorted(default)}."
    return f"{found[1]}={found[2]}: must be {type(default).__name__}, like the file's {default!r}."


@contextlib.contextmanager
def _configs_importable(folder: Path) -> Iterator[None]:
    """In this context, `configs` is the shipped package, extended by `folder` if that is named configs.

    Restores any other module named configs afterwards.
    """
    package = types.ModuleType("configs")
    package.__path__ = [str(folder)] * (folder.name == "configs") + [str(_FOLDER)]
    others = _forget_configs()
    sys.modules["configs"] = package
    try:
        yield
    finally:
        _forget_configs()
        sys.modules.update(others)


def _forget_configs() -> dict[str, types.ModuleType]:
    names = [name for name in sys.modules if name.partition(".")[0] == "configs"]
    return {name: sys.modules.pop(name) for name in names}
