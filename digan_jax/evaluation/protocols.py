"""Protocols of FVD and KVD: every setting that changes the value, and the choice of clips.

Values are comparable only under the same protocol and on the same real clips.
"""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from digan_jax.data import clips
from digan_jax.errors import InputError

CHOICES = {
    "windows": "windows at random, all equally likely",
    "spread": "windows evenly spread over all there are, always the same",
    "first_videos": "one random window of each of the first videos in alphabetical order",
    "random_videos": "one random window of each of as many videos at random",
}
RESIZES = {
    "crop": "shorter side to 224, centre crop; bilinear, no antialiasing",
    "squash": "both sides to 224; bilinear, no antialiasing",
}
QUANTISE = {"cut": "x 127.5 + 127.5, clamped, cut to uint8", "round": "x 127.5 + 127.5, clamped, rounded to uint8"}


@dataclasses.dataclass(frozen=True)
class Protocol:
    """Settings of an evaluation. Generated clips are 16 consecutive frames from t = 0; real frames are `stride` apart.

    Attributes:
      n_real, n_fake: real and generated clips per draw.
      draws: repetitions with other clips; the reported value is their mean.
      choice: of real clips, a key of CHOICES.
      resize: to I3D's 224 pixels, a key of RESIZES.
      quantise: of generated frames to uint8, a key of QUANTISE.
      source: paper and code that define the protocol.
      stride: source frames from one real frame to the next; None: as trained.
      strides: (part of a dataset's name, its stride), for datasets with another stride.
      starts: where real clips may begin: "any" frame, or "disjoint" (every frames x stride).
      split: of a prepared dataset; None: the split trained on.
      jpeg: JPEG quality that real frames are compressed with; 0: no compression.
      frames: frames of a clip.
    """

    n_real: int
    n_fake: int
    draws: int
    choice: str
    resize: str
    quantise: str
    source: str
    stride: int | None = None
    strides: tuple[tuple[str, int], ...] = ()
    starts: str = "any"
    split: str | None = None
    jpeg: int = 0
    frames: int = 16

    def stride_of(self, data_name: str, trained: int) -> int:
        """Stride for a dataset; `trained`: the stride of the training run."""
        named = [stride for part, stride in self.strides if part in data_name.lower()]
        return named[0] if named else self.stride or trained


_DIGAN = "Yu et al., ICLR 2022 (arXiv 2202.10571), section 4 and the evaluation script of its release"
_STYLEGAN_V = "Skorokhodov et al., CVPR 2022 (arXiv 2112.14683), fvd2048_16f of its release"

PROTOCOLS = {
    "digan": Protocol(
        2048, 2048, draws=10, choice="windows", starts="disjoint", resize="crop", quantise="cut", source=_DIGAN
    ),
    "stylegan_v_first_2048": Protocol(
        2048, 2048, draws=1, choice="first_videos", stride=1, jpeg=75, resize="squash", quantise="round",
        source=_STYLEGAN_V + ", whose loader takes the first videos in alphabetical order",
    ),
    "stylegan_v_random": Protocol(
        2048, 2048, draws=1, choice="random_videos", stride=1, jpeg=75, resize="squash", quantise="round",
        source=_STYLEGAN_V + ", with videos at random instead of the first",
    ),
    "latte": Protocol(
        2048, 2048, draws=1, choice="random_videos", stride=3, strides=(("taichi", 6),), jpeg=75, resize="squash",
        quantise="round", source="Ma et al., TMLR 2025 (arXiv 2401.03048), tools/metrics of its release",
    ),
    "magvit_10k4": Protocol(
        10_000, 10_000, draws=4, choice="windows", split="train", resize="squash", quantise="round",
        source="Yu et al., CVPR 2023 (arXiv 2212.05199), UCF-101",
    ),
    "quick": Protocol(
        256, 256, draws=1, choice="spread", resize="crop", quantise="cut",
        source="this project: a smaller digan protocol, for use during training",
    ),
    "small": Protocol(
        100, 100, draws=1, choice="spread", resize="crop", quantise="cut",
        source="this project: the quick protocol for datasets of fewer than 256 windows; fewer clips raise FVD",
    ),
}  # fmt: skip


def named(names: str | Sequence[str]) -> dict[str, Protocol]:
    """Protocols by name; names may be comma-separated, and "all" selects all.

    Raises:
      InputError: an unknown name.
    """
    names = names.split(",") if isinstance(names, str) else list(names)
    names = list(PROTOCOLS) if "all" in names else names
    for name in names:
        if name not in PROTOCOLS:
            raise InputError(f"unknown protocol {name!r}; choose from {[*PROTOCOLS, 'all']}.")
    return {name: PROTOCOLS[name] for name in names}


class Selection(NamedTuple):
    """The real clips of one draw, in order of record."""

    record: Int[np.ndarray, "n"]
    frames: Int[np.ndarray, "n t"]  # indices of the clip's frames in the record


def choose(
    protocol: Protocol,
    frame_counts: Int[np.ndarray, "records"],
    stride: int,
    draw: int,
    videos: Sequence[str] | None = None,
) -> Selection:
    """The real clips of a draw (0, 1, ...): a function of the protocol, the data and the draw alone.

    Args:
      frame_counts: source frames of each record. A clip (window) lies within one record.
      stride: source frames between frames of a clip.
      videos: name of the video that each record is a part of, for choices that count videos.

    Raises:
      InputError: too few windows or too few videos.
    """
    windows = clips.windows(frame_counts, protocol.frames, stride, protocol.starts)
    random = np.random.default_rng((zlib.crc32(b"real clips"), draw))
    n = protocol.n_real
    if protocol.choice in ("windows", "spread"):
        if windows.total < n:
            raise InputError(
                f"too few real clips: the protocol takes {n}, the data hold {windows.total} windows of "
                f"{protocol.frames} frames, stride {stride}, {protocol.starts} starts; choose a smaller protocol "
                "(small takes 100), or more data."
            )
        if protocol.choice == "spread":
            ids = ((np.arange(n) + random.random()) * windows.total / n).astype(np.int64)
        else:
            ids = np.sort(random.choice(windows.total, n, replace=False))
    else:
        ids = _one_of_each(windows, _chosen_videos(protocol, windows, videos, random), random)
    record, start = windows.locate(ids)
    return Selection(record, start[:, None] + np.arange(protocol.frames) * stride)


def _chosen_videos(protocol, windows, videos, random) -> list[Int[np.ndarray, "_"]]:
    """The records of each chosen video, without videos too short for a window."""
    has_window = np.diff(windows.ends, prepend=0) > 0
    records: dict[str, list[int]] = {}
    for i in np.flatnonzero(has_window):
        records.setdefault(videos[i], []).append(int(i))
    names = sorted(records)
    if len(names) < protocol.n_real:
        raise InputError(
            f"too few videos: the protocol takes one clip of each of {protocol.n_real} videos, the data hold "
            f"{len(names)} that are long enough; choose a protocol that takes windows (digan, magvit_10k4, quick, "
            "small), or more data."
        )
    if protocol.choice == "random_videos":
        names = [names[i] for i in np.sort(random.choice(len(names), protocol.n_real, replace=False))]
    return [np.array(records[name]) for name in names[: protocol.n_real]]


def _one_of_each(windows, videos, random) -> Int[np.ndarray, "n"]:
    """A random window of each video, given as the records of the video."""
    counts = np.diff(windows.ends, prepend=0)
    first = windows.ends - counts
    ids = []
    for records in videos:
        window = random.integers(counts[records].sum())
        part = np.searchsorted(np.cumsum(counts[records]), window, side="right")
        ids.append(first[records[part]] + window - counts[records[:part]].sum())
    return np.sort(np.array(ids))


def choose_fakes(n: int, total: int | None, draw: int, draws: int) -> Int[np.ndarray, "n"]:
    """Ids of the generated clips of a draw: new clips in each draw if there are enough, otherwise a random subset.

    Args:
      n: clips per draw.
      total: available clips; None: unlimited (a model).
      draw, draws: index and number of draws.

    Raises:
      InputError: fewer than `n` clips.
    """
    if total is not None and total < n:
        raise InputError(f"too few generated clips: the protocol takes {n}, there are {total}; generate more.")
    if total is None or total >= n * draws:
        return draw * n + np.arange(n)
    random = np.random.default_rng((zlib.crc32(b"generated clips"), draw))
    return np.sort(random.choice(total, n, replace=False))
