"""Motion codes: phases of the Fourier features as functions of motion vector and time. Time enters nowhere else."""

from __future__ import annotations

from typing import Protocol

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Float, Int, UInt32

from digan_jax.models.digan.constants import MOTION_SCALE, MOTION_SLOPE, OCTAVE_WIDTH, OCTAVES, SHORTEST
from digan_jax.models.digan.layers import Dense, leaky_relu
from digan_jax.shapes import Array, Motion


class MotionCode(Protocol):
    """A function called inside a flax module, which owns the layers it makes."""

    def __call__(
        self, w: Float[Array, "b w"], motion: Motion, times: Float[Array, "b t"], n_frequencies: int
    ) -> Float[Array, "b t f"]:
        """Phase offsets, in radians, at times in clips."""


def linear(
    w: Float[Array, "b w"], motion: Float[Array, "b m"], times: Float[Array, "b t"], n_frequencies: int
) -> Float[Array, "b t f"]:
    """The release's motion code (paper, eq. 5): a direction per clip times t, then a two-layer MLP."""
    direction = Dense(n_frequencies, name="motion")(jnp.concatenate([w, motion], axis=-1))
    m = MOTION_SCALE * direction[:, None, :] * times[:, :, None]
    m = nn.leaky_relu(m, negative_slope=MOTION_SLOPE)  # no sqrt(2) gain, unlike every other activation
    m = leaky_relu(Dense(n_frequencies, name="motion_mlp0")(m))
    return Dense(n_frequencies, name="motion_mlp1")(m)


def octaves(
    w: Float[Array, "b w"], motion: Float[Array, "b m"], times: Float[Array, "b t"], n_frequencies: int
) -> Float[Array, "b t f"]:
    """An aperiodic code: a direction per clip times tanh t, and smooth noise of OCTAVES time scales, then the same MLP.

    The phases at t = 0 do not depend on the motion vector, so one first frame has many continuations. Twice
    continuously differentiable in t but for the leaky ReLUs; any times in any order; beyond the clip its statistics stay
    those of the clip.
    """
    direction = Dense(n_frequencies, name="motion")(jnp.concatenate([w, motion], axis=-1))
    m = MOTION_SCALE * direction[:, None, :] * jnp.tanh(times)[:, :, None]
    start = smooth_noise(motion, jnp.zeros_like(times[:, :1]))
    wander = smooth_noise(motion, times) - start
    m += MOTION_SCALE * Dense(n_frequencies, use_bias=False, name="motion_octaves")(wander)
    m = leaky_relu(m)
    m = leaky_relu(Dense(n_frequencies, name="motion_mlp0")(m))
    return Dense(n_frequencies, name="motion_mlp1")(m)


def smooth_noise(motion: Float[Array, "b m"], times: Float[Array, "b t"]) -> Float[Array, "b t o"]:
    """OCTAVE_WIDTH numbers for each time scale: cubic B-splines of white noise at knots SHORTEST·2^j apart.

    Each number is normal with unit variance at every time, over motion vectors. The noise of knot k of octave j is
    entries of the motion vector, one further for each knot, with signs by a hash of (j, k): a pure function without
    state that interpolates where motion vectors do.
    """
    parts = []
    for j in range(OCTAVES):
        position = times / np.float32(SHORTEST * 2**j)
        knot = jnp.floor(position)
        weights = _spline(position - knot)
        knots = knot.astype(jnp.int32)[..., None] + np.arange(-1, 3).reshape(1, 1, 4)
        parts.append(jnp.einsum("btk,btko->bto", weights, _knot_noise(motion, knots, j)))
    return jnp.concatenate(parts, axis=-1)


def _spline(u: Float[Array, "b t"]) -> Float[Array, "b t 4"]:
    """Weights of the four knots around a time, the uniform cubic B-spline's over their root sum of squares."""
    weights = jnp.stack([(1 - u) ** 3, 3 * u**3 - 6 * u**2 + 4, -3 * u**3 + 3 * u**2 + 3 * u + 1, u**3], axis=-1)
    return weights * jax.lax.rsqrt(jnp.sum(jnp.square(weights), axis=-1, keepdims=True))


def _knot_noise(motion: Float[Array, "b m"], knots: Int[Array, "b t k"], octave: int) -> Float[Array, "b t k o"]:
    number = np.arange(OCTAVE_WIDTH, dtype=np.uint32).reshape(1, 1, 1, -1) + np.uint32(octave * OCTAVE_WIDTH + 1)
    first = _hash(number) % np.uint32(motion.shape[-1])
    chosen = (knots[..., None] + first.astype(jnp.int32)) % motion.shape[-1]  # neighbouring knots share no entry
    sign = _hash(knots.astype(jnp.uint32)[..., None] ^ _hash(number + np.uint32(0x9E3779B9))) & 1
    values = jax.vmap(lambda row, i: row[i])(motion, chosen)
    return jnp.where(sign == 1, values, -values)


def _hash(x: UInt32[Array, "*n"]) -> UInt32[Array, "*n"]:
    """A mixing of 32 bits (the finaliser of MurmurHash3, public domain)."""
    x = (x ^ (x >> 16)) * np.uint32(0x85EBCA6B)
    x = (x ^ (x >> 13)) * np.uint32(0xC2B2AE35)
    return x ^ (x >> 16)


MOTIONS: dict[str, MotionCode] = {"linear": linear, "octaves": octaves}
