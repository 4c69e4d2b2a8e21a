"""Losses and regularisers (paper, section 3.2; R1: Mescheder et al. 2018; path length: Karras et al. 2020)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float

from digan_jax.shapes import Array


class Adversarial(NamedTuple):
    """The losses of one critic's scores, fake and real, each [*n]: means over all."""

    compares: bool  # fake and real row by row; otherwise the generator's loss takes fakes alone
    generator: Callable[..., Float[Array, ""]]  # of fake scores, and of real ones if it compares
    critic: Callable[[Array, Array], Float[Array, ""]]  # of fake and real scores
    lead: Callable[[Array, Array], Array]  # of real over fake: above 0 where the critic is right about the real


ADVERSARIAL = {
    # softplus(-fake); softplus(fake) + softplus(-real) (Goodfellow et al. 2014)
    "non_saturating": Adversarial(
        compares=False,
        generator=lambda fake: jax.nn.softplus(-fake).mean(),
        critic=lambda fake, real: jax.nn.softplus(fake).mean() + jax.nn.softplus(-real).mean(),
        lead=lambda fake, real: real,
    ),
    # softplus(loser - winner): real wins for critics, fake for the generator (R3GAN, Huang et al. 2024)
    "relativistic": Adversarial(
        compares=True,
        generator=lambda fake, real: jax.nn.softplus(real - fake).mean(),
        critic=lambda fake, real: jax.nn.softplus(fake - real).mean(),
        lead=lambda fake, real: real - fake,
    ),
}  # by `train.loss`


def squared_differences(
    score: Float[Array, "*n"], moved: Float[Array, "*n"], sigma: float
) -> Float[Array, "*n"]:
    """((score at x + σε) - (score at x))² / σ²: in expectation the squared gradient norm (Lin et al. 2025)."""
    return jnp.square((moved - score) / sigma)


def squared_gradients(score: Callable, *inputs: Array) -> tuple[Array, ...]:
    """R1's squared gradient norms, |∂(sum of scores)/∂input|² of each input, summed over its axes [h w c].

    Args:
      score: function of the inputs that returns the sum of their scores.
      inputs: arrays [... h w c].
    """
    gradients = jax.grad(score, argnums=tuple(range(len(inputs))))(*inputs)
    return tuple(jnp.sum(jnp.square(g), axis=(-3, -2, -1)) for g in gradients)


def path_length(
    synthesize: Callable, content: Float[Array, "b layers w_dim"], noise: Float[Array, "b t h w c"]
) -> Float[Array, "b"]:
    """Path length |∂⟨clip, noise⟩/∂content| / sqrt(t h w), root mean square over layers (Karras et al. 2020)."""
    pixels = noise.shape[1] * noise.shape[2] * noise.shape[3]
    gradient = jax.grad(lambda v: jnp.sum(synthesize(v) * noise) / jnp.sqrt(float(pixels)))(content)
    return jnp.sqrt(jnp.square(gradient).sum(axis=2).mean(axis=1))
