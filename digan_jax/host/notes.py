"""Remarks for people beside the work: on stderr, each once."""

from __future__ import annotations

import sys

_said: set[str] = set()


def say_once(text: str) -> None:
    """Prints `text` to stderr, unless this process said it before."""
    if text not in _said:
        _said.add(text)
        print(f"digan: {text}", file=sys.stderr, flush=True)
