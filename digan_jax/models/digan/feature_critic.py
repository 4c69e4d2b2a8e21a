"""A critic of frames that looks through a network trained on photographs (Projected GAN, Sauer et al. 2021).

The network's features are mixed by fixed random matrices, and small heads judge them at three scales. Where such a critic
is used, distances in the same network's features are no fair judge.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Float

from digan_jax import kernels
from digan_jax.models.digan.critics import Conv
from digan_jax.models.digan.layers import leaky_relu
from digan_jax.pretrained import efficientnet, efficientnet_weights
from digan_jax.shapes import Array

AFTER = {2: 10.0, 4: 9.0, 10: 8.0}  # blocks of EfficientNet-Lite0, and the deviation of their features on photographs
CHANNELS = 64  # of the mixed features
SMALLEST = 64  # pixels a side: smaller frames are enlarged, since the network knows nothing so small


@functools.cache
def weights() -> dict:
    """Raises `InputError` if the package with the weights (extra [eval]) is missing."""
    with jax.ensure_compile_time_eval():  # the first caller may be a trace
        return jax.tree.map(np.asarray, efficientnet_weights.load())


def blurred(frames: Float[Array, "*n h w c"], sigma: Float[Array, ""]) -> Float[Array, "*n h w c"]:
    """Gaussian blur of this deviation, in pixels; 0 leaves frames as they are."""

    def matrix(length: int):
        distance = np.square(np.arange(length)[:, None] - np.arange(length)[None]).astype(np.float32)
        taps = jnp.exp(-distance / (2 * jnp.square(jnp.maximum(sigma, 0.1))))
        return taps / taps.sum(axis=1, keepdims=True)

    h, w = frames.shape[-3:-1]
    return jnp.einsum("yh,xw,...hwc->...yxc", matrix(h), matrix(w), frames)


def mixed_features(frames: Float[Array, "n h w 3"]) -> list[Float[Array, "n _ _ c"]]:
    """The network's features of frames in [-1, 1] at three scales, mixed at random, of about unit variance."""
    n, h, w, _ = frames.shape
    if h < SMALLEST:
        factor = SMALLEST // h
        frames = jax.image.resize(frames, (n, h * factor, w * factor, 3), "bilinear")
    found = efficientnet.block_features(weights(), (frames + 1) * 127.5, max(AFTER) + 1)
    mixed = []
    for block, deviation in AFTER.items():
        x = found[block]
        matrix = np.random.default_rng(block).normal(size=(x.shape[-1], CHANNELS)) / np.sqrt(x.shape[-1]) / deviation
        mixed.append(x @ np.float32(matrix))
    return mixed


class FeatureCritic(nn.Module):
    """Scores mixed features: the mean of a head's scores at all places, averaged over scales."""

    @nn.compact
    def __call__(self, mixed: list[Float[Array, "n _ _ c"]]) -> Float[Array, "n"]:
        scores = []
        for scale, x in enumerate(mixed):
            layer = functools.partial(Conv, CHANNELS, 3)
            x = leaky_relu(layer(name=f"scale{scale}_in")(x))
            for step in range(max(0, x.shape[1].bit_length() - 3)):
                x = leaky_relu(layer(convolve=kernels.convolve_downsample, name=f"scale{scale}_down{step}")(x))
            scores.append(Conv(1, 1, name=f"scale{scale}_out")(x).mean(axis=(1, 2, 3)))
        return sum(scores) / len(scores)
