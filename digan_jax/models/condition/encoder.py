"""A condition to what a generator reads: feature maps at four scales, to be sampled where a grid looks, and a vector."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Float

from digan_jax import kernels
from digan_jax.grids import Level
from digan_jax.models.condition.times import at_times
from digan_jax.shapes import Array

SCALES = 4  # feature maps at 1/1, 1/2, 1/4 and 1/8 of the condition's size
SLOPE = 0.2  # of the leaky ReLU
POOLED_INIT = 0.1  # initial deviation of the pooled vector, small beside w


class Context(NamedTuple):
    """An encoded condition of b clips at s times."""

    maps: tuple[Float[Array, "b s _ _ _"], ...]  # the condition itself, then features at 1/1 ... 1/8 of its size
    pooled: Float[Array, "b w"]  # to be added to w
    at: Float[Array, "b s"]  # times of the maps, in clips

    def at_times(self, times: Float[Array, "b t"]) -> Context:
        """The context at other times, linear between those that it was given at."""
        return Context(tuple(at_times(x, self.at, times) for x in self.maps), self.pooled, times)

    def features(self, level: Level, offset: float) -> Iterator[kernels.Features]:
        """The features of all scales at the nodes of a level, for frames at the times of the maps."""
        return (kernels.sample(x, level, offset) for x in self.maps[1:])

    def colours(self, level: Level, offset: float) -> kernels.Features:
        """The first three planes of the condition at the nodes of a level, for frames at the times of the maps."""
        maps = self.maps[0][..., :3]
        as_they_are = jnp.broadcast_to(jnp.eye(3)[None], (len(maps), 3, 3))
        return kernels.multiply(kernels.sample(maps, level, offset), as_they_are, jnp.float32)


class Convolution(nn.Module):
    """3x3 convolution with equalised learning rate (Karras et al. 2018), then a leaky ReLU of gain sqrt(2)."""

    features: int

    @nn.compact
    def __call__(self, x: Float[Array, "n _ _ _"]) -> Float[Array, "n _ _ _"]:
        n_in = x.shape[-1]
        weight = self.param("weight", nn.initializers.normal(1.0), (3, 3, n_in, self.features))
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        y = kernels.convolve(x, weight / np.float32(np.sqrt(9 * n_in))) + bias[None, None, None]
        return np.float32(np.sqrt(2)) * jnp.where(y >= 0, y, SLOPE * y)


class ContextEncoder(nn.Module):
    """Encodes each map together with the ones before and after it; 2D convolutions alone, so for any number and size.

    Halving uses the weights [1, 3, 3, 1] / 8, as `jax.image.resize` has them; odd sizes are rounded up, and every scale
    spans the whole frame, so that features stay in place.
    """

    width: int  # channels of each scale
    pooled: int  # numbers of the pooled vector

    @nn.compact
    def __call__(self, maps: Float[Array, "b s H W c"], at: Float[Array, "b s"]) -> Context:
        """Maps in [-1, 1], 0 where hidden; the last plane is the visibility, 1 or 0."""
        before, after = maps[:, :1], maps[:, -1:]
        neighbours = jnp.concatenate([before, maps[:, :-1]], 1), maps, jnp.concatenate([maps[:, 1:], after], 1)
        x = jnp.concatenate(neighbours, axis=-1)
        b, s = x.shape[:2]
        x, found = x.reshape(b * s, *x.shape[2:]), [maps]
        for i in range(SCALES):
            if i:
                n, h, w, c = x.shape
                x = jax.image.resize(x, (n, -(-h // 2), -(-w // 2), c), "linear", antialias=True)
            for j in range(2):
                y = Convolution(self.width, name=f"conv{i}_{j}")(x)
                x = (x + y) * np.float32(np.sqrt(0.5)) if x.shape == y.shape else y
            found.append(x.reshape(b, s, *x.shape[1:]))
        mean = found[-1].mean(axis=(1, 2, 3))
        weight = self.param("pooled", nn.initializers.normal(1.0), (self.width, self.pooled))
        return Context(tuple(found), mean @ (weight * np.float32(POOLED_INIT / np.sqrt(self.width))), at)


def with_visibility(maps: Float[Array, "b s H W c"], planes: int) -> Float[Array, "b s H W _"]:
    """Maps of `planes` planes with a visibility of 1 everywhere appended; those that have one stay as they are."""
    if maps.shape[-1] == planes + 1:
        return maps
    return jnp.concatenate([maps, jnp.ones_like(maps[..., :1])], axis=-1)
