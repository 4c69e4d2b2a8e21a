"""Dataclasses of configurations from nested dicts, with checks of names and types."""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing

from digan_jax.config.checks import require
from digan_jax.errors import InputError


def build(cls, tree, prefix: str, **types_by_field):
    """A dataclass from a nested dict, with the types of its annotations.

    Args:
      cls: the dataclass.
      tree: a mapping of all its fields.
      prefix: of the fields' names in messages, such as "model.".
      types_by_field: override annotations, for fields whose type depends on another field.

    Raises:
      InputError: an unknown or missing field, or a wrong type; names field and cure.
    """
    hints = typing.get_type_hints(cls) | types_by_field
    fields = {f.name: hints[f.name] for f in dataclasses.fields(cls)}
    for key in tree:
        if key not in fields:
            close = difflib.get_close_matches(key, fields, 1)
            cure = f"did you mean {prefix}{close[0]}?" if close else f"choose from {sorted(fields)}."
            raise InputError(f"unknown config field {prefix}{key}; {cure}")
    missing = [prefix + k for k in fields if k not in tree]
    require(not missing, f"config lacks {missing}; start from configs/base.py.")
    return cls(**{name: _value(hint, tree[name], prefix + name) for name, hint in fields.items()})


def _value(hint, value, name):
    if dataclasses.is_dataclass(hint):
        require(hasattr(value, "keys"), f"{name}={value!r}: must be a group of fields.")
        return build(hint, value, name + ".")
    if isinstance(hint, types.GenericAlias):  # tuple[str, ...], tuple[float, ...] or tuple[int, ...]
        of = typing.get_args(hint)[0]
        words = {str: "strings", float: "numbers", int: "whole numbers"}[of]
        require(isinstance(value, (list, tuple)), f"{name}={value!r}: must be a tuple of {words}.")
        return tuple(_value(of, v, name) for v in value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    ok = isinstance(value, hint) and (hint is bool or not isinstance(value, bool))
    require(ok, f"{name}={value!r}: must be {hint.__name__}, not {type(value).__name__}.")
    return value
