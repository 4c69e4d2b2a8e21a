"""DiffAugment (Zhao et al. 2020) of pairs of frames, in [-1, 1].

Both frames of a pair get the same augmentation; otherwise the motion critic would see false motion.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, Key

from digan_jax import rng
from digan_jax.shapes import Array, Pair

SHIFT = 1 / 8  # largest translation, as a fraction of the frame's side
CUTOUT = 1 / 2  # side of the square cut out, as a fraction of the frame's side


class Draws(NamedTuple):
    """Random numbers of one augmentation, one row per pair: uniform in [0, 1), or in pixels."""

    brightness: Float[Array, "b"]
    saturation: Float[Array, "b"]
    contrast: Float[Array, "b"]
    shift: Int[Array, "b 2"]  # translation (down, right)
    cutout: Int[Array, "b 2"]  # (row, column) of the square's centre


def draw(key: Key[Array, ""], pairs: int, size: int) -> Draws:
    """Random numbers for this many pairs of size x size frames."""

    def uniform(name):
        return jax.random.uniform(rng.stream(key, name), (pairs,))

    def integers(name, low, high):
        return jax.random.randint(rng.stream(key, name), (pairs, 2), low, high)

    reach = int(size * SHIFT + 0.5)
    square = int(size * CUTOUT + 0.5)
    return Draws(
        uniform("brightness"),
        uniform("saturation"),
        uniform("contrast"),
        integers("shift", -reach, reach + 1),
        integers("cutout", 0, size + 1 - square % 2),
    )


def augment(frames: Pair, draws: Draws, policy: tuple[str, ...]) -> Pair:
    """Applies the augmentations that `policy` names ("color", "translation", "cutout"), in the published order."""
    if "color" in policy:
        frames = brightness(frames, draws.brightness)
        frames = saturation(frames, draws.saturation)
        frames = contrast(frames, draws.contrast)
    if "translation" in policy:
        frames = translate(frames, draws.shift)
    if "cutout" in policy:
        frames = cut_out(frames, draws.cutout)
    return frames


def _each(draw: Float[Array, "b"]) -> Float[Array, "b 1 1 1 1"]:
    return draw[:, None, None, None, None]


def brightness(frames: Pair, u: Float[Array, "b"]) -> Pair:
    """Add U(-1/2, 1/2)."""
    return frames + (_each(u) - 0.5)


def saturation(frames: Pair, u: Float[Array, "b"]) -> Pair:
    """Scale the distance to the pixel's mean over channels by U(0, 2)."""
    mean = frames.mean(axis=-1, keepdims=True)
    return (frames - mean) * (2 * _each(u)) + mean


def contrast(frames: Pair, u: Float[Array, "b"]) -> Pair:
    """Scale the distance to the frame's mean by U(1/2, 3/2)."""
    mean = frames.mean(axis=(2, 3, 4), keepdims=True)
    return (frames - mean) * (_each(u) + 0.5) + mean


def translate(frames: Pair, shift: Int[Array, "b 2"]) -> Pair:
    """Translation by whole pixels, zeros outside. As products with 0-1 matrices: the gradient of a gather is slow."""
    h, w = frames.shape[2:4]
    rows = jax.vmap(lambda s: jnp.eye(h, k=-s, dtype=frames.dtype))(shift[:, 0])
    columns = jax.vmap(lambda s: jnp.eye(w, k=-s, dtype=frames.dtype))(shift[:, 1])
    exact = jax.lax.Precision.HIGHEST
    frames = jnp.einsum("byh,bthwc->btywc", rows, frames, precision=exact)
    return jnp.einsum("bxw,bthwc->bthxc", columns, frames, precision=exact)


def cut_out(frames: Pair, centre: Int[Array, "b 2"]) -> Pair:
    """Zeroes a square of half the frame's side, clipped at the border."""
    h, w = frames.shape[2:4]

    def inside(length, centres):
        side = int(length * CUTOUT + 0.5)
        offset = np.arange(length)[None] - (centres[:, None] - side // 2)
        return (offset >= 0) & (offset < side)

    hole = inside(h, centre[:, 0])[:, :, None] & inside(w, centre[:, 1])[:, None, :]
    return jnp.where(hole[:, None, :, :, None], 0.0, frames)
