"""File names: natural order and escaping."""

from __future__ import annotations

import re
import unicodedata


def natural_order(name: str) -> tuple[list, str]:
    """Sort key that puts frame2 before frame10."""
    parts = re.split(r"(\d+)", name)  # odd parts are numbers
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], name


def printable(name: str) -> str:
    """Escapes control characters, line ends, backslashes and bytes that are not UTF-8. Distinct names stay distinct.

    Any terminal, JSON and TFDS accept the result.
    """
    kinds = {"Cc", "Cs", "Zl", "Zp"}  # controls, surrogates, separators of lines and paragraphs

    def plain(character: str) -> bool:
        return character != "\\" and unicodedata.category(character) not in kinds

    return "".join(c if plain(c) else c.encode("unicode_escape").decode() for c in name)
