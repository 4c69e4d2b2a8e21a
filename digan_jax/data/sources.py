"""Sources of clips with one interface: prepared datasets, folders of videos, bouncing shapes, moving digits."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from etils import epath
from jaxtyping import Int, UInt8

from digan_jax.config import DataConfig, FamilyConfig, RunConfig
from digan_jax.data import builder, clips, pieces
from digan_jax.data.bouncing import BouncingSource
from digan_jax.data.digits import DigitsSource
from digan_jax.data.figures import FiguresSource
from digan_jax.data.paired_folders import PairedSource
from digan_jax.data.records import Features, Records, find_set
from digan_jax.errors import InputError
from digan_jax.host.progress import TerminalProgress
from digan_jax.host.showing import shown


@runtime_checkable
class Source(Protocol):
    """Records of frames. A record is a sequence of successive frames of one shot."""

    height: int  # pixels
    width: int
    size: int  # the height, which is also the width of square frames
    class_names: tuple[str, ...]  # empty: no classes
    frame_counts: Int[np.ndarray, "records"]
    labels: Int[np.ndarray, "records"]
    fingerprint: str  # digest that changes when the data change
    fingerprint_covers: str  # the part of the data that it covers, in words

    def __len__(self) -> int: ...

    def video_names(self) -> list[str]:
        """The name of the video that each record belongs to."""

    def read_frames(self, record: int, numbers: Sequence[int] | np.ndarray) -> UInt8[np.ndarray, "k h w 3"]:
        """Frames of a record by number, uint8 [0, 255]. Must be safe to call from several threads at once."""


class PreparedSource:
    """A dataset on disk, made by `digan prepare` or published by TFDS.

    Args:
      folder: of the dataset, from `records.find_set`.
      split: a TFDS split expression.
      size: pixels a side. A dataset of `digan prepare` must have this size; the frames of others are cropped and
        resized when they are read.
      features: names of the stored frames and labels.

    Raises:
      InputError: an unreadable dataset, no such split or feature, or another size.
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
        """The name of the video that each record belongs to."""
        return self._records.video_names()

    def read_frames(self, record: int, numbers: Sequence[int] | np.ndarray) -> UInt8[np.ndarray, "k h w 3"]:
        encoded = self._records.encoded_frames(record)
        frames = [pieces.decode(encoded[int(n)]) for n in numbers]
        return np.stack([shown(f, self.size) for f in frames] if self._to_fit else frames)


def open_source(data: DataConfig, model: FamilyConfig) -> Source:
    """Opens the source that a configuration names, and checks it against the configuration.

    Raises:
      InputError: the data are missing, empty or unreadable; or their size or number of classes differs from the
        configuration, or all records are shorter than a clip.
    """
    source = SOURCES[data.source](data, model)
    n_classes = len(source.class_names)
    if model.n_classes not in (0, n_classes):
        cure = f"set it to {n_classes}, or to 0 to train without classes" if n_classes else "set it to 0"
        raise InputError(f"model.n_classes={model.n_classes}: the data have {n_classes} classes; {cure}.")
    check_lengths(source, data)
    return source


def check_labels(source: Source, config: RunConfig) -> None:
    """Raises `InputError` when the task needs labels of pixels and the source has none, or another number of them."""
    names, planes = getattr(source, "label_names", ()), getattr(config.model, "condition_planes", 0)
    if config.task.name == "translate" and planes != len(names):
        found = f"has {len(names)} labels of pixels; set it to {len(names)}" if names else "has no labels of pixels"
        cure = "" if names else "; use data.source='pairs' or 'bouncing', or another task"
        raise InputError(f"model.condition_planes={planes}: data.source={config.data.source!r} {found}{cure}.")


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
    """Prepares the folder on first use, under a name that states the resolution, frames and stride."""
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


def _digits(data: DataConfig, model: FamilyConfig) -> Source:
    digits = 3 if data.source == "rgb_digits" else 1
    return DigitsSource(data.path, model.resolution, clips.span(data.frames, data.stride), data.split, digits)


def _pairs(data: DataConfig, model: FamilyConfig) -> Source:
    return PairedSource(data.path, model.resolution, data.split)


def _figures(data: DataConfig, model: FamilyConfig) -> Source:
    return FiguresSource(model.resolution, clips.span(data.frames, data.stride), data.split)


SOURCES = {
    "tfds": _tfds, "folder": _folder, "pairs": _pairs, "bouncing": _bouncing, "figures": _figures, "digits": _digits,
    "rgb_digits": _digits,
}  # fmt: skip
