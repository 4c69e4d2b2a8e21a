"""Layers of the U-Nets. Arrays are [b h w c]. Products and convolutions run in the type of their input; norms,
positions and softmax in float32. Parameters are named as in the release, "_" standing for a dot within a block.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Float

from digan_jax import kernels
from digan_jax.config.vidm import GROUPS
from digan_jax.shapes import Array

EPSILON = 1e-5  # of the group norms
Maps = Float[Array, "b _ _ _"]  # rows, columns, channels


class Place(NamedTuple):
    """Where a frame stands for `Positional`: coordinates in [−1, 1] for each sample, any real numbers beyond."""

    step: Float[Array, "b"]  # 2t / (T − 1) − 1
    index: Float[Array, "b"]  # 2i / (N − 1) − 1
    noise: Float[Array, "b"] | None = None  # deviation of the noise on the previous frame, of models trained with it
    label: Float[Array, "b e"] | None = None  # embedded class, of models with classes


class Told(NamedTuple):
    """What the blocks of the content model are told."""

    step: Float[Array, "b e"]  # embedded
    label: Float[Array, "b e"] | None = None  # embedded class, of models with classes


def uniform(fan_in: int):
    """Initialiser U(±1/√fan_in)."""
    reach = 1 / np.sqrt(fan_in)
    return lambda key, shape: jax.random.uniform(key, shape, jnp.float32, -reach, reach)


def add_bias(x: Float[Array, "*n c"], bias: Float[Array, "c"]) -> Float[Array, "*n c"]:
    """x + bias over the last axis, without implicit rank promotion (an error in tests)."""
    return x + jnp.expand_dims(bias, range(x.ndim - 1)).astype(x.dtype)


def modulated(x: Maps, scale_shift: Float[Array, "b _ _ c2"]) -> Maps:
    """x (1 + scale) + shift; scale and shift are the halves of the channels, for each pixel or for all alike."""
    scale, shift = jnp.split(scale_shift, 2, axis=-1)
    return x * (1 + scale) + shift


class Dense(nn.Module):
    """Dense layer with bias; weight [out in]. U(±1/√fan_in) at first, or zeros."""

    features: int
    zeros: bool = False

    @nn.compact
    def __call__(self, x: Float[Array, "*n i"]) -> Float[Array, "*n o"]:
        start = nn.initializers.zeros if self.zeros else uniform(x.shape[-1])
        weight = self.param("weight", start, (self.features, x.shape[-1]))
        bias = self.param("bias", start, (self.features,))
        return add_bias(x @ weight.T.astype(x.dtype), bias)


class Conv(nn.Module):
    """k×k cross-correlation with zero padding and bias; weight [k k in out]. U(±1/√fan_in) at first, or zeros."""

    features: int
    kernel: int
    zeros: bool = False

    @nn.compact
    def __call__(self, x: Maps) -> Maps:
        k, n_in = self.kernel, x.shape[-1]
        start = nn.initializers.zeros if self.zeros else uniform(n_in * k * k)
        weight = self.param("weight", start, (k, k, n_in, self.features)).astype(x.dtype)
        bias = self.param("bias", start, (self.features,))
        return add_bias(x @ weight[0, 0] if k == 1 else kernels.convolve(x, weight), bias)


class GroupNorm(nn.Module):
    """Norm over 32 groups of neighbouring channels and all pixels, biased variance; gain and bias by channel."""

    @nn.compact
    def __call__(self, x: Maps) -> Maps:
        c = x.shape[-1]
        gain = self.param("weight", nn.initializers.ones, (c,))
        bias = self.param("bias", nn.initializers.zeros, (c,))

        def mean_of_group(x):  # over pixels first, so that only [b c] is split into groups
            of_group = x.mean((1, 2)).reshape(-1, GROUPS, c // GROUPS).mean(2, keepdims=True)
            return jnp.broadcast_to(of_group, (len(x), GROUPS, c // GROUPS)).reshape(-1, 1, 1, c)

        centred = x.astype(jnp.float32)
        centred -= mean_of_group(centred)
        scale = jax.lax.rsqrt(mean_of_group(jnp.square(centred)) + EPSILON) * gain[None, None, None]
        return add_bias(centred * scale, bias).astype(x.dtype)


def axis(cells: int) -> Float[Array, "n"]:
    """Coordinates of rows or columns, −1 to 1 at the outer cells; −1 for a single one."""
    return jnp.asarray(2 * np.arange(cells) / max(1, cells - 1) - 1, jnp.float32)


def coordinates(place: Place, h: int, w: int) -> Float[Array, "b h w n"]:
    """(t̂, î, ŷ, x̂) at every pixel, and the noise's deviation if the place has one; ŷ grows downwards."""
    b = len(place.step)
    of_sample = lambda v: jnp.broadcast_to(v[:, None, None], (b, h, w))
    y = jnp.broadcast_to(axis(h)[None, :, None], (b, h, w))
    x = jnp.broadcast_to(axis(w)[None, None, :], (b, h, w))
    last = [] if place.noise is None else [of_sample(place.noise)]
    return jnp.stack([of_sample(place.step), of_sample(place.index), y, x, *last], axis=-1)


class Waves(nn.Module):
    """sin(A p + a) at each pixel, in float32. A starts U(±½), low frequencies; a fifth coordinate's column at 0."""

    features: int

    @nn.compact
    def __call__(self, p: Float[Array, "b h w n"]) -> Float[Array, "b h w c"]:
        def start(key, shape):
            of_four = uniform(4)(key, (shape[0], 4))
            return jnp.concatenate([of_four, jnp.zeros((shape[0], shape[1] - 4))], axis=1)

        weight = self.param("weight", start, (self.features, p.shape[-1]))
        return jnp.sin(add_bias(p @ weight.T, self.param("bias", uniform(4), (self.features,))))


class Positional(nn.Module):
    """Second half of a residual block: conv⁰(silu(PosGN(u))).

    PosGN is a group norm whose scale and shift are a function of the pixel's (t̂, î, ŷ, x̂), of any map size; those of
    the class are added.
    """

    @nn.compact
    def __call__(self, u: Maps, place: Place) -> Maps:
        c = u.shape[-1]
        f = Waves(c, name="linear_0")(coordinates(place, *u.shape[1:3])).astype(u.dtype)
        scale_shift = Dense(2 * c, name="linear_1_2")(nn.silu(Dense(2 * c, name="linear_1_0")(f)))
        scale_shift += of_class(place, 2 * c, u.dtype)
        u = nn.silu(modulated(GroupNorm(name="out_norm")(u), scale_shift))
        return Conv(c, 3, zeros=True, name="out_rest_1")(u)


def of_class(told: Place | Told, features: int, dtype) -> Float[Array, "#b 1 1 c2"]:
    """Scale and shift of the class, 0 at first: a part of the block that calls it. 0 without classes."""
    if told.label is None:
        return jnp.zeros((1, 1, 1, features), dtype)
    return Dense(features, zeros=True, name="label")(told.label.astype(dtype))[:, None, None]


class ResBlock(nn.Module):
    """Residual block; resamples before its first convolution. A `Place` goes with the motion model."""

    features: int
    resample: str = "none"  # or "down": 2×2 mean, "up": nearest ×2

    @nn.compact
    def __call__(self, x: Maps, place: Place | Told) -> Maps:
        u = resampled(nn.silu(GroupNorm(name="in_layers_0")(x)), self.resample)
        u = Conv(self.features, 3, name="in_layers_2")(u)
        if isinstance(place, Place):
            u = Positional(name="emb_layers")(u, place)
        else:
            scale_shift = Dense(2 * self.features, name="emb_layers_1")(nn.silu(place.step).astype(u.dtype))
            scale_shift = scale_shift[:, None, None] + of_class(place, 2 * self.features, u.dtype)
            u = nn.silu(modulated(GroupNorm(name="out_layers_0")(u), scale_shift))
            u = Conv(self.features, 3, zeros=True, name="out_layers_3")(u)
        x = resampled(x, self.resample)
        if x.shape[-1] != self.features:
            x = Conv(self.features, 1, name="skip_connection")(x)
        return x + u


def resampled(x: Maps, how: str) -> Maps:
    """ "none", "down": 2×2 mean, or "up": nearest ×2."""
    b, h, w, c = x.shape
    if how == "down":
        return x.reshape(b, h // 2, 2, w // 2, 2, c).mean((2, 4))
    if how == "up":
        return jnp.broadcast_to(x[:, :, None, :, None], (b, h, 2, w, 2, c)).reshape(b, 2 * h, 2 * w, c)
    return x


class Attention(nn.Module):
    """x + conv1⁰ of softmax(q·k/√d) v over all pixels, in float32; a head is a group [q | k | v] of 3d channels."""

    head_width: int

    @nn.compact
    def __call__(self, x: Maps, place=None) -> Maps:
        b, h, w, c = x.shape
        qkv = Dense(3 * c, name="qkv")(GroupNorm(name="norm")(x))
        q, k, v = jnp.moveaxis(qkv.reshape(b, h * w, c // self.head_width, 3, self.head_width), 3, 0)
        mixed = jax.nn.dot_product_attention(q, k, v).reshape(b, h, w, c)
        return x + Dense(c, zeros=True, name="proj_out")(mixed)
