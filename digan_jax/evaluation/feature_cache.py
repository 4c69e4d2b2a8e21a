"""Features kept on disk under the content of the clip they belong to, so that none is ever of other pixels.

A clip's name is the hash of its uint8 pixels and its shape; a folder holds the features of one network, one set of
weights and one way to resize. What changed has another name: nothing can be stale.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from digan_jax.evaluation.features.extractors import Extractor
from digan_jax.rendering.video_files import moved_in

_DIGEST = 16  # bytes


def default_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "digan-jax" / "features"


def digest(clip: np.ndarray) -> bytes:
    """Name of a clip uint8 [t h w 3]."""
    made = hashlib.blake2b(repr(clip.shape).encode(), digest_size=_DIGEST)
    made.update(np.ascontiguousarray(clip))
    return made.digest()


class FeatureCache:
    """Features by digest, of one `Extractor.key`. Without a folder they are kept for this process alone."""

    def __init__(self, key: str, folder: str | os.PathLike | None = None):
        self._folder = None if folder is None else Path(folder) / key
        self._rows: dict[bytes, np.ndarray] = {}
        self._unsaved: list[bytes] = []
        for part in sorted(self._folder.glob("*.npz")) if self._folder else ():
            with contextlib.suppress(OSError, ValueError, KeyError, zipfile.BadZipFile):  # damaged: computed anew
                with np.load(part) as stored:
                    names, rows = stored["digests"], stored["features"]
                self._rows |= {name.tobytes(): row for name, row in zip(names, rows, strict=True)}

    def __contains__(self, name: bytes) -> bool:
        return name in self._rows

    def __getitem__(self, name: bytes) -> np.ndarray:
        return self._rows[name]

    def add(self, names: Iterable[bytes], rows: Iterable[np.ndarray]) -> None:
        for name, row in zip(names, rows, strict=True):
            self._rows[name] = row
            self._unsaved.append(name)

    def save(self) -> None:
        """Everything added since the last save, as one more file."""
        if self._folder is None or not self._unsaved:
            return
        names = np.stack([np.frombuffer(name, np.uint8) for name in self._unsaved])
        rows = np.stack([self._rows[name] for name in self._unsaved])
        part = self._folder / f"{hashlib.blake2b(names, digest_size=_DIGEST).hexdigest()}.npz"
        with moved_in(part) as unfinished:
            np.savez(unfinished, digests=names, features=rows)
        self._unsaved.clear()


SAVE_EVERY = 1024  # clips: what an interruption costs


def features_of(
    clips: Iterable[np.ndarray], extractor: Extractor, cache: FeatureCache, advance: Callable[[], None] = lambda: None
) -> tuple[np.ndarray, list[bytes]]:
    """Features of each clip uint8 [t h w 3], in order, and the clips' names; computes those not in the cache.

    `advance` is called once for each clip.
    """
    names, waiting, since = [], {}, 0
    for clip in clips:
        name = digest(clip)
        names.append(name)
        if name not in cache and name not in waiting:
            waiting[name] = clip
        if len(waiting) == extractor.batch:
            since += _compute(waiting, extractor, cache)
        if since >= SAVE_EVERY:
            cache.save()
            since = 0
        advance()
    _compute(waiting, extractor, cache)
    cache.save()
    return np.stack([cache[name] for name in names]), names


def _compute(waiting: dict[bytes, np.ndarray], extractor: Extractor, cache: FeatureCache) -> int:
    count = len(waiting)
    if count:
        cache.add(waiting, extractor(np.stack(list(waiting.values()))))
        waiting.clear()
    return count


def fingerprint(names: Iterable[bytes]) -> str:
    """Of a set of clips, whatever their order."""
    return hashlib.sha256(b"".join(sorted(names))).hexdigest()[:16]


def in_chunks(rows: np.ndarray, size: int) -> Iterator[np.ndarray]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
