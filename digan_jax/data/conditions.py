"""What a conditional model is shown of a clip: a pure function of (clip, times, random numbers) for each task."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Integer, UInt8

from digan_jax.config import RunConfig, TaskConfig
from digan_jax.shapes import Condition, Styles


class Clip(NamedTuple):
    """A whole real clip."""

    frames: UInt8[np.ndarray, "n h w 3"]
    labels: Integer[np.ndarray, "n h w"] | None = None  # of each pixel, for sources that know them
    instances: Integer[np.ndarray, "n h w"] | None = None  # of each pixel, from 0; None: one for each label


class Shown(NamedTuple):
    """Maps of a clip, and the frames that they were taken at."""

    maps: Float[np.ndarray, "s H W c"]  # in [-1, 1], 0 where hidden
    visible: Float[np.ndarray, "s H W"]  # 1 or 0
    numbers: np.ndarray  # of the frames [s], ascending


def of_clip(clip: Clip, config: RunConfig, key: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """What the task of a run shows of a clip: maps [s H W planes + 1] and their times [s], float32.

    The last plane is the visibility. Depends on the clip, the configuration and the key alone.

    Args:
      key: whole numbers, such as (train.seed, step, row).
    """
    random = np.random.default_rng((zlib.crc32(b"condition"), *key))
    shown = TASKS[config.task.name](clip, random, config.task, config.model.condition_planes)
    maps = np.concatenate([shown.maps * shown.visible[..., None], shown.visible[..., None]], axis=-1)
    return maps.astype(np.float32), (shown.numbers / (len(clip.frames) - 1)).astype(np.float32)


def of_clips(clips: list[Clip], config: RunConfig, keys: list[tuple[int, ...]]) -> Condition:
    """`of_clip` of several clips, and `styles_of` where the model takes them, as a `Condition` without labels."""
    maps, at = zip(*(of_clip(clip, config, key) for clip, key in zip(clips, keys, strict=True)))
    styles = None
    if getattr(config.model, "condition_style", 0):
        there, frame, here = zip(*(styles_of(clip, key) for clip, key in zip(clips, keys)))
        styles = Styles(np.stack(there), np.stack(frame), np.stack(here))
    return Condition(maps=np.stack(maps), at=np.stack(at), styles=styles)


def styles_of(clip: Clip, key: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Instances of a clip with labels [n h w], a frame of it drawn by the key [h w 3] in [-1, 1], and its instances."""
    there = np.asarray(clip.labels if clip.instances is None else clip.instances, np.int32)
    number = int(np.random.default_rng((zlib.crc32(b"style"), *key)).integers(len(there)))
    return there, unit_range(clip.frames[number]), there[number]


def unit_range(frames: UInt8[np.ndarray, "*axes"]) -> Float[np.ndarray, "*axes"]:
    """uint8 [0, 255] to float32 [-1, 1]."""
    return frames.astype(np.float32) / np.float32(127.5) - 1


def reduced(frames: UInt8[np.ndarray, "n h w 3"], factor: int) -> UInt8[np.ndarray, "n _ _ 3"]:
    """Means of factor x factor pixels, rounded as a stored small clip is."""
    n, h, w, c = frames.shape
    cells = frames.reshape(n, h // factor, factor, w // factor, factor, c)
    return np.rint(cells.mean((2, 4), dtype=np.float64)).astype(np.uint8)


def _seen(maps: np.ndarray, numbers: np.ndarray) -> Shown:
    return Shown(maps, np.ones(maps.shape[:3], np.float32), numbers)


def _upscale(clip: Clip, random: np.random.Generator, task: TaskConfig, planes: int) -> Shown:
    """Every n-th frame, made smaller by the factor."""
    numbers = np.arange(0, len(clip.frames), task.every)
    return _seen(unit_range(reduced(clip.frames[numbers], task.factor)), numbers)


def _complete(clip: Clip, random: np.random.Generator, task: TaskConfig, planes: int) -> Shown:
    """Frames with a rectangle hidden, the same in all frames, and some frames hidden altogether, but not all."""
    n, h, w, _ = clip.frames.shape
    visible = np.ones((n, h, w), np.float32)
    sides = (random.random(2) * task.hole * (h, w)).astype(int)
    top, left = (random.random(2) * (h - sides[0] + 1, w - sides[1] + 1)).astype(int)
    visible[:, top : top + sides[0], left : left + sides[1]] = 0
    missing = random.random(n) < task.missing
    missing[random.integers(n)] = False
    visible[missing] = 0
    return Shown(unit_range(clip.frames), visible, np.arange(n))


def _predict(clip: Clip, random: np.random.Generator, task: TaskConfig, planes: int) -> Shown:
    """The first frames."""
    numbers = np.arange(task.shown)
    return _seen(unit_range(clip.frames[numbers]), numbers)


def _translate(clip: Clip, random: np.random.Generator, task: TaskConfig, planes: int) -> Shown:
    """One plane for each label: 1 where a pixel has it, otherwise 0."""
    return _seen(np.eye(planes, dtype=np.float32)[clip.labels], np.arange(len(clip.frames)))


def _edges(clip: Clip, random: np.random.Generator, task: TaskConfig, planes: int) -> Shown:
    """One plane: 1 on edges, otherwise 0."""
    return _seen((clip.labels > 0).astype(np.float32)[..., None], np.arange(len(clip.frames)))


def _animate(clip: Clip, random: np.random.Generator, task: TaskConfig, planes: int) -> Shown:
    """The first frame."""
    return _seen(unit_range(clip.frames[:1]), np.arange(1))


TASKS: dict[str, Callable] = {
    "upscale": _upscale,
    "complete": _complete,
    "predict": _predict,
    "translate": _translate,
    "edges": _edges,
    "animate": _animate,
}
