"""The argument parser of all verbs, and parsers of flag values: ids, times, sizes, regions, labels."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import re
from collections.abc import Callable, Iterator, Mapping

from digan_jax.errors import InputError
from digan_jax.host import number_lists

MODELS = "a run, an export, digan://quickstart, hf://user/name, or the authors' network-snapshot.pkl"


class Parser(argparse.ArgumentParser):
    """An argument parser without abbreviated flags, which would match --config.x. Errors raise `InputError`."""

    def __init__(self, **options):
        super().__init__(allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **options)

    def error(self, message):
        raise InputError(f"{message}; see: {self.prog} --help")


def glue_values(argv: list[str]) -> list[str]:
    """Rewrites `--region -1,-1,1,1` as `--region=-1,-1,1,1`: argparse takes values with a leading minus for flags."""
    glued = []
    for word in argv:
        negative = re.match(r"-[\d.]", word) and re.fullmatch(r"--[a-z-]+", glued[-1] if glued else "")
        if negative or (glued and glued[-1] == "--beam"):
            glued[-1] += "=" + word
        else:
            glued.append(word)
    return glued


def flags_of(request: type, **others: str) -> dict[str, str]:
    """{field: flag} of a request's fields; `others` has the flags whose names differ."""
    return {field.name: "--" + field.name.replace("_", "-") for field in dataclasses.fields(request)} | others


def given(a: argparse.Namespace, request: type) -> dict:
    """{field of a request: value of its flag}, without flags that were left out: the request has their defaults."""
    typed = {field.name: getattr(a, field.name, None) for field in dataclasses.fields(request)}
    return {name: value for name, value in typed.items() if value is not None}


def add_work(parser) -> None:
    """The flags of a verb that makes one file: --dry-run, --continue, --again."""
    parser.add_argument("--dry-run", action="store_true", help="show size, frames and rate; draw nothing")
    keep = "keep a file that is already complete"
    parser.add_argument("--continue", action="store_true", dest="resume", default=None, help=keep)
    parser.add_argument("--again", metavar="FILE", help="make a file again by its metadata, to --out or in place")


def request_of(a: argparse.Namespace, request: type, name: str):
    """The request of the flags; with --again the one that a file's metadata hold under `name`, changed by other flags.

    Raises:
      InputError: a required flag is missing, or the file holds no request of this verb.
    """
    fields = given(a, request)
    if getattr(a, "again", None):
        from digan_jax.host.video_files import read_metadata

        note = read_metadata(a.again)
        if not isinstance(note, dict) or name not in note:
            raise InputError(f"{a.again}: was not written by digan {name}; it holds no request of it.")
        return request.from_record(note[name], **{"out": a.again} | fields)
    missing = [field.name for field in dataclasses.fields(request) if field.default is field.default_factory]
    for field in missing:  # both are MISSING: the field is required
        if field not in fields:
            raise InputError(f"`{field}` is required; see: digan {name} --help")
    return request(**fields)


def finish(a: argparse.Namespace, request, describe: Callable | None, run: Callable) -> None:
    """What a verb that makes files ends with: with --dry-run says what would be made, otherwise makes it and says so.

    Args:
      describe: request -> text; None for a verb without --dry-run. run: (request, progress) -> a path, paths, or a report on the file `request.out`.
    """
    if getattr(a, "dry_run", False):
        return print(describe(request))
    from digan_jax.host.progress import TerminalProgress

    made = run(request, TerminalProgress())
    for one in made if isinstance(made, list) else [made]:
        print(f"{one}: written." if isinstance(one, os.PathLike) else f"{request.out}: {one}.")


@contextlib.contextmanager
def about_flags(flags: Mapping[str, str]) -> Iterator[None]:
    """Rewrites errors about fields ("fps=0: must be ...", or in backticks) as errors about flags ("--fps 0: ...")."""
    try:
        yield
    except InputError as error:
        known = "|".join(flags)
        text = re.sub(rf"^({known})=", lambda found: f"{flags[found[1]]} ", str(error))
        text = re.sub(rf"`({known})`", lambda found: flags[found[1]], text)
        raise InputError(text) from error


def whole_numbers(text: str) -> list[int]:
    """"0-2,5" to [0, 1, 2, 5]."""
    try:
        return number_lists.whole_numbers(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def numbers(text: str, separator: str, form: str) -> list[float]:
    try:
        return [float(part) for part in text.split(separator)]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} does not parse; write {form}") from None


def times(text: str) -> tuple[float, float] | list[float]:
    """"0:1" to a tuple of first and last time, "0,0.5,1" to a list of times."""
    form = "FROM:TO such as 0:1, or each time such as 0.9,0.5,0.1"
    if ":" not in text:
        return numbers(text, ",", form)
    ends = numbers(text, ":", form)
    if len(ends) != 2:
        raise argparse.ArgumentTypeError(f"{text!r} has {len(ends)} ends; write {form}")
    return tuple(ends)


def size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} does not parse; write two whole numbers above 0, such as 4x3")
    return int(found[1]), int(found[2])


def region(text: str) -> tuple[float, float, float, float]:
    corners = numbers(text, ",", "x0,y0,x1,y1 such as -1,-1,1,1")
    if len(corners) != 4:
        raise argparse.ArgumentTypeError(f"{text!r} has {len(corners)} numbers; write x0,y0,x1,y1 such as -1,-1,1,1")
    return tuple(corners)


def edits(text: str) -> list[tuple[str, float]]:
    """"3:+2,m1:-1" to [("3", 2.0), ("m1", -1.0)]."""
    found = [re.fullmatch(r"(m?\d+):([+-]?[\d.]+(?:e[+-]?\d+)?)", part.strip()) for part in text.split(",")]
    try:
        return [(one[1], float(one[2])) for one in found]
    except (TypeError, ValueError):
        raise argparse.ArgumentTypeError(
            f"{text!r} does not parse; write 3:+2 for content direction 3 by two standard deviations, m1:-1 for motion"
        ) from None


def labels(text: str) -> str | list[int | str]:
    """"all", or class indices or names separated by commas."""
    if text == "all":
        return text
    try:
        return whole_numbers(text)
    except argparse.ArgumentTypeError:
        return [int(part) if part.strip().isdecimal() else part.strip() for part in text.split(",")]


def label(text: str) -> int | str:
    """One class, by index or name."""
    return int(text) if text.isdecimal() else text


def add_step(parser: argparse.ArgumentParser) -> None:
    what = "checkpoint of a run; best: the one with the lowest FVD measured in training (default: the newest)"
    parser.add_argument("--step", type=step, help=what)


def step(text: str) -> int | str:
    if text != "best" and not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no step; give a whole number, or best")
    return text if text == "best" else int(text)


def whole_number_above_0(text: str) -> int:
    if not re.fullmatch(r"[1-9]\d*", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of 1 or more")
    return int(text)
