"""The critics: a motion critic of a pair of frames and the time between them, and an image critic of single frames
(paper, section 3.2). Residual networks of one shape without shared weights (StyleGAN2's, Karras et al. 2020)."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Float

from digan_jax.config import ModelConfig
from digan_jax.networks import convolution
from digan_jax.networks.layers import Dense, Mapping, leaky_relu, scaled_normal
from digan_jax.shapes import Array

Images = Float[Array, "n h w c"]
SQRT_HALF = float(np.sqrt(0.5))


class Conv(nn.Module):
    """Equalised convolution: weight [k k i o] / sqrt(i k²)."""

    features: int
    kernel: int
    bias: bool = True
    convolve: callable = convolution.same

    @nn.compact
    def __call__(self, x: Images) -> Images:
        k, n_in = self.kernel, x.shape[-1]
        weight = self.param("weight", scaled_normal(), (k, k, n_in, self.features)) / np.float32(np.sqrt(n_in * k * k))
        y = self.convolve(x, weight.astype(x.dtype))
        if self.bias:
            y = y + self.param("bias", nn.initializers.zeros, (self.features,)).astype(x.dtype)
        return y


class Block(nn.Module):
    """Residual block that halves the resolution; the first one starts from colours."""

    features_in: int
    features_out: int
    from_rgb: bool

    @nn.compact
    def __call__(self, x: Images) -> Images:
        if self.from_rgb:
            x = leaky_relu(Conv(self.features_in, 1, name="fromrgb")(x))
        half = jnp.asarray(SQRT_HALF, x.dtype)
        skip = Conv(self.features_out, 1, bias=False, name="skip")(convolution.low_pass_half(x))
        x = leaky_relu(Conv(self.features_in, 3, name="conv0")(x))
        x = leaky_relu(Conv(self.features_out, 3, convolve=convolution.low_pass_strided, name="conv1")(x))
        return (skip + x) * half


def minibatch_deviation(x: Images, group_size: int, batches: int) -> Images:
    """Append the deviation within groups of samples as a channel (Karras et al. 2018).

    `x` holds `batches` batches, one after the other; groups never cross them. Sample n of a batch belongs to group
    n mod (batch / group).
    """
    n, h, w, c = x.shape
    group = min(group_size, n // batches)
    y = x.astype(jnp.float32).reshape(batches, group, -1, h, w, c)
    deviation = jnp.sqrt(jnp.var(y, axis=1) + 1e-8).mean(axis=(2, 3, 4))  # [batches, groups]
    deviation = jnp.broadcast_to(deviation[:, None, :], (batches, group, deviation.shape[-1])).reshape(n, 1, 1, 1)
    return jnp.concatenate([x, jnp.broadcast_to(deviation, (n, h, w, 1)).astype(x.dtype)], axis=-1)


class Epilogue(nn.Module):
    """4×4 features to a vector [n features_out], float32."""

    features: int
    features_out: int
    mbstd_group_size: int

    @nn.compact
    def __call__(self, x: Images, batches: int) -> Float[Array, "n o"]:
        x = minibatch_deviation(x, self.mbstd_group_size, batches)
        x = leaky_relu(Conv(self.features, 3, name="conv")(x)).astype(jnp.float32)
        x = jnp.swapaxes(x.reshape(len(x), 16, -1), 1, 2).reshape(len(x), -1)  # (channel, row, column), as released
        x = leaky_relu(Dense(self.features, name="fc")(x))
        return Dense(self.features_out, name="out")(x)


class Critic(nn.Module):
    """Scores of images [n R R c]; `batches` batches stacked along n are scored as if each came alone."""

    config: ModelConfig
    mbstd_group_size: int
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, x: Images, label: Float[Array, "n classes"] | None, batches: int = 1) -> Float[Array, "n"]:
        channels, resolution = self.config.channels, self.config.resolution
        x = x.astype(self.dtype)
        r = resolution
        while r > 4:
            x = Block(channels(r), channels(r // 2), from_rgb=r == resolution, name=f"b{r}")(x)
            r //= 2
        n_out = 1 if label is None else channels(4)
        x = Epilogue(channels(4), n_out, self.mbstd_group_size, name="b4")(x, batches)
        if label is None:
            return x[:, 0]
        embedding = Mapping(channels(4), 8, name="mapping")(None, label)
        return jnp.sum(x * embedding, axis=-1) / np.float32(np.sqrt(channels(4)))


class Critics(nn.Module):
    config: ModelConfig
    mbstd_group_size: int
    dtype: jnp.dtype

    def setup(self):
        self.motion = Critic(self.config, self.mbstd_group_size, self.dtype)
        self.image = Critic(self.config, self.mbstd_group_size, self.dtype)

    def __call__(
        self,
        motion_input: Float[Array, "b h w 7"],
        frames: Float[Array, "b 2 h w c"],
        label: Float[Array, "b classes"] | None,
        batches: int = 1,
    ) -> tuple[Float[Array, "b"], Float[Array, "b 2"]]:
        b = len(frames)
        label_of_frames = None if label is None else jnp.repeat(label, 2, axis=0)
        motion = self.motion(motion_input, label, batches)
        image = self.image(frames.reshape(2 * b, *frames.shape[2:]), label_of_frames, batches)
        return motion, image.reshape(b, 2)


def motion_input(frames: Float[Array, "b 2 h w c"], delta_t: Float[Array, "b"]) -> Float[Array, "b h w 7"]:
    """[frame 1, frame 2, plane filled with the time between them] along channels."""
    b, _, h, w, _ = frames.shape
    plane = jnp.broadcast_to(delta_t[:, None, None, None], (b, h, w, 1)).astype(frames.dtype)
    return jnp.concatenate([frames[:, 0], frames[:, 1], plane], axis=-1)
