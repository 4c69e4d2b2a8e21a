"""Notes for the user on stderr, each printed once."""

from __future__ import annotations

import sys

_said: set[str] = set()


def say_once(text: str) -> None:
    """Prints `text` to stderr, unless this process has printed it before."""
    if text not in _said:
        _said.add(text)
        print(f"digan: {text}", file=sys.stderr, flush=True)
