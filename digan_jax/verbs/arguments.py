"""Values of options as a person writes them: lists of ids, times, sizes, regions."""

from __future__ import annotations

import argparse
import re


def whole_numbers(text: str) -> list[int]:
    ids = []
    for part in text.split(","):
        found = re.fullmatch(r"(\d+)(?:-(\d+))?", part.strip())
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
        if first > last:
            raise argparse.ArgumentTypeError(f"{text!r} is no list of whole numbers; write 5, 0-15 or 3,5,8-9")
        ids += range(first, last + 1)
    return ids


def numbers(text: str, separator: str, form: str) -> list[float]:
    try:
        return [float(part) for part in text.split(separator)]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} does not parse; write {form}") from None


def times(text: str) -> tuple[float, float] | list[float]:
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
