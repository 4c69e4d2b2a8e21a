"""Configuration files and what the command line changes in them, through ml_collections' own flags."""

from __future__ import annotations

import difflib
import importlib.util
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from absl import flags
from ml_collections import ConfigDict, config_flags

from digan_jax import config
from digan_jax.errors import InputError

OVERRIDE = re.compile(r"--?(?:no)?config\.([\w.]+)")


def load(path: str, overrides: Sequence[str] = ()) -> config.RunConfig:
    """The checked configuration of a file such as configs/quickstart.py.

    Args:
      path: of a Python file with `get_config() -> ConfigDict`. It may say `from configs import base`, wherever it lies.
      overrides: as on the command line, ["--config.train.batch_size=32", "--config.data.flip=false"].

    Raises:
      InputError: a file that is missing or fails, an override of a field that is not there or of another type, or a
        configuration that `config.parse` refuses.
    """
    fields = _fields(_parsed(path, ()))
    for override in overrides:
        name = OVERRIDE.match(override)
        if name is None and override.startswith("-"):
            raise InputError(f"unknown option {override}; a field of the configuration is --config.GROUP.FIELD=VALUE.")
        if name is not None and name[1] not in fields:
            close = difflib.get_close_matches(name[1], fields, 1, cutoff=0.5)
            cure = f"did you mean {close[0]}?" if close else f"see them all with: digan config --config {path}"
            raise InputError(f"unknown config field {name[1]}; {cure}")
    return config.parse(_parsed(path, overrides))


def base_path() -> str:
    """configs/base.py of the checkout that this package runs from.

    Raises:
      InputError: the package was installed without one.
    """
    for path in (Path("configs/base.py"), _checkout() / "configs" / "base.py"):
        if path.exists():
            return str(path)
    raise InputError("--config: there is no configs/base.py here; name a configuration file.")


def _checkout() -> Path:
    return Path(importlib.util.find_spec("digan_jax").origin).parent.parent


def _fields(tree: ConfigDict) -> set[str]:
    """Dotted names of fields and groups."""
    names = set(tree)
    for group in tree:
        if isinstance(tree[group], ConfigDict):
            names |= {f"{group}.{name}" for name in _fields(tree[group])}
    return names


def _parsed(path: str, overrides: Sequence[str]) -> ConfigDict:
    _make_configs_importable(path)
    arguments = ["digan", f"--config={path}", *overrides]
    known = flags.FlagValues()
    config_flags.DEFINE_config_file("config", flag_values=known, sys_argv=arguments)
    try:
        rest = known(arguments)[1:]
        tree = known.config
        tree.keys()  # a file that could not be opened says so only now
    except (flags.Error, config_flags.config_flags.FlagOrderError) as error:
        raise InputError(_about_value(str(error), path)) from None
    except OSError:
        raise InputError(
            f"--config {path}: cannot be opened; the recipes lie in configs/, such as configs/base.py."
        ) from None
    except Exception as error:  # whatever the file's own code raises
        raise InputError(f"--config {path}: the file fails with {type(error).__name__}: {error}") from error
    if rest:
        raise InputError(f"unexpected {rest[0]!r}; a field of the configuration is --config.GROUP.FIELD=VALUE.")
    return tree


def _about_value(message: str, path: str) -> str:
    """absl's "flag --config.train.batch_size=many: invalid literal …" in our words."""
    found = re.match(r"flag --config\.([\w.]+)=(.*?): (.*)", message, re.DOTALL)
    if found is None:  # the file's own TypeError or ValueError, which absl passes on as a traceback
        return f"--config {path}: the file fails with {message.strip().splitlines()[-1]}"
    default = _parsed(path, ())
    for name in found[1].split("."):
        default = default[name]
    if isinstance(default, ConfigDict):
        return f"{found[1]}={found[2]}: is a group of fields; set one of {sorted(default)}."
    return f"{found[1]}={found[2]}: must be {type(default).__name__}, like the file's {default!r}."


def _make_configs_importable(path: str) -> None:
    """`from configs import base` works from any working directory."""
    for folder in (_checkout(), Path(path).resolve().parent.parent):
        if (folder / "configs" / "base.py").exists() and str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
