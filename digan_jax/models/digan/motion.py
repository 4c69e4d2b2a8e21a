"""Motion codes: how a motion vector moves the phases of the Fourier features with time. Time enters nowhere else."""

from __future__ import annotations

from typing import Protocol

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Float

from digan_jax.models.digan.constants import MOTION_SCALE, MOTION_SLOPE
from digan_jax.models.digan.layers import Dense, leaky_relu
from digan_jax.shapes import Array, Motion


class MotionCode(Protocol):
    """Called inside a module, which then owns its layers."""

    def __call__(
        self, w: Float[Array, "b w"], motion: Motion, times: Float[Array, "b t"], n_frequencies: int
    ) -> Float[Array, "b t f"]:
        """What is added to the phases at these times."""


def linear(
    w: Float[Array, "b w"], motion: Float[Array, "b m"], times: Float[Array, "b t"], n_frequencies: int
) -> Float[Array, "b t f"]:
    """The release's: a direction of each clip times t, then two dense layers (paper, eq. 5)."""
    direction = Dense(n_frequencies, name="motion")(jnp.concatenate([w, motion], axis=-1))
    m = MOTION_SCALE * direction[:, None, :] * times[:, :, None]
    m = nn.leaky_relu(m, negative_slope=MOTION_SLOPE)  # without gain, unlike every other activation here
    m = leaky_relu(Dense(n_frequencies, name="motion_mlp0")(m))
    return Dense(n_frequencies, name="motion_mlp1")(m)


MOTIONS: dict[str, MotionCode] = {"linear": linear}
