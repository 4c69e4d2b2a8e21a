"""Applies a function row by row: bitwise equal results for a row whatever the number of rows."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Float

from digan_jax.shapes import Array


def map_rows(f: Callable, rows, finite: Float[Array, "n _"]) -> Float[Array, "n *_"]:
    """`jax.lax.map` whose body compiles to the same program for any number of rows.

    XLA unrolls a loop with a known trip count of one and compiles its body differently. So a single row is padded to
    two, and the trip count is computed from data: the number of finite rows of `finite`.
    """
    n = len(finite)
    if n == 1:
        rows = jax.tree.map(lambda x: jnp.concatenate([x, x]), rows)
    at = lambda i: jax.tree.map(lambda x: jax.lax.dynamic_slice_in_dim(x, i, 1), rows)
    shape = jax.eval_shape(lambda: f(at(0)))
    done = jnp.zeros((max(n, 2), *shape.shape[1:]), shape.dtype)
    put = lambda i, done: jax.lax.dynamic_update_slice_in_dim(done, f(at(i)), i, 0)
    return jax.lax.fori_loop(0, jnp.sum(jnp.isfinite(finite[:, 0])), put, done)[:n]
