"""Films and given videos of all clients: files under names that cannot be guessed, bounded in number of bytes.

A client knows only a token. No path from a request reaches the file system: a token is looked up in memory.
"""

from __future__ import annotations

import os
import secrets
import shutil
import threading
import time
from pathlib import Path
from typing import NamedTuple

MINUTES = 60  # that a file is kept


class Kept(NamedTuple):
    """A file of the store."""

    path: Path
    name: str  # under which it is downloaded
    bytes: int
    since: float  # of the monotonic clock
    own: bool  # made by the store, which removes it; otherwise a file of a run


class Store:
    """Files by token.

    Args:
      folder: for files that the store makes; it belongs to the store.
      most: bytes of these files. Beyond that the oldest are removed.
    """

    def __init__(self, folder: os.PathLike | str, most: int):
        self.folder, self._most = Path(folder), most
        self._kept: dict[str, Kept] = {}  # in order of their coming
        self._lock = threading.Lock()

    def place(self, suffix: str) -> Path:
        """A new path for a file, or a folder with suffix "", that is then kept or removed."""
        return self.folder / f"{secrets.token_hex(12)}{suffix}"

    def keep(self, path: Path, name: str) -> str:
        """Takes a file or folder at `place` into the store and returns its token."""
        return self._add(Kept(path, name, _bytes_of(path), time.monotonic(), True))

    def show(self, path: Path) -> str:
        """The token of a file of a run, the same each time; the file stays where it is."""
        with self._lock:
            for token, kept in self._kept.items():
                if not kept.own and kept.path == path:
                    return token
        return self._add(Kept(path, path.name, 0, float("inf"), False))

    def find(self, token: object) -> Kept | None:
        """The file of a token; None for any other text, and for files that were removed."""
        with self._lock:
            kept = self._kept.get(token) if isinstance(token, str) else None
        return kept if kept and kept.path.exists() else None

    def tidy(self) -> None:
        """Removes files that are too old, and the oldest ones of too many bytes."""
        now = time.monotonic()
        with self._lock:
            own = [(token, kept) for token, kept in self._kept.items() if kept.own]
            total = sum(kept.bytes for _, kept in own)
            gone = []
            for token, kept in own:
                if total > self._most or now - kept.since > 60 * MINUTES:
                    gone.append(self._kept.pop(token).path)
                    total -= kept.bytes
        for path in gone:
            remove(path)

    def _add(self, kept: Kept) -> str:
        token = secrets.token_urlsafe(18)
        with self._lock:
            self._kept[token] = kept
        self.tidy()
        return token


def remove(path: Path) -> None:
    """Removes a file or folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _bytes_of(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
