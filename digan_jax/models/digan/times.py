"""Times of the two frames of a pair: t1 ~ Beta(2, 1) and t2 ~ Beta(1, 2), sorted (paper, section 3.3 and appendix).

Generated pairs use these times as they are; real pairs use the clip's frames at these times.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, Key

from digan_jax.shapes import Array


def of_fakes(key: Key[Array, ""], clips: int) -> Float[Array, "b 2"]:
    """Times of generated pairs, in [0, 1], ascending. Beta(2, 1) is the square root of a uniform number."""
    u = jax.random.uniform(key, (clips, 2))
    return jnp.sort(jnp.stack([jnp.sqrt(u[:, 0]), 1 - jnp.sqrt(u[:, 1])], axis=1), axis=1)


def in_stretches(key: Key[Array, ""], times: Float[Array, "b 2"], span: float) -> Float[Array, "b 2"]:
    """Times in [0, 1] as times in a stretch of the length `span` of each clip, anywhere in it (`train.span`)."""
    return (1 - span) * jax.random.uniform(key, (len(times), 1)) + span * times


def between(key: Key[Array, ""], times: Float[Array, "b 2"], clip_frames: int) -> Float[Array, "b 2"]:
    """Times of real pairs, moved together by up to half a frame: the same Δt, but any time in [0, 1]."""
    move = (jax.random.uniform(key, (len(times), 1)) - 0.5) / (clip_frames - 1)
    return times + jnp.clip(move, -times[:, :1], 1 - times[:, 1:])


def of_reals(
    random: np.random.Generator, clip_frames: int, clips: int, span: float = 1.0, steps: tuple[int, ...] = ()
) -> tuple[Int[np.ndarray, "b 2"], Float[np.ndarray, "b 2"]]:
    """Frame indices floor(n · Beta) in clips of n frames, ascending, and their times index / (n - 1).

    With a `span` below 1, n is the number of frames of a stretch of that length, at least two, anywhere in the clip.
    With `steps`, half of the pairs are one of so many frames apart, as far as the stretch goes (Wang et al. 2018).
    """
    n = 1 + max(1, int(span * (clip_frames - 1)))
    late, early = random.beta(2, 1, clips), random.beta(1, 2, clips)
    pair = np.minimum(np.sort(np.stack([late, early], 1) * n, 1).astype(np.int64), n - 1)
    if fitting := [step for step in steps if step < n]:
        step = random.choice(fitting, clips)
        first = (random.random(clips) * (n - step)).astype(np.int64)
        pair = np.where(random.random((clips, 1)) < 0.5, np.stack([first, first + step], 1), pair)
    if n < clip_frames:
        pair += random.integers(0, clip_frames - n + 1, (clips, 1))
    return pair, (pair / (clip_frames - 1)).astype(np.float32)


def deltas(times: Float[Array, "b 2"]) -> Float[Array, "b"]:
    """Δt: time between the two frames of each pair, in clips."""
    return times[:, 1] - times[:, 0]
