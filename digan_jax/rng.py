"""Named random streams: a key is a function of (root key, name, step), so no random state is stored."""

from __future__ import annotations

import zlib

import jax
from jaxtyping import Array, Int, Key


def stream(root: Key[Array, ""], name: str, step: int | Int[Array, ""] = 0) -> Key[Array, ""]:
    """The random key for purpose `name` at iteration `step`. Use each (name, step) once."""
    return jax.random.fold_in(jax.random.fold_in(root, zlib.crc32(name.encode())), step)


def normal_by_id(key: Key[Array, ""], ids: Int[Array, "b"], width: int) -> Array:
    """Standard normal float32 [b, width]. Row i depends on `key` and `ids[i]` alone, not on batch or devices."""
    return jax.vmap(lambda i: jax.random.normal(jax.random.fold_in(key, i), (width,)))(ids)
