"""What a conditional model is shown of a clip: a pure function of (clip, times, random numbers) for each task."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Integer, UInt8
from PIL import Image

from digan_jax.config import RunConfig, TaskConfig
from digan_jax.data import carrying, filling, stylizing
from digan_jax.shapes import Condition, Styles


class Clip(NamedTuple):
    """A whole real clip."""

    frames: UInt8[np.ndarray, "n h w 3"]
    labels: Integer[np.ndarray, "n h w"] | None = None  # of each pixel, for sources that know them
    instances: Integer[np.ndarray, "n h w"] | None = None  # of each pixel, from 0; None: one for each label


class Shown(NamedTuple):
    """Maps of a clip, and the frames that they were taken at."""

    maps: Float[np.ndarray, "s H W c"]  # in [-1, 1]; 0 where hidden, or a first guess
    visible: Float[np.ndarray, "s H W"]  # 1 or 0; between for frames with noise
    numbers: np.ndarray  # of the frames [s], ascending


def of_clip(clip: Clip, config: RunConfig, key: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """What the task of a run shows of a clip: maps [s H W planes + 1] and their times [s], float32.

    The last plane is the visibility. Depends on the clip, the configuration and the key alone.

    Args:
      key: whole numbers, such as (train.seed, step, row).
    """
    random = random_of(key)
    shown = TASKS[config.task.name](clip, random, config.task, config.model.condition_planes)
    return with_visibility(shown), (shown.numbers / (len(clip.frames) - 1)).astype(np.float32)


def random_of(key: tuple[int, ...]) -> np.random.Generator:
    """The random numbers of what is shown."""
    return np.random.default_rng((zlib.crc32(b"condition"), *key))


def targets(
    frames: UInt8[np.ndarray, "b k h w 3"],
    times: Float[np.ndarray, "b k"],
    config: RunConfig,
    keys: list[tuple[int, ...]],
) -> UInt8[np.ndarray, "b k h w 3"]:
    """What is to be drawn at the times of real frames: these, but for "stylize", which draws them in a style.

    Args:
      keys: of `of_clip`, one for each clip.
    """
    if config.task.name != "stylize":
        return frames
    degrees = [stylizing.degrees_of(random_of(key), at) for key, at in zip(keys, times, strict=True)]
    return np.stack([stylizing.styled(pair, config.task.style, degree) for pair, degree in zip(frames, degrees)])


def with_visibility(shown: Shown) -> Float[np.ndarray, "s H W _"]:
    """Maps with the visibility as their last plane, float32: what an encoder takes."""
    return np.concatenate([shown.maps, shown.visible[..., None]], axis=-1).astype(np.float32)


def of_clips(clips: list[Clip], config: RunConfig, keys: list[tuple[int, ...]]) -> Condition:
    """`of_clip` of several clips, and `styles_of` where the model takes them, as a `Condition` without labels."""
    maps, at = zip(*(of_clip(clip, config, key) for clip, key in zip(clips, keys, strict=True)))
    styles = None
    if getattr(config.model, "condition_style", 0):
        looks = [styles_of(clip, key, config.model.condition_carried) for clip, key in zip(clips, keys)]
        styles = Styles(*(None if parts[0] is None else np.stack(parts) for parts in zip(*looks)))
    return Condition(maps=np.stack(maps), at=np.stack(at), styles=styles)


def styles_of(clip: Clip, key: tuple[int, ...], carry: bool = False) -> Styles:
    """The look of the instances of one clip with labels: that of a frame drawn by the key. Arrays without the axis b.

    Args:
      carry: also the frame's pixels, carried along with its objects; of every fourth clip none, as for looks that are
        not those of a frame.
    """
    there = np.asarray(clip.labels if clip.instances is None else clip.instances, np.int32)
    random = np.random.default_rng((zlib.crc32(b"style"), *key))
    number = int(random.integers(len(there)))
    look = Styles(there, unit_range(clip.frames[number]), there[number])
    if not carry:
        return look
    ages = np.abs(np.arange(len(there)) - number) / (len(there) - 1)
    shown = look.here if random.random() < 0.75 else np.full_like(look.here, -1)
    return look._replace(carried=carrying.carried(look.frame, shown, there, ages))


def unit_range(frames: UInt8[np.ndarray, "*axes"]) -> Float[np.ndarray, "*axes"]:
    """uint8 [0, 255] to float32 [-1, 1]."""
    return frames.astype(np.float32) / np.float32(127.5) - 1


def reduced(frames: UInt8[np.ndarray, "n h w 3"], factor: int) -> UInt8[np.ndarray, "n _ _ 3"]:
    """Means of factor x factor pixels, rounded as a stored small clip is."""
    n, h, w, c = frames.shape
    cells = frames.reshape(n, h // factor, factor, w // factor, factor, c)
    return np.rint(cells.mean((2, 4), dtype=np.float64)).astype(np.uint8)


def enlarged(frames: UInt8[np.ndarray, "n _ _ 3"], size: tuple[int, int]) -> UInt8[np.ndarray, "n h w 3"]:
    """Frames resized to (width, height) by Pillow's Lanczos filter."""
    return np.stack([np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.LANCZOS)) for frame in frames])


def _seen(maps: np.ndarray, numbers: np.ndarray) -> Shown:
    return Shown(maps, np.ones(maps.shape[:3], np.float32), numbers)


def _upscale(clip: Clip, random: np.random.Generator, task: TaskConfig, planes: int) -> Shown:
    """Every n-th frame, made smaller by the factor; with `task.factors` by one of these, and larger again."""
    numbers = np.arange(0, len(clip.frames), task.every)
    if not task.factors:
        return _seen(unit_range(reduced(clip.frames[numbers], task.factor)), numbers)
    small = reduced(clip.frames[numbers], task.factors[random.integers(len(task.factors))])
    return _seen(unit_range(enlarged(small, clip.frames.shape[2:0:-1])), numbers)


def _interpolate(clip: Clip, random: np.random.Generator, task: TaskConfig, planes: int) -> Shown:
    """Every n-th frame."""
    numbers = np.arange(0, len(clip.frames), task.every)
    return _seen(unit_range(clip.frames[numbers]), numbers)


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
    maps = unit_range(clip.frames) * visible[..., None]
    return Shown(filling.filled(maps, visible) if task.fill else maps, visible, np.arange(n))


def _denoise(clip: Clip, random: np.random.Generator, task: TaskConfig, planes: int) -> Shown:
    """All frames with white noise of one deviation, uniform in [0, task.noise], rounded as a stored clip is."""
    sigma = random.random() * task.noise
    return noisy(add_noise(clip.frames, sigma, random), sigma, task.noise)


def add_noise(
    frames: UInt8[np.ndarray, "*axes"], sigma: float, random: np.random.Generator
) -> UInt8[np.ndarray, "*axes"]:
    """Frames with white Gaussian noise of this deviation, in grey levels of 255; clipped and rounded."""
    noise = random.standard_normal(frames.shape, np.float32) * np.float32(sigma)
    return np.rint(np.clip(frames + noise, 0, 255)).astype(np.uint8)


def noisy(frames: UInt8[np.ndarray, "n h w 3"], sigma: float, most: float) -> Shown:
    """Frames with noise of a known deviation. The visibility says how far they can be trusted: 1 - sigma / most.

    Args:
      sigma, most: the deviation, and the largest that the model was trained on, in grey levels.
    """
    trust = np.full(frames.shape[:3], 1 - min(sigma / most, 1), np.float32)
    return Shown(unit_range(frames), trust, np.arange(len(frames)))


def to_degree(frames: UInt8[np.ndarray, "n h w 3"], degrees: Float[np.ndarray, "n *_"]) -> Shown:
    """Frames to be drawn in a style. The visibility says how much of each is to stay: 1 - degree.

    Args:
      degrees: in [0, 1], of each frame, or of each pixel [n h w].
    """
    plane = np.float32(degrees).reshape(len(frames), *degrees.shape[1:] or (1, 1))
    return Shown(unit_range(frames), np.broadcast_to(1 - plane, frames.shape[:3]), np.arange(len(frames)))


def _stylize(clip: Clip, random: np.random.Generator, task: TaskConfig, planes: int) -> Shown:
    """All frames, with the degrees to which they are to be drawn in the style."""
    times = np.arange(len(clip.frames)) / (len(clip.frames) - 1)
    return to_degree(clip.frames, stylizing.degrees_of(random, times))


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
    "interpolate": _interpolate,
    "complete": _complete,
    "denoise": _denoise,
    "predict": _predict,
    "translate": _translate,
    "edges": _edges,
    "animate": _animate,
    "stylize": _stylize,
}
