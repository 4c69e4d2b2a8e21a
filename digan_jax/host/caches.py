"""Where what can be computed anew is kept between runs: compiled programs, features. Never where others may write."""

from __future__ import annotations

import functools
import os
import sys
from pathlib import Path


def home() -> Path | None:
    """The person's folder; None for a user whom the system does not know, as in a container with --user."""
    try:
        return Path.home()
    except RuntimeError:
        return None


def folder(name: str) -> Path | None:
    """The folder of one cache, below $XDG_CACHE_HOME or ~/.cache; None where there is no such place. It may not exist
    yet, or may not be writable: `usable` tells."""
    given = os.environ.get("XDG_CACHE_HOME")
    root = Path(given) if given else home() and home() / ".cache"
    return root and root / "digan-jax" / name


@functools.cache
def usable(place: Path | None) -> Path | None:
    """`place`, made; None where that cannot be, and then a person is told, once for all caches."""
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
    """Tells a person that the work goes on without a cache, once."""
    if not _told:
        print(f"digan: note: caches are left out ({reason.lower()}); {cure}.", file=sys.stderr)
    _told.append(reason)


_told: list[str] = []
