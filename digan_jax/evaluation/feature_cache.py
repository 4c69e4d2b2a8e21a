"""A cache of features on disk, keyed by the content of clips.

A clip's key is the hash of its uint8 pixels and shape. A folder holds the features of one network, one set of weights
and one resize mode. Anything that changes has another key, so entries never go stale.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import zipfile
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from etils import epath
from jaxtyping import Float, UInt8

from digan_jax.evaluation.features.extractors import Extractor
from digan_jax.host import caches
from digan_jax.host.files import moved_in

_DIGEST = 16  # bytes


def default_folder() -> epath.Path | None:
    """None where nothing can be kept; a person is told."""
    place = caches.usable(caches.folder("features"))
    return place and epath.Path(place)


def digest(clip: np.ndarray) -> bytes:
    """Hash of a clip, uint8 [t h w 3], by shape and pixels."""
    digest = hashlib.blake2b(repr(clip.shape).encode(), digest_size=_DIGEST)
    digest.update(np.ascontiguousarray(clip))
    return digest.digest()


class FeatureCache:
    """Features by digest, of one `Extractor.key`. Without a folder they live in memory only."""

    def __init__(self, key: str, folder: epath.PathLike | None = None):
        self._folder = None if folder is None else epath.Path(folder).expanduser() / key
        self._rows: dict[bytes, np.ndarray] = {}
        self._unsaved: list[bytes] = []
        for part in sorted(self._folder.glob("*.npz")) if self._folder else ():
            with contextlib.suppress(OSError, ValueError, KeyError, zipfile.BadZipFile):  # damaged: recomputed
                with np.load(io.BytesIO(part.read_bytes())) as stored:
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
        """Writes what was added since the last save to a new file."""
        if self._folder is None or not self._unsaved:
            return
        names = np.stack([np.frombuffer(name, np.uint8) for name in self._unsaved])
        rows = np.stack([self._rows[name] for name in self._unsaved])
        part = self._folder / f"{hashlib.blake2b(names, digest_size=_DIGEST).hexdigest()}.npz"
        try:
            with moved_in(part) as unfinished:
                np.savez(unfinished, digests=names, features=rows)
        except OSError as error:  # an evaluation need not end for that
            self._folder = caches.skipped(f"{part.parent}: {error.strerror or error}", "choose another with --cache")
        self._unsaved.clear()


SAVE_EVERY = 128  # clips; an interruption loses at most these


class Collector:
    """Collects the features of clips in order, and computes those that the cache lacks.

    Args:
      change: applied to each clip first, such as `motion.frozen`.
    """

    def __init__(self, extractor: Extractor, cache: FeatureCache, change: Callable = lambda clip: clip):
        self._extractor, self._cache, self._change = extractor, cache, change
        self._waiting: dict[bytes, np.ndarray] = {}
        self._unsaved = 0
        self.names: list[bytes] = []  # digests of the changed clips

    def add(self, clip: UInt8[np.ndarray, "t h w 3"]) -> None:
        clip = self._change(clip)
        name = digest(clip)
        self.names.append(name)
        if name not in self._cache and name not in self._waiting:
            self._waiting[name] = clip
        if len(self._waiting) == self._extractor.batch:
            self._compute()
        if self._unsaved >= SAVE_EVERY:
            self._cache.save()
            self._unsaved = 0

    def result(self) -> Float[np.ndarray, "n *d"]:
        """Features of all clips added so far."""
        if self._waiting:
            self._compute()
        self._cache.save()
        return np.stack([self._cache[name] for name in self.names])

    def _compute(self) -> None:
        self._cache.add(self._waiting, self._extractor(np.stack(list(self._waiting.values()))))
        self._unsaved += len(self._waiting)
        self._waiting.clear()


class Thumbnails:
    """A `Collector` of small clips: every second frame, averaged over blocks to about 16 pixels a side."""

    def __init__(self):
        self._rows: list[np.ndarray] = []

    def add(self, clip: UInt8[np.ndarray, "t h w 3"]) -> None:
        t, h, w, _ = clip[::2].shape
        by_row, by_column = max(1, h // 16), max(1, w // 16)
        kept = clip[::2, : h // by_row * by_row, : w // by_column * by_column]
        blocks = kept.reshape(t, h // by_row, by_row, w // by_column, by_column, 3)
        self._rows.append(blocks.mean((2, 4), dtype=np.float32).ravel())

    def result(self) -> Float[np.ndarray, "n d"]:
        """Thumbnails in grey levels. A distance divided by sqrt(d) is a root mean square difference over pixels."""
        return np.stack(self._rows)


def collect(clips: Iterable[np.ndarray], collectors: Sequence, advance: Callable[[], None] = lambda: None) -> list:
    """Results of all collectors after one pass over the clips; calls `advance` after each clip."""
    for clip in clips:
        for collector in collectors:
            collector.add(clip)
        advance()
    return [collector.result() for collector in collectors]


def fingerprint(names: Iterable[bytes]) -> str:
    """Fingerprint of a set of clips, independent of their order."""
    return hashlib.sha256(b"".join(sorted(names))).hexdigest()[:16]
