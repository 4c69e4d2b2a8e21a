"""The base class of requests: frozen dataclasses that are checked on creation and convert to and from JSON.

An error message about a field begins with it, "fps=0: must be ...", and puts other fields in backticks; the command
line replaces both by flags (`verbs.arguments.about_flags`).
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import json
import os
import types
import typing
from collections.abc import Mapping

from digan_jax.errors import InputError


class Request:
    """Base class of requests. Field types: str, int, float, bool, None, tuples and unions of these, and Literal."""

    FORMAT: typing.ClassVar[int] = 1  # of its JSON; increase it when a field is renamed or changes its meaning

    def __post_init__(self):
        for name, kind in _kinds(type(self)).items():
            value = getattr(self, name)
            try:
                object.__setattr__(self, name, fitted(value, kind))
            except TypeError:
                raise InputError(f"{name}={value!r}: must be {in_words(kind)}.") from None
        self.check()

    def check(self) -> None:
        """Raises `InputError` for invalid values or combinations."""

    def to_record(self) -> dict:
        """All fields and the format number, as a dict for JSON."""
        return {"format": self.FORMAT, **dataclasses.asdict(self)}

    @classmethod
    def from_record(cls, record, **others) -> Request:
        """The request of a record, checked. `others` override or add fields.

        Raises:
          InputError: not a dict, another format, an unknown or missing field, or an invalid value.
        """
        if not isinstance(record, Mapping):
            raise InputError(f"{cls.__name__}: {record!r} is no record of fields.")
        fields = dict(record)
        if (found := fields.pop("format", None)) != cls.FORMAT:
            cure = "; it was written by a newer digan-jax, install the newest" if _newer(found, cls.FORMAT) else ""
            raise InputError(f"{cls.__name__}: format {found!r}; this digan-jax reads format {cls.FORMAT}{cure}.")
        fields |= others
        required = lambda field: field.default is field.default_factory  # both are MISSING
        known = {field.name: required(field) for field in dataclasses.fields(cls)}
        for name in fields.keys() - known:
            close = difflib.get_close_matches(str(name), known, 1)
            cure = f"did you mean {close[0]}?" if close else f"choose of {list(known)}."
            raise InputError(f"{cls.__name__}: unknown field {name!r}; {cure}")
        if missing := [name for name, required in known.items() if required and name not in fields]:
            raise InputError(f"{cls.__name__}: {' and '.join(missing)} must be given.")
        return cls(**fields)

    def to_json(self) -> str:
        return json.dumps(self.to_record())

    @classmethod
    def from_json(cls, text: str) -> Request:
        """The inverse of `to_json`. Raises as `from_record`, and for text that is not JSON."""
        try:
            record = json.loads(text)
        except ValueError as error:
            raise InputError(f"{cls.__name__}: is no JSON ({error}).") from None
        return cls.from_record(record)


def _newer(found, known: int) -> bool:
    return type(found) is int and found > known


@functools.cache
def _kinds(cls: type) -> dict[str, object]:
    hints = typing.get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}


def fitted(value, kind):
    """`value` converted to its annotation, so that equal requests have equal records.

    Arrays, lists and ranges become tuples, paths become str, ints become floats where the annotation is float.

    Raises:
      TypeError: the value does not fit.
    """
    if hasattr(value, "tolist"):  # numpy and jax arrays
        value = value.tolist()
    inner, origin = typing.get_args(kind), typing.get_origin(kind)
    if origin in (types.UnionType, typing.Union):
        for one in inner:
            try:
                return fitted(value, one)
            except TypeError:
                continue
    elif origin is typing.Literal:
        if any(type(value) is type(choice) and value == choice for choice in inner):
            return value
    elif origin is tuple and isinstance(value, (tuple, list, range)):
        kinds = inner[:1] * len(value) if inner[-1] is ... else inner
        if len(kinds) == len(value):
            return tuple(map(fitted, value, kinds))
    elif kind is str and isinstance(value, os.PathLike):
        return os.fspath(value)
    elif kind is float and type(value) is int:
        return float(value)
    elif type(value) is kind:
        return value
    raise TypeError(f"{value!r} is not {kind}")


_WORDS = {int: "a whole number", float: "a number", str: "text", bool: "True or False", type(None): "None"}


def in_words(kind) -> str:
    """An annotation in words, for error messages."""
    inner, origin = typing.get_args(kind), typing.get_origin(kind)
    if origin in (types.UnionType, typing.Union):
        return " or ".join(map(in_words, inner))
    if origin is typing.Literal:
        return f"one of {list(inner)}" if len(inner) > 1 else repr(inner[0])
    if origin is tuple:
        return f"a list, each {in_words(inner[0])}" if inner[-1] is ... else f"{len(inner)}, each {in_words(inner[0])}"
    return _WORDS.get(kind, str(kind))
