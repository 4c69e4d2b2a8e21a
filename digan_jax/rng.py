"""Named key streams: a random key is a function of (root seed, name, step). Nothing random is ever stored."""

from __future__ import annotations

import zlib

import jax
from jaxtyping import Array, Int, Key


def stream(root: Key[Array, ""], name: str, step: int | Int[Array, ""] = 0) -> Key[Array, ""]:
    """The key of one use of randomness: `name` says what for, `step` when. Use each (name, step) once."""
    return jax.random.fold_in(jax.random.fold_in(root, zlib.crc32(name.encode())), step)


def normal_by_id(key: Key[Array, ""], ids: Int[Array, "b"], width: int) -> Array:
    """Standard normal rows [b, width]; row i depends on `key` and `ids[i]` alone, whatever the batch or the devices."""
    return jax.vmap(lambda i: jax.random.normal(jax.random.fold_in(key, i), (width,)))(ids)
