"""Maps between the times they were given at."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Float

from digan_jax.shapes import Array


def weights(at: Float[Array, "b s"], times: Float[Array, "b t"]) -> Float[Array, "b t s"]:
    """The share of each of s maps at each time: linear between the two times around it, constant before and after.

    Args:
      at: times of the maps, strictly ascending. times: any, in the same unit.
    """
    when = jnp.clip(times, at[:, :1], at[:, -1:])[:, :, None]
    gaps = jnp.diff(at, axis=1)[:, None]
    passed = jnp.clip((when - at[:, None, :-1]) / gaps, 0, 1)  # [b t s-1] the share of each gap that has gone by
    one = jnp.ones_like(when)
    begun = jnp.concatenate([one, passed], axis=2)
    return begun - jnp.concatenate([passed, jnp.zeros_like(when)], axis=2)


def at_times(maps: Float[Array, "b s *_"], at: Float[Array, "b s"], times: Float[Array, "b t"]) -> Float[Array, "b t *_"]:
    """Maps at any times: linear in t between the times `at` that they were given at, constant before and after."""
    flat = maps.reshape(*maps.shape[:2], -1)
    mixed = jnp.einsum("bts,bsn->btn", weights(at, times), flat, precision=jax.lax.Precision.HIGHEST)
    return mixed.reshape(*times.shape, *maps.shape[2:])
