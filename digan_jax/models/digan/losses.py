"""What generator and critics minimise (paper, section 3.2; R1: Mescheder et al. 2018; path length: Karras et al. 2020)."""

from __future__ import annotations

from typing import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Float

from digan_jax.shapes import Array


def generator_loss(motion: Float[Array, "*b"], image: Float[Array, "*b 2"]) -> Float[Array, ""]:
    """Non-saturating: softplus(-score) of generated clips, the mean for each head, summed."""
    return jax.nn.softplus(-motion).mean() + jax.nn.softplus(-image).mean()


def critic_loss(fake: Float[Array, "*n"], real: Float[Array, "*n"]) -> Float[Array, ""]:
    """Of one head: mean softplus(score of fakes) + mean softplus(-score of reals)."""
    return jax.nn.softplus(fake).mean() + jax.nn.softplus(-real).mean()


def squared_gradients(score: Callable, *inputs: Array) -> tuple[Array, ...]:
    """For each input, |d(sum of scores)/d(input)|², summed over all but the axes that index samples: see `r1`."""
    gradients = jax.grad(score, argnums=tuple(range(len(inputs))))(*inputs)
    return tuple(jnp.sum(jnp.square(g), axis=(-3, -2, -1)) for g in gradients)


def path_length(
    synthesize: Callable, content: Float[Array, "b layers w_dim"], noise: Float[Array, "b t h w c"]
) -> Float[Array, "b"]:
    """Length of the content's gradient along a random direction of the clip, averaged over layers."""
    pixels = noise.shape[1] * noise.shape[2] * noise.shape[3]
    gradient = jax.grad(lambda v: jnp.sum(synthesize(v) * noise) / jnp.sqrt(float(pixels)))(content)
    return jnp.sqrt(jnp.square(gradient).sum(axis=2).mean(axis=1))
