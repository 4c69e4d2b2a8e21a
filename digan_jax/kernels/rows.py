"""A function of each row by itself, so that not even rounding depends on how many rows there are."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Float

from digan_jax.shapes import Array


def map_rows(f: Callable, rows, finite: Float[Array, "n _"]) -> Float[Array, "n *_"]:
    """[f(row) for each row], where a row is `rows` with leading axes of length 1, which f keeps.

    `jax.lax.map`, but for one row too: XLA would see that the loop runs once and which row it takes, and compile
    another program. So there are two rows or more, and how many of them are taken is data: as many as `finite` has
    rows, whose numbers all are.
    """
    n = len(finite)
    if n == 1:
        rows = jax.tree.map(lambda x: jnp.concatenate([x, x]), rows)
    at = lambda i: jax.tree.map(lambda x: jax.lax.dynamic_slice_in_dim(x, i, 1), rows)
    shape = jax.eval_shape(lambda: f(at(0)))
    done = jnp.zeros((max(n, 2), *shape.shape[1:]), shape.dtype)
    put = lambda i, done: jax.lax.dynamic_update_slice_in_dim(done, f(at(i)), i, 0)
    return jax.lax.fori_loop(0, jnp.sum(jnp.isfinite(finite[:, 0])), put, done)[:n]
