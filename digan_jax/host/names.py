"""Names of files: their order, and how they are written down."""

from __future__ import annotations

import re
import unicodedata


def natural_order(name: str) -> tuple[list, str]:
    """Sort key under which frame2 comes before frame10."""
    parts = re.split(r"(\d+)", name)  # every second one is a number
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], name


def printable(name: str) -> str:
    """A name that any terminal, JSON and TFDS take: bytes that are no UTF-8, line ends and controls become escapes.
    Different names stay different."""
    kinds = {"Cc", "Cs", "Zl", "Zp"}  # controls, surrogates, separators of lines and paragraphs

    def plain(character: str) -> bool:
        return character != "\\" and unicodedata.category(character) not in kinds

    return "".join(c if plain(c) else c.encode("unicode_escape").decode() for c in name)
