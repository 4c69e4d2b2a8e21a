"""Which frames a step sees, as a function of (seed, step) alone: windows, their order, frames, flips. Pure."""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int


@dataclasses.dataclass(frozen=True)
class Windows:
    """Every clip a set of records holds, numbered 0 … total − 1 in the order of (record, start).

    Attributes:
      frames: frames of a clip.
      stride: source frames from one frame of a clip to the next.
      step: source frames from one legal start of a record to the next.
      ends: [records] number of clips in this record and all before it.
    """

    frames: int
    stride: int
    step: int
    ends: Int[np.ndarray, "records"]

    @property
    def total(self) -> int:
        return int(self.ends[-1]) if len(self.ends) else 0

    def locate(self, ids: Int[np.ndarray, "b"]) -> tuple[Int[np.ndarray, "b"], Int[np.ndarray, "b"]]:
        """Record and first source frame of each clip."""
        record = np.searchsorted(self.ends, ids, side="right")
        before = np.where(record > 0, self.ends[record - 1], 0)
        return record, (ids - before) * self.step


class FramePlan(NamedTuple):
    """What one step reads: the plan of a batch."""

    record: Int[np.ndarray, "b"]
    frame: Int[np.ndarray, "b k"]  # frame numbers in the record, ascending
    times: Float[np.ndarray, "b k"]  # position in the clip, in [0, 1], ascending
    flip: Bool[np.ndarray, "b"]  # mirror the frames of a clip, left to right

    def rows(self, first: int, count: int) -> FramePlan:
        return FramePlan(*(column[first : first + count] for column in self))


def span(frames: int, stride: int) -> int:
    """Source frames a clip covers, its first and last included."""
    return (frames - 1) * stride + 1


def windows(frame_counts: Int[np.ndarray, "records"], frames: int, stride: int, starts: str = "any") -> Windows:
    """The clips of records of these lengths; records too short for one have none.

    Args:
      frame_counts: source frames of each record.
      frames: frames of a clip.
      stride: source frames from one frame of a clip to the next.
      starts: "any" frame of a record, or "disjoint": multiples of frames × stride (the paper's).
    """
    legal = np.maximum(np.asarray(frame_counts, np.int64) - span(frames, stride) + 1, 0)
    step = 1 if starts == "any" else frames * stride
    return Windows(frames, stride, step, np.cumsum(-(-legal // step)))


def shuffled(places: Int[np.ndarray, "b"], total: int, seed: int) -> Int[np.ndarray, "b"]:
    """Clip at each place of the endless order that shows all `total` clips once an epoch, each epoch in its own order.

    A keyed permutation (a block cipher on the index), so any place costs the same and nothing is stored.
    """
    from grain.experimental import index_shuffle  # brings JAX along, which decoding processes need not wait for

    epoch, place = np.divmod(places, total)
    keys = {e: int(np.random.SeedSequence((seed, int(e))).generate_state(1)[0]) for e in np.unique(epoch)}
    return np.array([index_shuffle(int(p), total - 1, keys[e], 4) for e, p in zip(epoch, place)], np.int64)


def draw(clips: Windows, frames: Callable, seed: int, step: int, batch_size: int, flip: bool) -> FramePlan:
    """The frames that one step sees.

    Args:
      clips: the clips to draw from; at least one.
      frames: of a clip, as `models.interface.Family.frames` chooses them.
      seed: of the run.
      step: iteration, from 0.
      batch_size: clips of the global batch.
      flip: mirror half of the clips.
    """
    record, start = clips.locate(shuffled(step * batch_size + np.arange(batch_size), clips.total, seed))
    random = np.random.default_rng((zlib.crc32(b"pairs"), seed, step))
    number, times = frames(random, clips.frames, batch_size)
    mirror = random.random(batch_size) < 0.5
    return FramePlan(record, start[:, None] + number * clips.stride, times, mirror & flip)
