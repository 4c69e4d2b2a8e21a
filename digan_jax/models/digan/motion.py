"""Motion codes: phases of the Fourier features as functions of motion vector and time. Time enters nowhere else."""

from __future__ import annotations

from typing import Protocol

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Float

from digan_jax.models.digan.constants import MOTION_SCALE, MOTION_SLOPE
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


MOTIONS: dict[str, MotionCode] = {"linear": linear}
