"""The generator: (x, y, t) to colour, given a content and a motion vector (paper, section 3.1; layers of INR-GAN).

Modulated weights depend on the clip alone: every layer multiplies all pixels of all frames of a clip by one matrix.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Float

from digan_jax import grids, kernels
from digan_jax.config import ModelConfig
from digan_jax.models.digan import architecture
from digan_jax.models.digan.architecture import Layer
from digan_jax.models.digan.constants import EPSILON, FREQUENCY_SCALE
from digan_jax.models.digan.layers import Dense, Mapping, add_bias, leaky_relu, scaled_normal
from digan_jax.models.digan.motion import MOTIONS
from digan_jax.shapes import Array, Latents, Motion

Pixels = Float[Array, "b *pixels c"]  # pixels of all frames; `kernels` defines their order


class FourierFeatures(nn.Module):
    """Fourier features (paper, eq. 4 and 5): frequencies depend on content, phases on content, motion and time."""

    n_frequencies: int

    @nn.compact
    def __call__(
        self, w: Float[Array, "b w"], motion: Motion, times: Float[Array, "b t"], level: grids.Level
    ) -> kernels.Features:
        n = self.n_frequencies
        content = Dense(3 * n, name="frequency")(w)
        frequency = content[:, : 2 * n].reshape(-1, n, 2) * np.float32(FREQUENCY_SCALE)
        phase = lambda times: content[:, None, 2 * n :] + MOTIONS["linear"](w, motion, times, n)
        return kernels.fourier(frequency, kernels.each_frame(phase, times), level)


class FMMLayer(nn.Module):
    """1x1 layer with factorised multiplicative modulation (INR-GAN, Skorokhodov et al. 2021).

    Its matrix is W ⊙ (A B / sqrt(rank) + 1), A and B affine functions of w, with unit norm for each output.
    """

    layer: Layer
    rank: int
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, x: kernels.Features, w: Float[Array, "b w"]) -> Pixels:
        weight = self.modulated(w)
        bias = self.param("bias", nn.initializers.zeros, (self.layer.n_out,))
        return leaky_relu(add_bias(kernels.multiply(x, weight, self.dtype), bias)).astype(self.dtype)

    def modulated(self, w: Float[Array, "b w"]) -> Float[Array, "b i o"]:
        n_in, n_out, rank = self.layer.n_in, self.layer.n_out, self.rank
        weight = self.param("weight", scaled_normal(), (n_out, n_in))
        style = Dense(rank * (n_in + n_out), name="affine")(w)
        a = style[:, : rank * n_out].reshape(-1, n_out, rank)
        b = style[:, rank * n_out :].reshape(-1, rank, n_in)
        modulated = weight.T[None] * (jnp.einsum("bri,bor->bio", b, a) / np.float32(np.sqrt(rank)) + 1)
        return modulated / (jnp.sqrt(jnp.sum(jnp.square(modulated), axis=1, keepdims=True)) + EPSILON)


class ToRGB(nn.Module):
    """Features to RGB: a modulated 1x1 layer without normalisation or activation. Float32 out."""

    dtype: jnp.dtype

    @nn.compact
    def __call__(self, x: Pixels, w: Float[Array, "b w"]) -> Float[Array, "b *pixels 3"]:
        n_in = x.shape[-1]
        weight = self.param("weight", scaled_normal(), (3, n_in))
        bias = self.param("bias", nn.initializers.zeros, (3,))
        style = Dense(n_in, bias_init=1.0, name="affine")(w) / np.float32(np.sqrt(n_in))
        modulated = (weight[None] * style[:, None]).swapaxes(1, 2)
        return add_bias(kernels.multiply(x, modulated, self.dtype), bias)


class Block(nn.Module):
    """Layers of one resolution: upsample, concatenate Fourier features (not in blocks 8 to 32), FMM layers, toRGB."""

    layers: tuple[Layer, ...]
    config: ModelConfig
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, h: Pixels | None, rgb, latents: Latents, times: Float[Array, "b t"], level: grids.Level):
        """(features, RGB summed over blocks). `latents.content` has a copy of w per FMM layer and one for toRGB."""
        w = latents.content
        if self.layers[0].n_fourier:
            v = FourierFeatures(self.config.n_frequencies, name="fourier")(w[:, 0], latents.motion, times, level)
            h = v if h is None else kernels.concat(kernels.upsample(h, level.repeat), v)
        for i, layer in enumerate(self.layers):
            h = FMMLayer(layer, self.config.rank, self.dtype, name=layer.name)(h, w[:, i])
        colours = ToRGB(self.dtype, name="torgb")(h, w[:, -1])
        return h, colours if rgb is None else kernels.upsample(rgb, level.repeat) + colours


class Synthesis(nn.Module):
    """Latents, times [0, 1] and a grid to frames [b t h w 3]: float32, about in [-1, 1], not clamped."""

    config: ModelConfig
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, latents: Latents, times: Float[Array, "b t"], grid: grids.Grid) -> Float[Array, "b t h w 3"]:
        h = rgb = None
        first = 0
        for r, layers, level in architecture.blocks_on(self.config, grid):
            last = first + len(layers)
            copies = Latents(latents.content[:, first : last + 1], latents.motion)
            block = Block(tuple(layers), self.config, self.dtype, name=f"b{r}")
            h, rgb = block(h, rgb, copies, times, level)
            first = last
        return kernels.frames(kernels.upsample(rgb, grid.enlarge))


class Generator(nn.Module):
    """Mapping and synthesis: noise z [b z], one-hot label or None, motion, times [b t] and a grid to frames."""

    config: ModelConfig
    dtype: jnp.dtype

    def setup(self):
        self.mapping = Mapping(self.config.w_dim, self.config.mapping_layers)
        self.synthesis = Synthesis(self.config, self.dtype)

    def __call__(self, z, label, motion, times, grid):
        w = self.mapping(z, label)
        content = jnp.broadcast_to(w[:, None], (len(w), architecture.n_layers(self.config), w.shape[-1]))
        return self.synthesis(Latents(content, motion), times, grid)
