"""A synthetic dataset: textured shapes move, turn, pulse and occlude each other over a drifting textured background.

A clip is a function of (clip id, x, y, t), so the true frame is known at any time and resolution. Serves tests,
benchmarks, and measurements of interpolation and super-resolution without other data.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int, UInt8

from digan_jax.data.drawn_clips import DrawnClips

CLASS_NAMES = ("disc", "square", "ring")  # all shapes of a clip are of one kind
EDGE = 0.03  # width of a shape's soft edge, where the frame is 2 wide; the same at every resolution
N_CLIPS = {"train": 4096, "test": 1024}


@dataclasses.dataclass(frozen=True)
class _Texture:
    """colour + swing · sin(wave · (x, y) + phase), in units of [0, 1]."""

    colour: Float[np.ndarray, "3 1 1 1"]
    swing: Float[np.ndarray, "3 1 1 1"]
    wave: Float[np.ndarray, "2"]
    phase: float

    def at(self, x: np.ndarray, y: np.ndarray) -> Float[np.ndarray, "3 t h w"]:
        return self.colour + self.swing * np.sin(self.wave[0] * x + self.wave[1] * y + self.phase)


@dataclasses.dataclass(frozen=True)
class _Shape:
    texture: _Texture
    radius: float
    pulse: float  # relative amplitude of the radius
    beats: float  # pulses per clip
    turns: float  # rotation, radians per clip
    position: Float[np.ndarray, "2"]  # at t = 0
    velocity: Float[np.ndarray, "2"]  # distance per clip


@dataclasses.dataclass(frozen=True)
class _Scene:
    kind: str
    ground: _Texture
    drift: Float[np.ndarray, "2"]  # of the background, distance per clip
    shapes: tuple[_Shape, ...]  # far to near


def label(clip_id: int) -> int:
    """The class of a clip: an index into CLASS_NAMES."""
    return clip_id % len(CLASS_NAMES)


@functools.lru_cache(maxsize=8192)
def _scene(clip_id: int) -> _Scene:
    draw = np.random.default_rng((0xB0C, clip_id))

    def texture(wavelength):
        angle = draw.uniform(0, 2 * np.pi)
        wave = 2 * np.pi / wavelength * np.array([np.cos(angle), np.sin(angle)])
        colour, swing = draw.uniform(0.2, 0.8, (3, 1, 1, 1)), draw.uniform(-0.2, 0.2, (3, 1, 1, 1))
        return _Texture(colour, swing, wave, draw.uniform(0, 2 * np.pi))

    def shape():
        heading = draw.uniform(0, 2 * np.pi)
        return _Shape(
            texture=texture(draw.uniform(0.25, 0.6)),
            radius=draw.uniform(0.2, 0.45),
            pulse=draw.uniform(0, 0.3),
            beats=draw.uniform(0.5, 1.5),
            turns=draw.uniform(-np.pi, np.pi),
            position=draw.uniform(-0.8, 0.8, 2),
            velocity=draw.uniform(0.5, 2.0) * np.array([np.cos(heading), np.sin(heading)]),
        )

    n_shapes = int(draw.integers(2, 5))
    ground, drift = texture(draw.uniform(0.5, 1.0)), draw.uniform(-0.5, 0.5, 2)
    return _Scene(CLASS_NAMES[label(clip_id)], ground, drift, tuple(shape() for _ in range(n_shapes)))


def render(
    clip_id: int, times: Sequence[float] | np.ndarray, size: int | tuple[int, int]
) -> UInt8[np.ndarray, "t h w 3"]:
    """The true frames of a clip, sampled at the pixel centres. uint8 [0, 255].

    Args:
      clip_id: 0 or more.
      times: [t] of the frames; 0 is the first frame of the clip and 1 the last. Any floats.
      size: pixels a side, or (height, width). The frame spans [-1, 1] along both axes, x to the right, y up.
    """
    x, y, t = _points(times, size)
    scene = _scene(clip_id)
    frames = scene.ground.at(x - scene.drift[0] * t, y - scene.drift[1] * t)
    for shape in scene.shapes:
        u, v, distance = _placed(scene, shape, x, y, t)
        cover = np.clip(0.5 - distance / EDGE, 0, 1)
        frames += cover * (shape.texture.at(u, v) - frames)
    return np.ascontiguousarray(np.moveaxis(np.rint(np.clip(frames, 0, 1) * 255).astype(np.uint8), 0, -1))


def labels(
    clip_id: int, times: Sequence[float] | np.ndarray, size: int | tuple[int, int]
) -> UInt8[np.ndarray, "t h w"]:
    """The label of each pixel's centre: 0 for the background, 1 + an index into CLASS_NAMES for a shape. As `render`."""
    shape = 1 + CLASS_NAMES.index(_scene(clip_id).kind)
    return np.where(instances(clip_id, times, size) > 0, np.uint8(shape), np.uint8(0))


def instances(
    clip_id: int, times: Sequence[float] | np.ndarray, size: int | tuple[int, int]
) -> UInt8[np.ndarray, "t h w"]:
    """What each pixel's centre shows: 0 for the background, 1, 2, ... for shapes, far to near. As `render`."""
    x, y, t = _points(times, size)
    scene = _scene(clip_id)
    found = np.zeros(np.broadcast_shapes(x.shape, y.shape, t.shape), np.uint8)
    for number, shape in enumerate(scene.shapes, 1):
        found[_placed(scene, shape, x, y, t)[2] < 0] = number
    return found


def layers(
    clip_id: int, times: Sequence[float] | np.ndarray, size: int | tuple[int, int]
) -> Float[np.ndarray, "instances t h w 3"]:
    """The colour, in [0, 255], that each of `instances` would have at each pixel, whether it is there or not."""
    x, y, t = _points(times, size)
    scene = _scene(clip_id)
    found = [scene.ground.at(x - scene.drift[0] * t, y - scene.drift[1] * t)]
    for shape in scene.shapes:
        u, v, _ = _placed(scene, shape, x, y, t)
        found.append(shape.texture.at(u, v))
    return np.moveaxis(np.stack(found), 1, -1) * 255


def _points(times, size: int | tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x [1 w], y [h 1] of the pixels' centres, and t [t 1 1]."""
    height, width = (size, size) if isinstance(size, int) else size
    x = ((2 * np.arange(width) + 1) / width - 1)[None, :]
    y = (1 - (2 * np.arange(height) + 1) / height)[:, None]
    return x, y, np.asarray(times, np.float64)[:, None, None]


def _placed(scene: _Scene, shape: _Shape, x, y, t) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(u, v) of points in a shape's own frame, and their signed distance to its edge, negative inside."""
    dx, dy = (bounced(p + v * t) for p, v in zip(shape.position, shape.velocity))
    u, v = _turned(x - dx, y - dy, shape.turns * t)
    radius = shape.radius * (1 + shape.pulse * np.sin(2 * np.pi * shape.beats * t))
    return u, v, _distance(scene.kind, u, v, radius)


def bounced(position: np.ndarray, wall: float = 0.9) -> np.ndarray:
    """Reflects a straight path at -wall and wall."""
    return wall - np.abs((position + wall) % (4 * wall) - 2 * wall)


def _turned(x, y, angle):
    c, s = np.cos(angle), np.sin(angle)
    return c * x + s * y, c * y - s * x


def _distance(kind: str, u: np.ndarray, v: np.ndarray, radius) -> np.ndarray:
    """Signed distance to the edge of a shape at the origin; negative inside."""
    if kind == "square":
        return np.maximum(np.abs(u), np.abs(v)) - radius * 0.8
    from_centre = np.sqrt(u * u + v * v) - radius
    return np.abs(from_centre + radius * 0.25) - radius * 0.25 if kind == "ring" else from_centre


class BouncingSource(DrawnClips):
    """A `Source` that renders clips when they are read. A record is one clip; its frames are evenly spaced in [0, 1].

    Args:
      size: pixels a side.
      n_frames: source frames of a clip.
      split: "train" or "test"; the two share no clips.
    """

    class_names = CLASS_NAMES
    label_names = ("background", *CLASS_NAMES)

    def __init__(self, size: int, n_frames: int, split: str = "train"):
        super().__init__("the bouncing shapes", "bouncing 1", N_CLIPS, size, n_frames, split)
        self.labels: Int[np.ndarray, "records"] = (self._first + np.arange(len(self))) % len(CLASS_NAMES)

    def read_frames(self, record: int, numbers: Sequence[int] | np.ndarray) -> UInt8[np.ndarray, "k h w 3"]:
        return render(*self._at(record, numbers))

    def read_labels(self, record: int, numbers: Sequence[int] | np.ndarray) -> UInt8[np.ndarray, "k h w"]:
        """Labels of the pixels of frames by number: indices into `label_names`."""
        return labels(*self._at(record, numbers))

    def read_instances(self, record: int, numbers: Sequence[int] | np.ndarray) -> UInt8[np.ndarray, "k h w"]:
        """Instances of the pixels of frames by number, from 0."""
        return instances(*self._at(record, numbers))
