"""The critics (paper, section 3.2): a motion critic of two frames and the time between them, an image critic of frames.

Both are the residual network of StyleGAN2 (Karras et al. 2020); they share no weights.
"""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Float

from digan_jax import kernels
from digan_jax.config import ModelConfig
from digan_jax.models.digan.constants import EPSILON, LABEL_LAYERS
from digan_jax.models.digan.layers import Dense, Mapping, add_bias, leaky_relu, scaled_normal
from digan_jax.models.frames import halved
from digan_jax.shapes import Array

Images = Float[Array, "n _ _ _"]  # rows, columns and channels
HEADS = 8  # resolution of the features that the heads of shared critics take
SQRT_HALF = float(np.sqrt(0.5))


class Conv(nn.Module):
    """Convolution with equalised learning rate: weight [k k i o] / sqrt(i k²)."""

    features: int
    kernel: int
    bias: bool = True
    convolve: Callable = kernels.convolve

    @nn.compact
    def __call__(self, x: Images) -> Images:
        k, n_in = self.kernel, x.shape[-1]
        weight = self.param("weight", scaled_normal(), (k, k, n_in, self.features)) / np.float32(np.sqrt(n_in * k * k))
        y = self.convolve(x, weight.astype(x.dtype))
        if self.bias:
            bias = self.param("bias", nn.initializers.zeros, (self.features,))
            y = add_bias(y, bias.astype(x.dtype))
        return y


class Block(nn.Module):
    """Residual block that halves the resolution. The first block starts with a fromRGB layer.

    With `config.doublings`, each block down to the smallest frames adds a fromRGB layer of its own to the features from
    above, and what is above starts as nothing (a gain of 0): critics of frames that doubled score as before at first.
    """

    features_in: int
    features_out: int
    from_rgb: bool
    starts_as_nothing: bool

    @nn.compact
    def __call__(self, x: Images | None, images: Images) -> Images:
        if self.from_rgb:
            seen = leaky_relu(Conv(self.features_in, 1, name="fromrgb")(images))
            x = seen if x is None else x + seen
        half = jnp.asarray(SQRT_HALF, x.dtype)
        skip = Conv(self.features_out, 1, bias=False, name="skip")(kernels.downsample(x))
        x = leaky_relu(Conv(self.features_in, 3, name="conv0")(x))
        x = leaky_relu(Conv(self.features_out, 3, convolve=kernels.convolve_downsample, name="conv1")(x))
        x = (skip + x) * half
        if self.starts_as_nothing:
            x = x * self.param("gain", nn.initializers.zeros, ()).astype(x.dtype)
        self.sow("features", "out", x)  # kept where `apply` asks for the collection
        return x


def halve(
    images: Images, channels: Callable[[int], int], first: int, last: int, remat: bool, smallest: int = 0
) -> Images:
    """Blocks that take images from resolution `first` down to `last`; called inside the module that owns them.

    Args:
      channels: of the block of a resolution.
      remat: backward passes compute the activations within each block again.
      smallest: resolution of the first frames of a training from coarse to fine; 0: `first`.
    """
    block, x = nn.remat(Block) if remat else Block, None
    smallest = smallest or first
    for r in (first >> i for i in range((first // last).bit_length() - 1)):
        grown = r > smallest
        x = block(channels(r), channels(r // 2), r >= smallest, grown, name=f"b{r}")(x, images)
        images = halved(images) if grown else images
    return x


def minibatch_deviation(x: Float[Array, "b s k h w c"], group_size: int) -> Float[Array, "b s k h w 1"]:
    """Minibatch standard deviation: one number per group of samples (Karras et al. 2018).

    `x` holds s independent batches of b clips of k images. A group stays within one batch: sample n = clip·k + image
    of a batch belongs to group n mod (b·k / group_size).
    """
    b, s, k, *chw = x.shape
    group = min(group_size, b * k)
    y = jnp.swapaxes(x.astype(jnp.float32), 0, 1).reshape(s, group, -1, *chw)
    deviation = jnp.sqrt(jnp.var(y, axis=1) + EPSILON).mean(axis=(2, 3, 4))  # [s groups]
    deviation = jnp.broadcast_to(deviation[:, None], (s, group, deviation.shape[1])).reshape(s, b, k)
    deviation = jnp.swapaxes(deviation, 0, 1)[..., None, None, None]
    return jnp.broadcast_to(deviation, (*x.shape[:-1], 1)).astype(x.dtype)


class Epilogue(nn.Module):
    """Last block: 4×4 features to a vector, with minibatch standard deviation. Float32 out."""

    features: int
    features_out: int
    mbstd_group_size: int

    @nn.compact
    def __call__(self, x: Float[Array, "b s k 4 4 c"]) -> Float[Array, "n o"]:
        x = jnp.concatenate([x, minibatch_deviation(x, self.mbstd_group_size)], axis=-1)
        x = x.reshape(-1, *x.shape[3:])
        x = leaky_relu(Conv(self.features, 3, name="conv")(x)).astype(jnp.float32)
        x = jnp.swapaxes(x.reshape(len(x), 16, -1), 1, 2).reshape(len(x), -1)  # (channel, row, column), as released
        x = leaky_relu(Dense(self.features, name="fc")(x))
        return Dense(self.features_out, name="out")(x)


class Critic(nn.Module):
    """Scores s independent batches of b clips of k images; minibatch statistics stay within a batch."""

    config: ModelConfig
    mbstd_group_size: int
    dtype: jnp.dtype
    resolution: int
    remat: bool = False
    smallest: int = 0  # see `halve`

    @nn.compact
    def __call__(
        self, images: Float[Array, "b s k h w c"], label: Float[Array, "b s classes"] | None
    ) -> Float[Array, "b s k"]:
        channels, resolution = self.config.channels, self.resolution
        b, s, k = images.shape[:3]
        x = images.reshape(b * s * k, *images.shape[3:]).astype(self.dtype)
        x = halve(x, channels, resolution, 4, self.remat, self.smallest)
        fades = self.config.class_term == "fading"
        n_out = 1 if label is None else channels(4) + fades
        x = Epilogue(channels(4), n_out, self.mbstd_group_size, name="b4")(x.reshape(b, s, k, *x.shape[1:]))
        x = x.reshape(b, s, k, n_out)
        if label is None:
            return x[..., 0]
        embedding = Mapping(channels(4), LABEL_LAYERS, name="mapping")(None, label)
        of_class = jnp.sum(x[..., fades:] * embedding[:, :, None], axis=-1) / np.float32(np.sqrt(channels(4)))
        return x[..., 0] + label.sum(axis=-1)[..., None] * of_class if fades else of_class


class Critics(nn.Module):
    """The motion critic scores [frame 1, frame 2, Δt], the image critic each frame."""

    config: ModelConfig
    mbstd_group_size: int
    dtype: jnp.dtype
    remat: bool = False

    def setup(self):
        self.motion, self.image = (
            Critic(self.config, self.mbstd_group_size, self.dtype, self.config.resolution, self.remat, self.config.smallest)
            for _ in range(2)
        )

    def __call__(
        self,
        motion_inputs: Float[Array, "b s h w _"],
        frames: Float[Array, "b s 2 h w c"],
        label: Float[Array, "b s classes"] | None,
    ) -> tuple[Float[Array, "b s"], Float[Array, "b s 2"]]:
        return self.motion(motion_inputs[:, :, None], label)[..., 0], self.image(frames, label)


class SharedCritics(nn.Module):
    """One trunk for all frames; the image head scores each frame, the motion head the features of both and Δt.

    The heads start where the trunk's features are 8×8. About half the work of two critics.
    """

    config: ModelConfig
    mbstd_group_size: int
    dtype: jnp.dtype
    remat: bool = False

    @nn.compact
    def __call__(
        self,
        motion_inputs: Float[Array, "b s h w _"],
        frames: Float[Array, "b s 2 h w c"],
        label: Float[Array, "b s classes"] | None,
    ) -> tuple[Float[Array, "b s"], Float[Array, "b s 2"]]:
        channels, (b, s, k) = self.config.channels, frames.shape[:3]
        x = frames.reshape(b * s * k, *frames.shape[3:]).astype(self.dtype)
        x = halve(x, channels, self.config.resolution, HEADS, self.remat, self.config.smallest)
        each = x.reshape(b, s, k, *x.shape[1:])
        delta_t = jnp.broadcast_to(motion_inputs[:, :, :1, :1, -1:], (b, s, HEADS, HEADS, 1)).astype(x.dtype)
        together = jnp.concatenate([*jnp.moveaxis(each, 2, 0), delta_t], axis=-1)[:, :, None]
        head = lambda name: Critic(self.config, self.mbstd_group_size, self.dtype, HEADS, self.remat, name=name)
        return head("motion")(together, label)[..., 0], head("image")(each, label)


CRITICS = {"pair": Critics, "shared": SharedCritics}


def motion_input(frames: Float[Array, "*b 2 h w c"], delta_t: Float[Array, "*b"]) -> Float[Array, "*b h w _"]:
    """The motion critic's input: [frame 1, frame 2, Δt] along channels, Δt constant over pixels.

    Frames of conditional models have the planes of their condition behind their colours.
    """
    first, second = frames[..., 0, :, :, :], frames[..., 1, :, :, :]
    plane = jnp.broadcast_to(delta_t[..., None, None, None], (*first.shape[:-1], 1)).astype(frames.dtype)
    return jnp.concatenate([first, second, plane], axis=-1)
