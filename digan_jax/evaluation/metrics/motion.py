"""Metrics of motion over time, and clips without motion or temporal order for reference values. numpy, pure."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Real, UInt8

Clip = UInt8[np.ndarray, "t h w 3"]


def frozen(clip: Clip) -> Clip:
    """The first frame repeated: a clip without motion."""
    return np.repeat(clip[:1], len(clip), axis=0)


def shuffled(clip: Clip, seed: int) -> Clip:
    """The frames in a random order that differs from the original one."""
    random = np.random.default_rng(seed)
    order = random.permutation(len(clip))
    while (order == np.arange(len(clip))).all() and len(clip) > 1:
        order = random.permutation(len(clip))
    return clip[order]


def flicker(clips: Real[np.ndarray, "*n t h w c"]) -> Float[np.ndarray, "*n"]:
    """Mean |x(t − 1) − 2 x(t) + x(t + 1)| of each clip, in the units of the clips.

    The second difference in time is small for uniform motion and large for jitter and flicker. Needs 3 frames.
    """
    x = np.asarray(clips, np.float32)
    t = x.ndim - 4
    previous, current, following = (np.take(x, np.arange(i, x.shape[t] - 2 + i), axis=t) for i in range(3))
    return np.asarray(np.abs(previous - 2 * current + following).mean((-4, -3, -2, -1), dtype=np.float64))


def drift(clips: Real[np.ndarray, "n t h w 3"]) -> dict[str, Float[np.ndarray, "_"]]:
    """Curves over the frames of clips, averaged over clips, in the units of the clips.

    "red", "green", "blue" [t]: mean colour. "sharpness" [t]: mean gradient magnitude; falls when clips blur.
    "motion" [t - 1]: mean |x(t + 1) − x(t)|; falls when clips freeze.
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
    """Root mean square difference of clips with the same content and different motion, per frame, in the clips' units.

    0 everywhere means that the motion vector has no effect. DIGAN gives 0 at t = 0, where motion does not enter.
    """
    x = np.asarray(clips, np.float64)
    m = x.shape[1]
    # The mean of |a - b|² over pairs is 2 m / (m - 1) times the variance.
    return np.sqrt((2 * m / (m - 1) * x.var(axis=1)).mean((0, 2, 3, 4)))
