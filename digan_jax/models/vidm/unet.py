"""The U-Nets of VIDM (paper, section 3): content model, motion model and its encoder of implicit conditions.

A stage is a row of parts. Stages are numbered as in the release: the way down `input_blocks`, `middle_block`, the way
up `output_blocks`; `stages_of` lists them.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Float

from digan_jax.config.vidm import VidmConfig
from digan_jax.models.vidm.layers import Attention, Conv, Dense, GroupNorm, Maps, Place, ResBlock, Told
from digan_jax.shapes import Array

CONDITION_SHARE = 0.2  # h_k = e_k + 0.2 · U_k(h_{k−1})


class Part(NamedTuple):
    """One part of a stage."""

    kind: str  # "conv", "res", "down", "up" or "attention"
    features: int  # channels after it


class Stages(NamedTuple):
    """The stages of a U-Net, each a row of parts."""

    down: tuple[tuple[Part, ...], ...]
    middle: tuple[Part, ...]
    up: tuple[tuple[Part, ...], ...]


def stages_of(model: VidmConfig) -> Stages:
    """Down: a convolution; each level's blocks, and between levels a halving one. Up: backwards, one block more."""
    widths = [model.width * m for m in model.multipliers]
    last = len(widths) - 1

    def block(level: int) -> list[Part]:
        attends = 2**level in model.attention
        return [Part("res", widths[level])] + [Part("attention", widths[level])] * attends

    down, up = [[Part("conv", widths[0])]], []
    for level, width in enumerate(widths):
        down += [block(level) for _ in range(model.blocks)] + [[Part("down", width)]] * (level < last)
    for level in reversed(range(len(widths))):
        rows = [block(level) for _ in range(model.blocks + 1)]
        if level:
            rows[-1] = [*rows[-1], Part("up", widths[level])]
        up += rows
    width = widths[last]
    middle = Part("res", width), Part("attention", width), Part("res", width)
    return Stages(tuple(map(tuple, down)), middle, tuple(map(tuple, up)))


class Stage(nn.Module):
    """The parts of a stage in order, named by their numbers."""

    parts: tuple[Part, ...]
    head_width: int

    @nn.compact
    def __call__(self, x: Maps, place) -> Maps:
        for number, (kind, features) in enumerate(self.parts):
            name = str(number)
            if kind == "conv":
                x = Conv(features, 3, name=name)(x)
            elif kind == "attention":
                x = Attention(self.head_width, name=name)(x)
            else:
                x = ResBlock(features, "none" if kind == "res" else kind, name=name)(x, place)
        return x


class Encoder(nn.Module):
    """The implicit condition: a way down of its own on the first frame."""

    model: VidmConfig

    @nn.compact
    def __call__(self, x: Maps, place: Place) -> list[Maps]:
        """e_k of every stage."""
        found = []
        for k, parts in enumerate(stages_of(self.model).down):
            x = Stage(parts, self.model.head_width, name=f"input_blocks_{k}")(x, place)
            found.append(x)
        return found


class UNet(nn.Module):
    """Down, middle and up with skips; outputs [b h w 6], the prediction and the variance's interpolation, float32."""

    model: VidmConfig

    @nn.compact
    def __call__(self, x: Maps, place: Place | Told, condition: list[Maps] | None = None) -> Maps:
        """`condition`: e_k, which every stage of the way down is added to; None in the content model."""
        stages = stages_of(self.model)
        stage = lambda parts, name: Stage(parts, self.model.head_width, name=name)
        skips = []
        for k, parts in enumerate(stages.down):
            x = stage(parts, f"input_blocks_{k}")(x, place)
            if condition is not None:
                x = condition[k] + jnp.asarray(CONDITION_SHARE, x.dtype) * x
            skips.append(x)
        x = stage(stages.middle, "middle_block")(x, place)
        for k, parts in enumerate(stages.up):
            x = stage(parts, f"output_blocks_{k}")(jnp.concatenate([x, skips.pop()], axis=-1), place)
        x = nn.silu(GroupNorm(name="out_0")(x).astype(jnp.float32))
        return Conv(6, 3, zeros=True, name="out_2")(x)


class Motion(nn.Module):
    """Frame i, denoised, from the first frame (through the encoder) and the motion input.

    `place.label` is the class as one-hot numbers, all 0 for none; None in a model without classes. The encoder, which
    sees a frame of it, is not told the class.
    """

    model: VidmConfig
    dtype: jnp.dtype

    def setup(self):
        self.encoder, self.unet = Encoder(self.model), UNet(self.model)
        if self.model.n_classes:
            self.label_embed = Dense(4 * self.model.width)

    def __call__(self, x_t: Maps, motion: Maps, first: Maps, place: Place) -> Maps:
        return self.denoise(x_t, motion, self.encode(first, place), place)

    def encode(self, first: Maps, place: Place) -> list[Maps]:
        if self.model.encoder_step == "fixed":
            place = place._replace(step=jnp.zeros_like(place.step))
        return self.encoder(first.astype(self.dtype), place._replace(label=None))

    def denoise(self, x_t: Maps, motion: Maps, condition: list[Maps], place: Place) -> Maps:
        if place.label is not None:
            place = place._replace(label=self.label_embed(place.label))
        return self.unet(jnp.concatenate([x_t, motion], axis=-1).astype(self.dtype), place, condition)


def sinusoid(t: Float[Array, "b"], width: int) -> Float[Array, "b width"]:
    """[cos(t f_j), sin(t f_j)], f_j = 10000^(−j / (width/2))."""
    half = width // 2
    frequency = jnp.asarray(10000.0 ** (-np.arange(half) / half), jnp.float32)
    angle = t[:, None] * frequency[None]
    return jnp.concatenate([jnp.cos(angle), jnp.sin(angle)], axis=1)


class Learned(nn.Module):
    """κ: a learned picture of the trained size, resized bilinearly to another."""

    resolution: int

    @nn.compact
    def __call__(self, h: int, w: int) -> Float[Array, "h w 3"]:
        shape = (self.resolution, self.resolution, 3)
        picture = self.param("input", lambda key, shape: jax.random.normal(key, shape, jnp.float32), shape)
        if (h, w) == shape[:2]:
            return picture
        return jax.image.resize(picture, (h, w, 3), "bilinear", antialias=False)


class StepEmbedding(nn.Module):
    """e = dense(silu(dense(sinusoid))), 4 times as wide as the model; float32."""

    width: int

    @nn.compact
    def __call__(self, t: Float[Array, "b"]) -> Float[Array, "b e"]:
        hidden = nn.silu(Dense(4 * self.width, name="0")(sinusoid(t, self.width)))
        return Dense(4 * self.width, name="2")(hidden)


class Content(nn.Module):
    """First frames, denoised: a U-Net on concat(x_t, κ) whose blocks know the step, and the class, by embeddings."""

    model: VidmConfig
    dtype: jnp.dtype

    def setup(self):
        self.dt_embed, self.input = StepEmbedding(self.model.width), Learned(self.model.resolution)
        self.unet = UNet(self.model)
        if self.model.n_classes:
            self.label_embed = Dense(4 * self.model.width)

    def __call__(self, x_t: Maps, t: Float[Array, "b"], label: Float[Array, "b classes"] | None = None) -> Maps:
        b, h, w, _ = x_t.shape
        learned = jnp.broadcast_to(self.input(h, w)[None], (b, h, w, 3))
        told = Told(self.dt_embed(t), None if label is None else self.label_embed(label))
        return self.unet(jnp.concatenate([x_t, learned], axis=-1).astype(self.dtype), told)
