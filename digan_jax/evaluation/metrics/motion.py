"""Motion and time in clips: what is left of a clip without them, and how a clip changes as it goes on. numpy, pure."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Real, UInt8

Clip = UInt8[np.ndarray, "t h w 3"]


def frozen(clip: Clip) -> Clip:
    """The first frame, as often as there are frames: real pictures without motion."""
    return np.repeat(clip[:1], len(clip), axis=0)


def shuffled(clip: Clip, seed: int) -> Clip:
    """The frames in another order: real pictures without their order. Never the order they had."""
    random = np.random.default_rng(seed)
    order = random.permutation(len(clip))
    while (order == np.arange(len(clip))).all() and len(clip) > 1:
        order = random.permutation(len(clip))
    return clip[order]


def flicker(clips: Real[np.ndarray, "*n t h w c"]) -> Float[np.ndarray, "*n"]:
    """Mean |x₋₁ − 2x + x₊₁| of each clip, in grey levels: what changes and does not go on changing.

    Even motion leaves little, jitter and flicker much. Needs 3 frames.
    """
    x = np.asarray(clips, np.float32)
    t = x.ndim - 4
    before, here, after = (np.take(x, np.arange(i, x.shape[t] - 2 + i), axis=t) for i in range(3))
    return np.asarray(np.abs(before - 2 * here + after).mean((-4, -3, -2, -1), dtype=np.float64))


def drift(clips: Real[np.ndarray, "n t h w 3"]) -> dict[str, Float[np.ndarray, "_"]]:
    """How clips change over their frames, each a curve over t, mean over clips, in grey levels.

    "red", "green", "blue": mean colour. "sharpness": mean size of the gradient, so that blurring shows as a fall.
    "motion": mean |x(t + 1) − x(t)|, one value fewer, so that freezing shows as a fall.
    """
    x = np.asarray(clips, np.float32)
    colours = x.mean((0, 2, 3), dtype=np.float64)
    grey = x.mean(-1)
    down, across = np.diff(grey, axis=2)[..., :-1], np.diff(grey, axis=3)[:, :, :-1]
    curves = {name: colours[:, i] for i, name in enumerate(("red", "green", "blue"))}
    curves["sharpness"] = np.hypot(down, across).mean((0, 2, 3), dtype=np.float64)
    curves["motion"] = np.abs(np.diff(x, axis=1)).mean((0, 2, 3, 4), dtype=np.float64)
    return curves


def diversity(clips: Real[np.ndarray, "contents motions t h w c"]) -> Float[np.ndarray, "t"]:
    """Root mean square distance of two clips of one content and different motion, at each frame, in grey levels.

    0 everywhere: the motion vector does nothing. At t = 0 a model of this kind draws the same frame for all of them.
    """
    x = np.asarray(clips, np.float64)
    m = x.shape[1]
    # The mean over pairs of |a - b|² is 2 m / (m - 1) times the variance.
    return np.sqrt((2 * m / (m - 1) * x.var(axis=1)).mean((0, 2, 3, 4)))
