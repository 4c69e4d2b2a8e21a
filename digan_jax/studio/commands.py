"""A request as a command line and as Python, to repeat in a shell or a notebook what was done in the browser."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping, Sequence

from digan_jax.jobs.requests import Request

FLAGS = {"sheet": "--grid", "span": "--times"}  # of `digan render`, whose names differ from their fields
SEPARATORS = {"size": "x", "sheet": "x", "span": ":", "degree": ":"}  # of lists; others have commas


def command_line(verb: str, request: Request, words: Sequence[str] = ()) -> str:
    """`digan VERB ...` of a request; what has its default is left out.

    Args:
      words: fields that are given without a flag.
    """
    line, given = ["digan", verb], changed(request)
    line += [str(given.pop(name)) for name in words]
    for name, value in given.items():
        flag = FLAGS.get(name, ("--no-" if value is False else "--") + name.replace("_", "-"))
        line += [flag] if isinstance(value, bool) else [flag, text_of(name, value)]
    return shlex.join(line)


def python(function: str, request: Request) -> str:
    """Python code that does the same."""
    fields = "".join(f"    {name}={value!r},\n" for name, value in changed(request).items())
    return f"import digan_jax as digan\n\ndigan.{function}(digan.{type(request).__name__}(\n{fields}))\n"


def changed(request: Request) -> Mapping[str, object]:
    """The fields of a request that do not have their default."""
    values = {field.name: (getattr(request, field.name), field.default) for field in dataclasses.fields(request)}
    return {name: value for name, (value, default) in values.items() if value != default}


def text_of(name: str, value: object) -> str:
    """A value as a flag's value."""
    if name == "edit":
        return ",".join(f"{direction}:{amount:+g}" for direction, amount in value)
    if isinstance(value, tuple):
        return SEPARATORS.get(name, ",").join(text_of(name, one) for one in value)
    return f"{value:.15g}" if isinstance(value, float) and float(f"{value:.15g}") == value else str(value)
