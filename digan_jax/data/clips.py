"""Chooses the frames of each training step as a pure function of (seed, step): windows, order, frames, flips."""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int


@dataclasses.dataclass(frozen=True)
class Windows:
    """All clips of a set of records, numbered 0 … total − 1 in the order of (record, start).

    Attributes:
      frames: frames of a clip.
      stride: source frames from one frame of a clip to the next.
      step: source frames from one allowed start of a clip to the next.
      ends: [records] cumulative number of clips, up to and including each record.
    """

    frames: int
    stride: int
    step: int
    ends: Int[np.ndarray, "records"]

    @property
    def total(self) -> int:
        """Number of clips."""
        return int(self.ends[-1]) if len(self.ends) else 0

    def locate(self, ids: Int[np.ndarray, "b"]) -> tuple[Int[np.ndarray, "b"], Int[np.ndarray, "b"]]:
        """(record, first source frame) of each clip id in [0, total)."""
        record = np.searchsorted(self.ends, ids, side="right")
        before = np.where(record > 0, self.ends[record - 1], 0)
        return record, (ids - before) * self.step


class FramePlan(NamedTuple):
    """The frames that one step reads."""

    record: Int[np.ndarray, "b"]
    frame: Int[np.ndarray, "b k"]  # frame numbers within the record, ascending
    times: Float[np.ndarray, "b k"]  # position in the clip, in [0, 1], ascending
    flip: Bool[np.ndarray, "b"]  # mirror the clip left to right
    start: Int[np.ndarray, "b"]  # frame number of the clip's first frame within the record

    def rows(self, first: int, count: int) -> FramePlan:
        """The part of the plan for `count` clips of the batch, from clip `first` on."""
        return FramePlan(*(column[first : first + count] for column in self))


def span(frames: int, stride: int) -> int:
    """Number of source frames that a clip covers, including its first and last."""
    return (frames - 1) * stride + 1


def windows(frame_counts: Int[np.ndarray, "records"], frames: int, stride: int, starts: str = "any") -> Windows:
    """The clips of records of these lengths. Records that are too short have no clip.

    Args:
      frame_counts: [records] source frames of each record.
      frames: frames of a clip.
      stride: source frames from one frame of a clip to the next.
      starts: "any": clips start at any frame; "disjoint": at multiples of frames × stride, as in the paper.
    """
    legal = np.maximum(np.asarray(frame_counts, np.int64) - span(frames, stride) + 1, 0)
    step = 1 if starts == "any" else frames * stride
    return Windows(frames, stride, step, np.cumsum(-(-legal // step)))


def shuffled(places: Int[np.ndarray, "b"], total: int, seed: int) -> Int[np.ndarray, "b"]:
    """The clip at each position of an endless shuffled sequence. Each epoch shows all clips once, in its own order.

    Uses a keyed permutation (a block cipher on the index), so every position costs the same and nothing is stored.

    Args:
      places: [b] positions, from 0.
      total: number of clips.
      seed: of the run.
    """
    from grain.experimental import index_shuffle  # imports JAX, which decoding processes do not need

    epoch, place = np.divmod(places, total)
    keys = {e: int(np.random.SeedSequence((seed, int(e))).generate_state(1)[0]) for e in np.unique(epoch)}
    return np.array([index_shuffle(int(p), total - 1, keys[e], 4) for e, p in zip(epoch, place)], np.int64)


def draw(clips: Windows, frames: Callable, seed: int, step: int, batch_size: int, flip: bool) -> FramePlan:
    """Draws the frames of one step.

    Args:
      clips: to draw from; at least one.
      frames: (random, frames of a clip, clips) -> frames of each clip; see `models.interface.Family.frames`.
      seed: of the run.
      step: iteration, from 0.
      batch_size: clips of the global batch.
      flip: mirror each clip with probability 1/2.
    """
    record, start = clips.locate(shuffled(step * batch_size + np.arange(batch_size), clips.total, seed))
    random = np.random.default_rng((zlib.crc32(b"pairs"), seed, step))
    number, times = frames(random, clips.frames, batch_size)
    mirror = random.random(batch_size) < 0.5
    return FramePlan(record, start[:, None] + number * clips.stride, times, mirror & flip, start)
