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
CORRECTION = 0.03  # what a feature of 1 adds to a colour
CONTRAST = 4.0  # details and differences are small beside the maps they are taken from


class Context(NamedTuple):
    """An encoded condition of b clips at s times."""

    maps: tuple[Float[Array, "b s _ _ _"], ...]  # the condition itself, then features at 1/1 ... 1/8 of its size
    pooled: Float[Array, "b w"]  # to be added to w
    at: Float[Array, "b s"]  # times of the maps, in clips
    flow: Float[Array, "b s H W 6"] | None = None  # of the condition from map to map; None: it is mixed, not moved
    correction: Float[Array, "b s H W 3"] | None = None  # to be added to its colours

    def at_times(self, times: Float[Array, "b t"]) -> Context:
        """The context at other times, linear between those that it was given at; with a flow, colours move along it.

        Then one more map has the colours of the maps before and after each time, as `motion.moved` returns them.
        """
        mixed = tuple(at_times(x, self.at, times) for x in self.maps[1:])
        if self.flow is None:
            colours = at_times(self.maps[0], self.at, times)
        else:
            colours, parts = motion.moved(self.maps[0], self.flow, self.at, times)
            mixed += (parts,)
        if self.correction is not None:
            corrected = colours[..., :3] + at_times(self.correction, self.at, times)
            colours = jnp.concatenate([corrected, colours[..., 3:]], axis=-1)
        return Context((colours, *mixed), self.pooled, times)

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
    detail: bool = False  # encodes details and differences too, and corrects colours
    classical: bool = False  # the flow begins as the classical one, and shares of it are predicted too
    carried: bool = False  # the planes before the visibility are `styles.textures`, which correct colours

    @nn.compact
    def __call__(self, maps: Float[Array, "b s H W c"], at: Float[Array, "b s"]) -> Context:
        """Maps in [-1, 1], 0 where hidden; the last plane is the visibility, 1 or 0."""
        b, s = maps.shape[:2]
        ends = ((0, 0), (self.reach, self.reach), (0, 0), (0, 0), (0, 0))
        padded = jnp.pad(maps, ends, mode="edge")
        near = [padded[:, i : i + s] for i in range(2 * self.reach + 1)]
        flat = lambda parts: jnp.concatenate(parts, axis=-1).reshape(b * s, *maps.shape[2:4], -1)
        x, found, parts = flat(near), [maps], []
        if self.detail:
            others = near[: self.reach] + near[self.reach + 1 :]
            parts = [*details(maps), *(other - maps for other in others)]
            x = flat([maps, *(CONTRAST * part for part in parts)])
        if self.carried:
            parts = [maps[..., -5:-2], *parts]
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
        flow = self._flow(maps, found[1:]) if self.warp else None
        return Context(tuple(found), pooled, at, flow, self._correction(parts, found[1:]) if parts else None)

    def _flow(self, maps: Float[Array, "b s H W c"], features: list[Float[Array, "b s _ _ _"]]):
        """[b s H W 6], of motion.FLOW numbers; 0 at first, or the classical flow."""
        flow = self._of_all("flow", motion.FLOW, features)
        if not self.classical:
            return flow
        shares = 1 + self._of_all("kept", 2, features)  # of the flow to the map before, and to the one after
        moves = motion.classical(maps) * shares.repeat(2, axis=-1)
        return flow + jnp.pad(moves, [(0, 0)] * 4 + [(0, motion.FLOW - 4)])

    def _correction(self, parts: list[Float[Array, "b s H W c"]], features: list[Float[Array, "b s _ _ _"]]):
        """[b s H W 3]: shares of parts (textures, details, differences), chosen for each pixel, and the features themselves.

        At first all of the textures, and nothing of the others.

        As in networks that predict the kernels of a filter (Mildenhall et al., CVPR 2018): a little more or less of what
        is seen is learnt much sooner than colours are.
        """
        shares = self._of_all("shares", len(parts), features) + self.param(
            "share", nn.initializers.zeros, (1, 1, 1, 1, len(parts))
        )
        mixed = sum(shares[..., i : i + 1] * part[..., :3] for i, part in enumerate(parts))
        if self.carried:
            mixed += parts[0]
        return mixed + CORRECTION * self._of_all("correction", 3, features)

    def _of_all(self, name: str, planes: int, features: list[Float[Array, "b s _ _ _"]]) -> Float[Array, "b s H W _"]:
        """A weighted sum of the features of all scales at every pixel of the largest, 0 at first."""
        size = (*features[0].shape[:4], planes)
        weights = self.param(name, nn.initializers.zeros, (SCALES, self.width, planes))
        parts = [x @ weight for x, weight in zip(features, weights * np.float32(1 / np.sqrt(self.width)))]
        return sum(jax.image.resize(part, size, "linear") for part in parts)


def details(maps: Float[Array, "b s H W c"]) -> list[Float[Array, "b s H W c"]]:
    """What is lost by halving the maps once, and from there by halving them again."""
    b, s, h, w, c = maps.shape
    half = (b, s, -(-h // 2), -(-w // 2), c)
    quarter = (b, s, -(-half[2] // 2), -(-half[3] // 2), c)
    smaller = jax.image.resize(maps, half, "linear", antialias=True)
    once = jax.image.resize(smaller, maps.shape, "linear")
    twice = jax.image.resize(jax.image.resize(smaller, quarter, "linear", antialias=True), maps.shape, "linear")
    return [maps - once, once - twice]


def with_visibility(maps: Float[Array, "b s H W c"], planes: int) -> Float[Array, "b s H W _"]:
    """Maps of `planes` planes with a visibility of 1 everywhere appended; those that have one stay as they are."""
    if maps.shape[-1] == planes + 1:
        return maps
    return jnp.concatenate([maps, jnp.ones_like(maps[..., :1])], axis=-1)
