"""What all requests share: each is a frozen dataclass that is checked when it is made, and goes through JSON.

A message about a field begins with it, "fps=0: must be ...", and other fields that it names stand in backticks; whoever
takes flags says those instead (`verbs.arguments.about_flags`).
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
    """Base of the frozen dataclasses. Fields hold what JSON can: text, numbers, truths, tuples of these, and None."""

    FORMAT: typing.ClassVar[int] = 1  # of its JSON; a field that is renamed or means something else raises it

    def __post_init__(self):
        for name, kind in _kinds(type(self)).items():
            value = getattr(self, name)
            try:
                object.__setattr__(self, name, fitted(value, kind))
            except TypeError:
                raise InputError(f"{name}={value!r}: must be {in_words(kind)}.") from None
        self.check()

    def check(self) -> None:
        """Raises `InputError` for values that cannot be, alone or together, before any work."""

    def to_record(self) -> dict:
        """Every field and the number of the format, as JSON knows them."""
        return {"format": self.FORMAT, **dataclasses.asdict(self)}

    @classmethod
    def from_record(cls, record, **others) -> Request:
        """The request of a record, checked; `others` replace or complete its fields.

        Raises:
          InputError: no record, another format, a field that is not there or that is missing, a value that cannot be.
        """
        if not isinstance(record, Mapping):
            raise InputError(f"{cls.__name__}: {record!r} is no record of fields.")
        fields = dict(record)
        if (found := fields.pop("format", None)) != cls.FORMAT:
            cure = "; it was written by a newer digan-jax, install the newest" if _newer(found, cls.FORMAT) else ""
            raise InputError(f"{cls.__name__}: format {found!r}; this digan-jax reads format {cls.FORMAT}{cure}.")
        fields |= others
        known = {field.name: field.default is field.default_factory for field in dataclasses.fields(cls)}  # MISSING both
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
        """The inverse of `to_json`; raises as `from_record`, and for text that is no JSON."""
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
    """`value` as its annotation wants it: arrays, lists and ranges as tuples, paths as text, whole numbers as floats
    where floats are meant, so that equal requests have equal records.

    Raises:
      TypeError: it does not fit.
    """
    if hasattr(value, "tolist"):  # of numpy and jax
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
    """An annotation as a person says it."""
    inner, origin = typing.get_args(kind), typing.get_origin(kind)
    if origin in (types.UnionType, typing.Union):
        return " or ".join(map(in_words, inner))
    if origin is typing.Literal:
        return f"one of {list(inner)}" if len(inner) > 1 else repr(inner[0])
    if origin is tuple:
        return f"a list, each {in_words(inner[0])}" if inner[-1] is ... else f"{len(inner)}, each {in_words(inner[0])}"
    return _WORDS.get(kind, str(kind))
