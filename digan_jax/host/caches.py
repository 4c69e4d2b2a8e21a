"""Cache folders for data that can be recomputed: compiled programs and features. Never in a shared temporary folder."""

from __future__ import annotations

import functools
import os
import sys
from pathlib import Path


def home() -> Path | None:
    """The user's home folder; None for a user without one, as in a container started with --user."""
    try:
        return Path.home()
    except RuntimeError:
        return None


def folder(name: str) -> Path | None:
    """The path of one cache folder, below $XDG_CACHE_HOME or ~/.cache; None without a home folder.

    The folder may not exist yet or may not be writable; see `usable`.
    """
    given = os.environ.get("XDG_CACHE_HOME")
    root = Path(given) if given else home() and home() / ".cache"
    return root and root / "digan-jax" / name


@functools.cache
def usable(place: Path | None) -> Path | None:
    """Creates the folder `place` and returns it; None when it cannot be created or written. Warns once per process."""
    if place is None:
        return skipped("no home folder", "set XDG_CACHE_HOME to keep them")
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return skipped(f"{error.filename}: {error.strerror}", "set XDG_CACHE_HOME to another folder")
    if not os.access(place, os.W_OK | os.X_OK):
        return skipped(f"{place}: may not be written", "set XDG_CACHE_HOME to another folder")
    return place


def skipped(reason: str, cure: str) -> None:
    """Prints once per process, on stderr, that the work goes on without caches; returns None."""
    if not _reasons:
        print(f"digan: note: caches are left out ({reason.lower()}); {cure}.", file=sys.stderr)
    _reasons.append(reason)


_reasons: list[str] = []
