"""A recurrent predictor of frames: layers of convolutional gated recurrent units (Ballas et al., ICLR 2016).

The kind of model that surveys of video prediction hold others against (ConvLSTM; Shi et al., NeurIPS 2015). It reads
frames one by one, and then its own predictions.
"""

from __future__ import annotations

from functools import partial

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Bool, Float

from digan_jax import kernels
from digan_jax.config.convgru import ConvGruConfig
from digan_jax.shapes import Array

State = Float[Array, "b h w c"]
Convolution = partial(
    nn.Conv, kernel_size=(3, 3), conv_general_dilated=lambda x, weight, *_, **__: kernels.convolve(x, weight)
)


class Unit(nn.Module):
    """h' = (1 - z) h + z tanh(conv[x, r h]) with gates z, r = sigmoid(conv[x, h])."""

    width: int

    @nn.compact
    def __call__(self, h: State, x: State) -> State:
        gates = Convolution(2 * self.width, name="gates")(jnp.concatenate([x, h], -1))
        update, reset = jnp.split(nn.sigmoid(gates), 2, -1)
        candidate = jnp.tanh(Convolution(self.width, name="candidate")(jnp.concatenate([x, reset * h], -1)))
        return (1 - update) * h + update * candidate


class Step(nn.Module):
    """One frame: from the states and the frame before, which is predicted or given, to the next frame."""

    config: ConvGruConfig

    @nn.compact
    def __call__(self, carry, given):
        states, predicted = carry
        frame, known = given
        frame = jnp.where(known, frame, predicted)
        x = nn.relu(Convolution(self.config.width, name="encode")(halved(frame)))
        following = []
        for i, h in enumerate(states):
            x = Unit(self.config.width, name=f"unit{i}")(h, x)
            following.append(x)
        change = Convolution(12, kernel_init=nn.initializers.zeros, name="decode")(x)
        predicted = frame + doubled(change)
        return (tuple(following), predicted), predicted


class Predictor(nn.Module):
    """Frames to the frame after each; before training it repeats the last one."""

    config: ConvGruConfig

    @nn.compact
    def __call__(self, frames: Float[Array, "b n h w 3"], known: Bool[Array, "n"]) -> Float[Array, "b n h w 3"]:
        """
        Args:
          frames: in [-1, 1]; sides are even. known: which are given; the others are predicted from those before.
        """
        b, n, h, w, _ = frames.shape
        states = tuple(jnp.zeros((b, h // 2, w // 2, self.config.width)) for _ in range(self.config.layers))
        along = nn.scan(Step, variable_broadcast="params", split_rngs={"params": False}, in_axes=1, out_axes=1)
        flags = jnp.broadcast_to(known[None, :, None, None, None], (b, n, 1, 1, 1))
        _, predicted = along(self.config, name="step")((states, jnp.zeros_like(frames[:, 0])), (frames, flags))
        return predicted


def halved(x: Float[Array, "b h w c"]) -> Float[Array, "b _ _ _"]:
    """Each 2 x 2 pixels as channels of one."""
    b, h, w, c = x.shape
    return x.reshape(b, h // 2, 2, w // 2, 2, c).transpose(0, 1, 3, 2, 4, 5).reshape(b, h // 2, w // 2, 4 * c)


def doubled(x: Float[Array, "b h w c"]) -> Float[Array, "b _ _ _"]:
    """The inverse of `halved`."""
    b, h, w, c = x.shape
    return x.reshape(b, h, w, 2, 2, c // 4).transpose(0, 1, 3, 2, 4, 5).reshape(b, 2 * h, 2 * w, c // 4)


def continued(
    config: ConvGruConfig, params, frames: Float[Array, "b s h w 3"], ahead: int
) -> Float[Array, "b {ahead} h w 3"]:
    """The frames after given ones, in [-1, 1]."""
    s = frames.shape[1]
    padded = jnp.concatenate(
        [frames, jnp.zeros_like(frames, shape=(len(frames), ahead - 1, *frames.shape[2:]))], axis=1
    )
    return Predictor(config).apply({"params": params}, padded, jnp.arange(s + ahead - 1) < s)[:, s - 1 :]
