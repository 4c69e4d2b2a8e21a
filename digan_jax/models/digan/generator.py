"""The generator: (x, y, t) to colour, given a content and a motion vector (paper, section 3.1; layers of INR-GAN).

Modulated weights depend on the clip alone: every layer multiplies all pixels of all frames of a clip by one matrix.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Float

from digan_jax import grids, kernels
from digan_jax.config import ModelConfig
from digan_jax.models.condition.encoder import Context, ContextEncoder
from digan_jax.models.condition.styles import StyleEncoder, painted, textures
from digan_jax.models.digan import architecture
from digan_jax.models.digan.architecture import Layer
from digan_jax.models.digan.constants import EPSILON, FREQUENCY_SCALE, PLACE_INIT, PLACE_WIDTH, SHIFT_INIT
from digan_jax.models.digan.layers import Dense, Mapping, add_bias, leaky_relu, scaled_normal
from digan_jax.models.digan.motion import MOTIONS
from digan_jax.shapes import Array, Latents, Motion, Styles

Pixels = Float[Array, "b *pixels c"]  # pixels of all frames; `kernels` defines their order


class FourierFeatures(nn.Module):
    """Fourier features (paper, eq. 4 and 5): frequencies depend on content, phases on content, motion and time.

    With `config.basis` "shared", "phased" or "moved", frequencies and phases at rest are those of `SharedBasis` instead.
    With `config.places`, the waves are dealt into that many groups, each moved to a place of its own, and one at rest.
    """

    config: ModelConfig
    resolution: int  # of the level

    def __call__(
        self,
        w: Float[Array, "b w"],
        motion: Motion,
        times: Float[Array, "b t"],
        level: grids.Level,
        places: Float[Array, "b t k 2"] | None,
    ) -> kernels.Features:
        return kernels.fourier(*self.waves(w, motion, times, places), level)

    @nn.compact
    def waves(
        self, w: Float[Array, "b w"], motion: Motion, times: Float[Array, "b t"], places: Float[Array, "b t k 2"] | None
    ) -> tuple[Float[Array, "f 2"] | Float[Array, "b f 2"], Float[Array, "b t f"]]:
        """Frequencies, in radians per half frame, and phases, in radians."""
        n = self.config.n_frequencies
        if self.config.basis == "content":
            content = Dense(3 * n, name="frequency")(w)
            frequency = content[:, : 2 * n].reshape(-1, n, 2) * np.float32(FREQUENCY_SCALE)
            still = content[:, None, 2 * n :]
        else:
            frequency, still = SharedBasis(self.config, self.resolution, name="basis")(w)
        phase = kernels.each_frame(lambda times: still + MOTIONS[self.config.motion](w, motion, times, n), times)
        return frequency, phase if places is None else phase + moved(frequency, places)


def moved(frequency: Float[Array, "*clips f 2"], places: Float[Array, "b t k 2"]) -> Float[Array, "b t f"]:
    """Phases that move waves, in k + 1 equal groups, the first at rest, to the places of the others."""
    n, k = frequency.shape[-2], places.shape[2]
    group = np.arange(n) * (k + 1) // n
    member = np.equal.outer(np.arange(1, k + 1), group).astype(np.float32)
    of_wave = jnp.einsum("btkx,kf->btfx", places, member)
    of_clips = frequency.reshape(-1, 1, n, 2)
    return jnp.sum(of_clips * of_wave, axis=-1)


class Places(nn.Module):
    """Where groups of waves are, in half frames: a place that w chooses and a drift in time by the motion code.

    Waves whose phases change by frequency · place move as one picture: pose and coherent motion are two numbers of each
    group, the same at every level, instead of a phase for each wave.
    """

    config: ModelConfig

    @nn.compact
    def __call__(self, w: Float[Array, "b w"], motion: Motion, times: Float[Array, "b t"]) -> Float[Array, "b t k 2"]:
        numbers = 2 * self.config.places
        still = Dense(numbers, weight_init=PLACE_INIT, name="place")(w)[:, None]
        code = MOTIONS[self.config.motion](w, motion, times, PLACE_WIDTH)
        places = still + Dense(numbers, weight_init=PLACE_INIT, use_bias=False, name="drift")(code)
        return places.reshape(*times.shape, self.config.places, 2)


class SharedBasis(nn.Module):
    """Learned frequencies, in radians per half frame, and phases that all clips share, as in CIPS and StyleGAN3.

    When each clip has a basis of its own, a layout must be learnt for each. Initial directions are uniform, frequencies
    log-uniform in `config.band` times resolution / 32. With `config.basis` "phased", w shifts the phase of each wave, at
    first by about half a radian. With "moved", four numbers predicted from w turn, scale and shift the whole basis, at
    first by nothing.
    """

    config: ModelConfig
    resolution: int

    @nn.compact
    def __call__(
        self, w: Float[Array, "b w"]
    ) -> tuple[Float[Array, "f 2"] | Float[Array, "b f 2"], Float[Array, "#b 1 f"]]:
        n = self.config.n_frequencies
        low, high = (cycles * self.resolution / grids.BASE for cycles in self.config.band)
        cycles = self.param("cycles", waves(low, high), (n, 2))
        phase = self.param("phase", nn.initializers.uniform(2 * np.pi), (n,))
        frequency, phase = cycles * np.float32(np.pi), phase[None, None]
        if self.config.basis == "shared":
            return frequency, phase
        if self.config.basis == "phased":
            return frequency, phase + Dense(n, weight_init=SHIFT_INIT, name="shift")(w)[:, None]
        angle, stretch, *shift = jnp.moveaxis(Dense(4, weight_init=0.0, name="move")(w), 1, 0)
        cos, sin = (jnp.exp(stretch) * f(angle) for f in (jnp.cos, jnp.sin))
        turn = jnp.stack([jnp.stack([cos, sin], -1), jnp.stack([-sin, cos], -1)], axis=-2)  # [b 2 2]
        frequency = frequency[None] @ turn
        return frequency, phase + jnp.einsum("bfx,xb->bf", frequency, jnp.stack(shift))[:, None]


def waves(low: float, high: float):
    """Initialiser [n 2]: vectors of any direction whose lengths are log-uniform in [low, high]."""

    def init(key, shape):
        of_length, of_angle = jax.random.split(key)
        length = jnp.exp(jax.random.uniform(of_length, shape[:1], minval=np.log(low), maxval=np.log(high)))
        angle = jax.random.uniform(of_angle, shape[:1], maxval=2 * np.pi)
        return jnp.stack([length * jnp.cos(angle), length * jnp.sin(angle)], axis=1)

    return init


class FMMLayer(nn.Module):
    """1x1 layer with factorised multiplicative modulation (INR-GAN, Skorokhodov et al. 2021).

    Its matrix is W ⊙ (g A B / sqrt(rank) + 1), A and B affine functions of w, with unit norm for each output. The gain g
    is 1, or learned if `config.modulation_gain` is its initial value.
    """

    layer: Layer
    config: ModelConfig
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, x: kernels.Features, w: Float[Array, "b w"]) -> Pixels:
        weight = self.modulated(w)
        bias = self.param("bias", nn.initializers.zeros, (self.layer.n_out,))
        return leaky_relu(add_bias(kernels.multiply(x, weight, self.dtype), bias)).astype(self.dtype)

    def modulated(self, w: Float[Array, "b w"]) -> Float[Array, "b i o"]:
        n_in, n_out, rank = self.layer.n_in, self.layer.n_out, self.config.rank
        weight = self.param("weight", scaled_normal(), (n_out, n_in))
        style = Dense(rank * (n_in + n_out), name="affine")(w)
        a = style[:, : rank * n_out].reshape(-1, n_out, rank)
        b = style[:, rank * n_out :].reshape(-1, rank, n_in)
        ab = jnp.einsum("bri,bor->bio", b, a) / np.float32(np.sqrt(rank))
        if self.config.modulation_gain:
            ab *= self.param("gain", nn.initializers.constant(self.config.modulation_gain), (1,))[:, None, None]
        modulated = weight.T[None] * (ab + 1)
        return modulated / (jnp.sqrt(jnp.sum(jnp.square(modulated), axis=1, keepdims=True)) + EPSILON)


class ToRGB(nn.Module):
    """Features to RGB: a modulated 1x1 layer without normalisation or activation. Float32 out."""

    dtype: jnp.dtype
    weight_init: float = 1.0

    @nn.compact
    def __call__(self, x: Pixels, w: Float[Array, "b w"]) -> Float[Array, "b *pixels 3"]:
        n_in = x.shape[-1]
        weight = self.param("weight", scaled_normal(self.weight_init), (3, n_in))
        bias = self.param("bias", nn.initializers.zeros, (3,))
        style = Dense(n_in, bias_init=1.0, name="affine")(w) / np.float32(np.sqrt(n_in))
        modulated = (weight[None] * style[:, None]).swapaxes(1, 2)
        return add_bias(kernels.multiply(x, modulated, self.dtype), bias)


class Block(nn.Module):
    """Layers of one resolution: upsample, concatenate Fourier features (in block 4 and above the base), FMM layers, toRGB."""

    resolution: int
    layers: tuple[Layer, ...]
    config: ModelConfig
    dtype: jnp.dtype

    @nn.compact
    def __call__(
        self,
        h: Pixels | None,
        rgb,
        latents: Latents,
        times: Float[Array, "b t"],
        level: grids.Level,
        places,
        context: Context | None,
    ):
        """(features, RGB summed over blocks). `latents.content` has a copy of w per FMM layer and one for toRGB."""
        w, first = latents.content, self.layers[0]
        upsample = partial(kernels.upsample, repeat=level.repeat, kind=self.config.upsample)
        if first.n_fourier:
            resolution = max(self.resolution, self.config.base)
            fourier = FourierFeatures(self.config, resolution, name="fourier")
            parts = [] if h is None else [upsample(h)]
            parts.append(fourier(w[:, 0], latents.motion, times, level, places))
            if first.n_constants:
                side = min(self.config.constants, resolution)
                shape = (side, side, first.n_constants)
                constants = self.param("constants", nn.initializers.zeros, shape)
                parts.append(kernels.sample(constants, level, offset=1 / resolution))
            if context is not None:
                parts += context.features(level, offset=1 / resolution)
            h = kernels.concat(*parts)
        for i, layer in enumerate(self.layers):
            h = FMMLayer(layer, self.config, self.dtype, name=layer.name)(h, w[:, i])
        grown = self.resolution > self.config.smallest
        start = 0.0 if self.config.condition_skip or grown else 1.0  # at first the picture is what is shown, or smaller
        colours = ToRGB(self.dtype, start, name="torgb")(h, w[:, -1])
        return h, colours if rgb is None else upsample(rgb) + colours


class Synthesis(nn.Module):
    """Latents, times [0, 1] and a grid to frames [b t h w 3]: float32, about in [-1, 1], not clamped."""

    config: ModelConfig
    dtype: jnp.dtype
    remat: bool = False

    @nn.compact
    def __call__(
        self, latents: Latents, times: Float[Array, "b t"], grid: grids.Grid, context: Context | None = None
    ) -> Float[Array, "b t h w 3"]:
        h = rgb = places = None
        first = 0
        if self.config.condition_alone:
            latents = jax.tree.map(jnp.zeros_like, latents)
        if context is not None:
            latents = latents._replace(content=latents.content + context.pooled[:, None])
            context = context.at_times(times)
        if self.config.places:
            of = Places(self.config, name="places")
            places = kernels.each_frame(lambda times: of(latents.content[:, 0], latents.motion, times), times)
        for r, layers, level in architecture.blocks_on(self.config, grid):
            last = first + len(layers)
            copies = Latents(latents.content[:, first : last + 1], latents.motion)
            block = Block(r, tuple(layers), self.config, self.dtype, name=f"b{r}")
            run = lambda block, h, rgb, latents, places, context, level=level: block(
                h, rgb, latents, times, level, places, context
            )
            h, rgb = (nn.remat(run) if self.remat else run)(block, h, rgb, copies, places, context)
            first = last
        if context is not None and self.config.condition_skip:
            rgb = rgb * np.float32(self.config.condition_gain) + context.colours(level, offset=1 / r)
        return kernels.frames(kernels.upsample(rgb, grid.enlarge, self.config.upsample))


class Generator(nn.Module):
    """Mapping and synthesis: noise z [b z], one-hot label or None, motion, times [b t] and a grid to frames.

    With `remat`, backward passes compute the activations within each block again.
    With `config.condition_planes` also an encoder of conditions, with `config.condition_style` also one of styles.
    """

    config: ModelConfig
    dtype: jnp.dtype
    remat: bool = False

    def setup(self):
        fades = self.config.class_term == "fading"
        self.mapping = Mapping(self.config.w_dim, self.config.mapping_layers, fades)
        self.synthesis = Synthesis(self.config, self.dtype, self.remat)
        if self.config.condition_planes:
            c = self.config
            self.condition = ContextEncoder(
                c.condition_width, c.w_dim, c.condition_depth, c.condition_reach, c.condition_warp, c.condition_detail,
                c.condition_flow == "classical", c.condition_carried,
            )  # fmt: skip
        if self.config.condition_style:
            self.style = StyleEncoder(self.config.condition_style, coloured=self.config.condition_skip)

    def encode(self, maps: Float[Array, "b s H W c"], at: Float[Array, "b s"], styles: Styles | None) -> Context:
        """The context of maps; with `config.condition_style`, each instance has its style painted over it first."""
        if self.config.condition_style:
            vectors = self.style(styles.frame, styles.here) if styles.vectors is None else styles.vectors
            parts = [maps[..., :-1], painted(vectors, styles.there)]
            if self.config.condition_skip:
                parts.reverse()  # colours first, as in frames
            if self.config.condition_carried:
                parts.append(textures(styles.carried, parts[0][..., :3]))
            maps = jnp.concatenate([*parts, maps[..., -1:]], axis=-1)
        return self.condition(maps, at)

    def __call__(self, z, label, motion, times, grid, maps=None, at=None, styles=None):
        w = self.mapping(z, label)
        context = None if maps is None else self.encode(maps, at, styles)
        content = jnp.broadcast_to(w[:, None], (len(w), architecture.n_layers(self.config), w.shape[-1]))
        return self.synthesis(Latents(content, motion), times, grid, context)
