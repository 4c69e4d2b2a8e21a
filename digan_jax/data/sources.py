"""Where clips come from: prepared sets, folders, the bouncing shapes. All look alike to the loader."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from etils import epath
from jaxtyping import Int, UInt8

from digan_jax.config import DataConfig, FamilyConfig
from digan_jax.data import builder, clips, pieces
from digan_jax.data.bouncing import BouncingSource
from digan_jax.data.records import Features, Records, find_set
from digan_jax.errors import InputError
from digan_jax.host.progress import TerminalProgress
from digan_jax.host.showing import shown


@runtime_checkable
class Source(Protocol):
    """Records of frames. A record is a stretch of neighbouring frames of one shot."""

    height: int  # pixels
    width: int
    size: int  # pixels a side of square frames; otherwise the height
    class_names: tuple[str, ...]  # empty: no classes
    frame_counts: Int[np.ndarray, "records"]
    labels: Int[np.ndarray, "records"]
    fingerprint: str  # changes when the data do
    fingerprint_covers: str  # what of the data it follows, in words

    def __len__(self) -> int: ...

    def video_names(self) -> list[str]:
        """Of each record, the video that it is a piece of."""

    def read_frames(self, record: int, numbers: Sequence[int] | np.ndarray) -> UInt8[np.ndarray, "k h w 3"]:
        """Frames of a record by their numbers; decodes these and no other. Called from several threads at once."""


class PreparedSource:
    """A set on disk, made by `digan prepare` or one of TFDS's own video sets.

    Args:
      folder: of the set, as `records.find_set` gives it.
      split: a TFDS split expression.
      size: pixels a side that are wanted. A set of `digan prepare` must have this size; the frames of others are
        cropped and resized when they are read.
      features: where frames and labels are stored.

    Raises:
      InputError: unreadable, no such split or feature, another size.
    """

    def __init__(self, folder: epath.Path, split: str, size: int, features: Features = Features()):
        self._records = Records(folder, split, features)
        stored = builder.prepared_size(folder)
        self._to_fit = stored is None
        if stored not in (None, size):
            raise InputError(
                f"model.resolution={size}: {folder} holds frames of {stored}x{stored}; "
                f"set it to {stored}, or prepare a set with --size {size}."
            )
        self.size = self.height = self.width = size
        self.class_names = self._records.class_names
        self.frame_counts, self.labels = self._records.frame_counts, self._records.labels
        self.fingerprint, self.fingerprint_covers = self._records.fingerprint, self._records.fingerprint_covers

    def __len__(self) -> int:
        return len(self._records)

    def video_names(self) -> list[str]:
        """The video that each record is a piece of."""
        return self._records.video_names()

    def read_frames(self, record: int, numbers: Sequence[int] | np.ndarray) -> UInt8[np.ndarray, "k h w 3"]:
        encoded = self._records.encoded_frames(record)
        frames = [pieces.decode(encoded[int(n)]) for n in numbers]
        return np.stack([shown(f, self.size) for f in frames] if self._to_fit else frames)


def open_source(data: DataConfig, model: FamilyConfig) -> Source:
    """The clips a configuration names, checked against it.

    Raises:
      InputError: missing, empty or unreadable; another size, class count or frame count than the configuration says.
    """
    source = SOURCES[data.source](data, model)
    n_classes = len(source.class_names)
    if model.n_classes not in (0, n_classes):
        cure = f"set it to {n_classes}, or to 0 to train without classes" if n_classes else "set it to 0"
        raise InputError(f"model.n_classes={model.n_classes}: the data have {n_classes} classes; {cure}.")
    check_lengths(source, data)
    return source


def check_lengths(source: Source, data: DataConfig) -> None:
    """Raises `InputError` when no record is long enough for one clip."""
    longest, needed = int(max(source.frame_counts, default=0)), clips.span(data.frames, data.stride)
    if longest < needed:
        raise InputError(
            f"data.frames={data.frames}, data.stride={data.stride}: a clip covers {needed} source frames, the longest "
            f"record has {longest}; use fewer, or prepare a set with these --frames and --stride."
        )


def _tfds(data: DataConfig, model: FamilyConfig) -> Source:
    features = Features(data.video_feature, data.label_feature)
    return PreparedSource(find_set(data.name, data.data_dir), data.split, model.resolution, features)


def _folder(data: DataConfig, model: FamilyConfig) -> Source:
    """Prepared on first use, under a name that tells how."""
    stem = re.sub(r"[^a-z0-9]+", "_", epath.Path(data.path).expanduser().name.lower()).strip("_")
    stem = stem if stem[:1].isalpha() else f"clips_{stem}".strip("_")
    name = data.name or f"{stem}_{model.resolution}_{data.frames}x{data.stride}"
    of_clips = (data.frames, data.stride)
    prepared = builder.prepare(data.path, name, model.resolution, *of_clips, data.data_dir, progress=TerminalProgress())
    if not prepared.reused:
        print(prepared)
    return PreparedSource(epath.Path(prepared.folder), data.split, model.resolution)


def _bouncing(data: DataConfig, model: FamilyConfig) -> Source:
    return BouncingSource(model.resolution, clips.span(data.frames, data.stride), data.split)


SOURCES = {"tfds": _tfds, "folder": _folder, "bouncing": _bouncing}
