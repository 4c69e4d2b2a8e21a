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
from digan_jax.models.condition import motion
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
    flow: Float[Array, "b s H W 6"] | None = None  # of the condition from map to map; None: it is mixed, not moved

    def at_times(self, times: Float[Array, "b t"]) -> Context:
        """The context at other times, linear between those that it was given at; with a flow, colours move along it.

        Then one more map has the colours of the maps before and after each time, as `motion.moved` returns them.
        """
        mixed = tuple(at_times(x, self.at, times) for x in self.maps[self.flow is not None :])
        if self.flow is None:
            return Context(mixed, self.pooled, times)
        colours, parts = motion.moved(self.maps[0], self.flow, self.at, times)
        return Context((colours, *mixed, parts), self.pooled, times)

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
    depth: int = 2  # convolutions at each scale
    reach: int = 1  # maps before and after each that are encoded with it
    warp: bool = False  # also predicts a flow

    @nn.compact
    def __call__(self, maps: Float[Array, "b s H W c"], at: Float[Array, "b s"]) -> Context:
        """Maps in [-1, 1], 0 where hidden; the last plane is the visibility, 1 or 0."""
        b, s = maps.shape[:2]
        ends = ((0, 0), (self.reach, self.reach), (0, 0), (0, 0), (0, 0))
        padded = jnp.pad(maps, ends, mode="edge")
        x = jnp.concatenate([padded[:, i : i + s] for i in range(2 * self.reach + 1)], axis=-1)
        x, found = x.reshape(b * s, *x.shape[2:]), [maps]
        for i in range(SCALES):
            if i:
                n, h, w, c = x.shape
                x = jax.image.resize(x, (n, -(-h // 2), -(-w // 2), c), "linear", antialias=True)
            for j in range(self.depth):
                y = Convolution(self.width, name=f"conv{i}_{j}")(x)
                x = (x + y) * np.float32(np.sqrt(0.5)) if x.shape == y.shape else y
            found.append(x.reshape(b, s, *x.shape[1:]))
        mean = found[-1].mean(axis=(1, 2, 3))
        weight = self.param("pooled", nn.initializers.normal(1.0), (self.width, self.pooled))
        pooled = mean @ (weight * np.float32(POOLED_INIT / np.sqrt(self.width)))
        return Context(tuple(found), pooled, at, self._flow(found[1:]) if self.warp else None)

    def _flow(self, features: list[Float[Array, "b s _ _ _"]]) -> Float[Array, "b s H W 6"]:
        """A sum over scales, 0 at first: the flow and its logits at every pixel of the largest scale."""
        b, s, h, w, _ = features[0].shape
        size = (b, s, h, w, motion.FLOW)
        weights = self.param("flow", nn.initializers.zeros, (SCALES, self.width, motion.FLOW))
        parts = [x @ weight for x, weight in zip(features, weights * np.float32(1 / np.sqrt(self.width)))]
        total = sum(jax.image.resize(part, size, "linear") for part in parts)
        return total * np.float32([motion.REACH] * 4 + [1, 1])[None, None, None, None]


def with_visibility(maps: Float[Array, "b s H W c"], planes: int) -> Float[Array, "b s H W _"]:
    """Maps of `planes` planes with a visibility of 1 everywhere appended; those that have one stay as they are."""
    if maps.shape[-1] == planes + 1:
        return maps
    return jnp.concatenate([maps, jnp.ones_like(maps[..., :1])], axis=-1)
