"""What the sources of synthetic clips share that draw a clip as a function of (clip id, time)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int

from digan_jax.errors import InputError


class DrawnClips:
    """Sizes, ids and names of clips that are drawn when they are read; frames are evenly spaced in [0, 1].

    Args:
      what: the clips, in words.
      drawing: name and number of the drawing; increase the number when it changes.
      clips: number of clips of each split; the splits share none.
      size: pixels a side.
      n_frames: source frames of a clip.
      split: one of `clips`; "train" has the first ids.

    Raises:
      InputError: an unknown split.
    """

    fingerprint_covers = "pixels and labels"  # the hashed values determine both

    def __init__(self, what: str, drawing: str, clips: Mapping[str, int], size: int, n_frames: int, split: str):
        if split not in clips:
            raise InputError(f"data.split={split!r}: {what} have {sorted(clips)}.")
        self.size = self.height = self.width = size
        self._n_frames, self._first = n_frames, 0 if split == "train" else clips["train"]
        self.frame_counts: Int[np.ndarray, "records"] = np.full(clips[split], n_frames)
        self.fingerprint = hashlib.sha256(repr((drawing, size, n_frames, split)).encode()).hexdigest()[:16]

    def __len__(self) -> int:
        return len(self.frame_counts)

    def video_names(self) -> list[str]:
        """The clip id of each record, as eight digits."""
        return [f"{self._first + i:08d}" for i in range(len(self))]

    def _at(self, record: int, numbers: Sequence[int] | np.ndarray) -> tuple[int, Float[np.ndarray, "k"], int]:
        """(clip id, times of frames by number, pixels a side), as the functions that draw take them."""
        return self._first + int(record), np.asarray(numbers) / (self._n_frames - 1), self.size
