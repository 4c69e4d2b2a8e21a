"""The look of instances: vectors pooled over each instance of a frame, and painted over the instance in label maps.

As in pix2pixHD and vid2vid (Wang et al. 2018): with losses against one clip, a generator that is not told which of many
looks is meant draws their average.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Float, Int

from digan_jax.models.condition.encoder import Convolution
from digan_jax.shapes import Array

INSTANCES = 32  # of one clip; those beyond share the last vector
HIDDEN = 32  # channels


class StyleEncoder(nn.Module):
    """A frame to a vector for each instance: the mean of convolutional features over its pixels."""

    width: int  # numbers of a vector
    coloured: bool = False  # the first three numbers are the instance's mean colour

    @nn.compact
    def __call__(self, frame: Float[Array, "b h w 3"], here: Int[Array, "b h w"]) -> Float[Array, "b i s"]:
        """Frame in [-1, 1]; instances from 0, -1 for none. The vector of one without a pixel is 0."""
        b, h, w, _ = frame.shape
        y, x = jnp.meshgrid(jnp.linspace(-1, 1, h), jnp.linspace(-1, 1, w), indexing="ij")
        places = jnp.broadcast_to(jnp.stack([x, y], axis=-1)[None], (b, h, w, 2))
        features = jnp.concatenate([frame, places], axis=-1)
        for i in range(3):
            features = Convolution(HIDDEN, name=f"conv{i}")(features)
        learned = self.width - 3 * self.coloured
        weight = self.param("out", nn.initializers.normal(1.0), (HIDDEN + 3, learned))
        pooled = means(jnp.concatenate([features, frame], axis=-1), here)
        vectors = pooled @ (weight * (HIDDEN + 3) ** -0.5)
        return jnp.concatenate([pooled[..., HIDDEN:], vectors], axis=-1) if self.coloured else vectors


def means(features: Float[Array, "b h w c"], here: Int[Array, "b h w"]) -> Float[Array, "b i c"]:
    """The mean of features over the pixels of each instance; 0 for those without a pixel."""
    member = jax.nn.one_hot(jnp.minimum(here, INSTANCES - 1), INSTANCES)
    sums = jnp.einsum("bhwi,bhwc->bic", member, features, precision=jax.lax.Precision.HIGHEST)
    return sums / jnp.maximum(member.sum((1, 2)), 1)[..., None]


def textures(carried: Float[Array, "b s H W 4"], means: Float[Array, "b s H W 3"]) -> Float[Array, "b s H W 4"]:
    """What carried colours add to the mean colours of their objects, as far as they can be trusted; and the trust."""
    trust = carried[..., 3:]
    return jnp.concatenate([trust * (carried[..., :3] - means), trust], axis=-1)


def painted(vectors: Float[Array, "b i s"], there: Int[Array, "b t h w"]) -> Float[Array, "b t h w s"]:
    """The vector of each pixel's instance."""
    member = jax.nn.one_hot(jnp.minimum(there, vectors.shape[1] - 1), vectors.shape[1])
    return jnp.einsum("bthwi,bis->bthws", member, vectors)
