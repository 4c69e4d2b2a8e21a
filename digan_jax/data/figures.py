"""A synthetic dataset of people who walk in place: their poses are known, as keypoints and as label maps of limbs.

A clip is a function of (clip id, time). Bodies are wide, coloured limbs over a ground of one colour; label maps are
drawn from the joints as those of `digan condition make --poses` are.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8

from digan_jax.data import poses
from digan_jax.data.drawn_clips import DrawnClips

N_CLIPS = {"train": 4096, "test": 1024}
WIDTH = 2.2  # of a drawn limb beside that of its label
NECK, HIP = 0.27, 0.55  # heights from the top, in frames, at rest
SHOULDER, PELVIS = 0.09, 0.05  # half of their widths
ARM, LEG = (0.13, 0.12), (0.17, 0.17)  # lengths of upper and lower limbs


class _Walk(NamedTuple):
    """The random numbers of a clip."""

    colours: Float[np.ndarray, "labels 3"]  # in [0, 255]
    place: float  # of the trunk from the left, in frames
    beats: float  # double steps per clip
    phase: float
    swing: Float[np.ndarray, "4"]  # of arms, legs, elbows and knees, in radians


@functools.lru_cache(maxsize=8192)
def _walk(clip_id: int) -> _Walk:
    draw = np.random.default_rng((0xF16, clip_id))
    colours = draw.uniform(30, 225, (len(poses.LABELS), 3))
    shirt, trousers = colours[1], colours[7]
    by_name = {"arm": shirt, "thigh": trousers, "shin": trousers}
    for label, name in enumerate(poses.LABELS):
        colours[label] = next((colour for part, colour in by_name.items() if part in name), colours[label])
    swing = draw.uniform((0.3, 0.3, 0.2, 0.2), (1.0, 0.7, 0.9, 0.8))
    return _Walk(colours, draw.uniform(0.35, 0.65), draw.uniform(0.5, 1.5), draw.uniform(0, 2 * np.pi), swing)


def person(clip_id: int, time: float, size: int) -> poses.Person:
    """The joints at a time, 0 being the first frame and 1 the last, in pixels of a square frame."""
    walk = _walk(clip_id)
    beat = 2 * np.pi * walk.beats * time + walk.phase
    x, points = walk.place + 0.02 * np.sin(beat), {}
    bob = 0.015 * np.cos(2 * beat)
    points |= {"neck": (x, NECK + bob), "hip": (x, HIP + bob), "nose": (x, NECK - 0.12 + bob)}
    for side, sign in (("r", -1), ("l", 1)):
        swing = sign * np.sin(beat)
        for joint, middle, bend, lengths, names in (
            (
                (SHOULDER, NECK + 0.02), walk.swing[0] * swing, walk.swing[2] * (1 + swing), ARM,
                ("shoulder", "elbow", "wrist"),
            ),
            (
                (PELVIS, HIP), -walk.swing[1] * swing, -walk.swing[3] * (1 - swing) / 2, LEG,
                ("hip", "knee", "ankle"),
            ),
        ):  # fmt: skip
            at = np.array([x + sign * joint[0], joint[1] + bob])
            points[side + names[0]] = at
            for name, angle, length in zip(names[1:], (middle, middle + bend), lengths):
                at = at + length * np.array([np.sin(angle), np.cos(angle)])
                points[side + name] = at
    return {name: np.asarray(at, np.float64) * size for name, at in points.items()}


def render(clip_id: int, times: Sequence[float] | np.ndarray, size: int) -> UInt8[np.ndarray, "t h w 3"]:
    """The frames of a clip, uint8 [0, 255]. Limbs are drawn wider than in `labels`."""
    colours, more = _walk(clip_id).colours, 2  # pixels are the means of 2x2
    found = []
    for time in times:
        drawn = poses.drawn([person(clip_id, time, more * size)], more * size, more * size, thickness=WIDTH)
        found.append(colours[drawn].reshape(size, more, size, more, 3).mean((1, 3)))
    return np.rint(np.stack(found)).astype(np.uint8)


def labels(clip_id: int, times: Sequence[float] | np.ndarray, size: int) -> UInt8[np.ndarray, "t h w"]:
    """The label maps of the limbs, as `poses.drawn`."""
    return np.stack([poses.drawn([person(clip_id, time, size)], size, size) for time in times]).astype(np.uint8)


class FiguresSource(DrawnClips):
    """A `Source` that renders clips when they are read. A record is one clip; its frames are evenly spaced in [0, 1].

    Args:
      size: pixels a side.
      n_frames: source frames of a clip.
      split: "train" or "test"; the two share no clips.
    """

    class_names = ()
    label_names = poses.LABELS

    def __init__(self, size: int, n_frames: int, split: str = "train"):
        super().__init__("the figures", "figures 1", N_CLIPS, size, n_frames, split)
        self.labels: Int[np.ndarray, "records"] = np.zeros(len(self), np.int64)

    def read_frames(self, record: int, numbers: Sequence[int] | np.ndarray) -> UInt8[np.ndarray, "k h w 3"]:
        return render(*self._at(record, numbers))

    def read_labels(self, record: int, numbers: Sequence[int] | np.ndarray) -> UInt8[np.ndarray, "k h w"]:
        """Labels of the pixels of frames by number: indices into `label_names`."""
        return labels(*self._at(record, numbers))
