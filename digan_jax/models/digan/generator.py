"""The generator: (x, y, t) to colour under a content and a motion vector (paper, section 3.1; layers of INR-GAN).

Weights depend on the clip, never on the frame or pixel, so each layer is one matrix product for all pixels of all
frames of a clip.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Float

from digan_jax import grids
from digan_jax.config import ModelConfig
from digan_jax.kernels import fourier_product
from digan_jax.models.digan.layers import Dense, Mapping, add_bias, leaky_relu, scaled_normal
from digan_jax.shapes import Array, Latents

Features = Float[Array, "b s _ _ t _"]  # in the order of a folded grid; rows, columns and channels differ between layers


def resolutions(config: ModelConfig) -> list[int]:
    """Of the blocks: [4, 8, ... R]."""
    return [4 << i for i in range((config.resolution // 4).bit_length())]


def layer_names(r: int) -> list[str]:
    """FMM layers of the block of resolution r."""
    if r == 4:
        return ["conv1"]
    return ["conv0", "conv1"] + (["extra_convs_0"] if r in (128, 256) else [])


def n_layers(config: ModelConfig) -> int:
    """Copies of w: one for each FMM layer and one for the last toRGB; every other toRGB shares the next layer's."""
    return sum(len(layer_names(r)) for r in resolutions(config)) + 1


class FourierFeatures(nn.Module):
    """Fourier features whose frequencies follow the content and whose phases move with time (paper, eq. 4 and 5)."""

    n_frequencies: int

    @nn.compact
    def __call__(self, w: Float[Array, "b w"], motion: Float[Array, "b m"], times: Float[Array, "b t"], level, sides):
        n = self.n_frequencies
        content = Dense(3 * n, name="frequency")(w)
        frequency = content[:, : 2 * n].reshape(-1, n, 2) * np.float32(np.sqrt(10.0))
        frames = times.shape[1]
        if frames == 1:  # a product of one row takes another kernel: a frame by itself would differ in its last bits
            times = jnp.concatenate([times, times], axis=1)
        m = Dense(n, name="motion")(jnp.concatenate([w, motion], axis=-1))
        m = 0.25 * m[:, None, :] * times[:, :, None]
        m = nn.leaky_relu(m, negative_slope=0.01)  # without gain, unlike every other activation here
        m = leaky_relu(Dense(n, name="motion_mlp0")(m))
        phase = content[:, None, 2 * n :] + Dense(n, name="motion_mlp1")(m)
        return fourier_product.waves(frequency, phase[:, :frames], level, sides)


class FMMLayer(nn.Module):
    """1x1 layer under factorised multiplicative modulation: W ⊙ (A B / sqrt(rank) + 1), rows made unit length.

    `x` lies on the grid of the level before; `waves`, if any, are Fourier features that follow its channels, on the
    new grid. A 1x1 layer commutes with nearest upsampling, so the old channels are multiplied on the small grid.
    """

    features: int
    rank: int
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, x: Features | None, w: Float[Array, "b w"], waves: fourier_product.Waves | None = None, repeat: int = 1):
        n_x = 0 if x is None else x.shape[-1]
        n_in = n_x + (0 if waves is None else 2 * waves.rows.shape[-1])
        weight = self.modulated(w, n_in)
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        y = 0.0
        if x is not None:
            y = fourier_product.upsample(self.multiply(x, weight[:, :n_x]), repeat)
        if waves is not None:
            y = y + fourier_product.multiply_waves(waves, weight[:, n_x:], self.dtype)
        return leaky_relu(add_bias(y, bias)).astype(self.dtype)

    def modulated(self, w, n_in: int) -> Float[Array, "b i o"]:
        n_out, rank = self.features, self.rank
        weight = self.param("weight", scaled_normal(), (n_out, n_in))
        style = Dense(rank * (n_in + n_out), name="affine")(w)
        a = style[:, : rank * n_out].reshape(-1, n_out, rank)
        b = style[:, rank * n_out :].reshape(-1, rank, n_in)
        modulated = weight.T[None] * (jnp.einsum("bri,bor->bio", b, a) / np.float32(np.sqrt(rank)) + 1)
        return modulated / (jnp.sqrt(jnp.sum(jnp.square(modulated), axis=1, keepdims=True)) + 1e-8)

    def multiply(self, x: Features, weight: Float[Array, "b i o"]) -> Features:
        b, *pixels, c = x.shape
        y = jnp.matmul(
            x.reshape(b, -1, c).astype(self.dtype), weight.astype(self.dtype), preferred_element_type=jnp.float32
        )
        return y.reshape(b, *pixels, -1)


class ToRGB(nn.Module):
    """Colour of a block: a modulated 1x1 layer without normalisation or activation. Float32 out."""

    @nn.compact
    def __call__(self, x: Features, w: Float[Array, "b w"]) -> Float[Array, "b s _ _ t 3"]:
        n_in = x.shape[-1]
        weight = self.param("weight", scaled_normal(), (3, n_in))
        bias = self.param("bias", nn.initializers.zeros, (3,))
        style = Dense(n_in, bias_init=1.0, name="affine")(w) / np.float32(np.sqrt(n_in))
        modulated = weight[None] * style[:, None]
        b, *pixels, c = x.shape
        # Colours first: of an [inputs, 3] matrix XLA:CPU makes the gradient six times slower.
        y = jnp.einsum(
            "bpi,boi->bpo", x.reshape(b, -1, c), modulated.astype(x.dtype), preferred_element_type=jnp.float32
        )
        return add_bias(y.reshape(b, *pixels, 3), bias)


class Block(nn.Module):
    """One resolution: Fourier features (r = 4 and r >= 64), two or three FMM layers (one at r = 4), skip to RGB."""

    resolution: int
    config: ModelConfig
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, x, image, latents: Latents, times, level: grids.Level, sides: int):
        """`latents.content` holds a copy of w for each FMM layer and one for toRGB."""
        w, config, r = latents.content, self.config, self.resolution
        waves, repeat = None, 1
        if r == 4 or r >= 64:
            features = FourierFeatures(config.n_frequencies, name="fourier")
            waves = features(w[:, 0], latents.motion, times, level, sides)
            repeat = level.repeat
        for i, name in enumerate(layer_names(r)):
            layer = FMMLayer(config.channels(r), config.rank, self.dtype, name=name)
            x = layer(x, w[:, i], waves, repeat) if i == 0 else layer(x, w[:, i])
        rgb = ToRGB(name="torgb")(x, w[:, -1])
        return x, rgb if image is None else fourier_product.upsample(image, repeat) + rgb


class Synthesis(nn.Module):
    """Latents, times and a grid to frames [b t h w 3], about in [-1, 1], not clamped."""

    config: ModelConfig
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, latents: Latents, times: Float[Array, "b t"], grid: grids.Grid) -> Float[Array, "b t h w 3"]:
        x = image = None
        sides = fourier_product.sides(grid)
        first = 0
        for r in resolutions(self.config):
            index = max(0, (r // grids.BASE).bit_length() - 1)
            if index == len(grid.levels):  # the pyramid stops early
                break
            level = grid.levels[index]
            last = first + len(layer_names(r))
            copies = Latents(latents.content[:, first : last + 1], latents.motion)
            x, image = Block(r, self.config, self.dtype, name=f"b{r}")(x, image, copies, times, level, sides)
            first = last
        return fourier_product.unfold(fourier_product.upsample(image, grid.enlarge))


class Generator(nn.Module):
    config: ModelConfig
    dtype: jnp.dtype

    def setup(self):
        self.mapping = Mapping(self.config.w_dim, self.config.mapping_layers)
        self.synthesis = Synthesis(self.config, self.dtype)

    def __call__(self, z, label, motion, times, grid):
        w = self.mapping(z, label)
        content = jnp.broadcast_to(w[:, None], (len(w), n_layers(self.config), w.shape[-1]))
        return self.synthesis(Latents(content, motion), times, grid)
