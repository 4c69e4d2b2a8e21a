"""From ids to latents. An id is the seed of a row: content and motion of row i depend on id i alone."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from digan_jax import rng
from digan_jax.errors import InputError
from digan_jax.kernels import map_rows
from digan_jax.models.digan.networks import Nets, repeat_content
from digan_jax.shapes import Array, Latents, Params


def content_noise(seed: int, ids: Int[np.ndarray, "b"], width: int) -> Float[Array, "b {width}"]:
    """z of each id: standard normal."""
    return rng.normal_by_id(rng.stream(jax.random.key(seed), "content"), jnp.asarray(ids), width)


def motion_noise(seed: int, ids: Int[np.ndarray, "b"], width: int) -> Float[Array, "b {width}"]:
    """z_m of each id: standard normal, independent of the content noise of the same id."""
    return rng.normal_by_id(rng.stream(jax.random.key(seed), "motion"), jnp.asarray(ids), width)


@partial(jax.jit, static_argnames="nets")
def from_noise(
    params: Params,
    z: Float[Array, "b z"],
    motion: Float[Array, "b m"],
    label: Float[Array, "b classes"] | None,
    truncation: float | Float[Array, ""],
    nets: Nets,
) -> Latents:
    """Maps z to the content of every layer, truncated."""
    # Row by row, so that not even rounding depends on the batch: the same id is the same clip, bit for bit.
    w = map_rows(lambda row: nets.generator.mapping(params, *row), (z, label), finite=z)
    return Latents(repeat_content(truncated(w, params["w_avg"], truncation), nets.generator.n_layers), motion)


def truncated(w: Float[Array, "b w"], w_avg: Float[Array, "w"], truncation) -> Float[Array, "b w"]:
    """w_avg + truncation (w - w_avg) (Karras et al. 2019, section B)."""
    return w_avg[None] + truncation * (w - w_avg[None])


def check_ids(ids, name: str = "ids") -> Int[np.ndarray, "b"]:
    """One id or several, as int32.

    Raises:
      InputError: none at all, or one that is not a whole number in [0, 2**31).
    """
    rows = np.atleast_1d(np.asarray(ids))
    if rows.ndim != 1 or rows.size == 0:
        raise InputError(f"{name}={ids}: needs one id or a list of them.")
    if not np.issubdtype(rows.dtype, np.integer) or rows.min() < 0 or rows.max() >= 2**31:
        raise InputError(f"{name}={ids}: ids are whole numbers from 0 to 2**31 - 1; each names one clip.")
    return rows.astype(np.int32)


def label_indices(label, names: Sequence[str]):
    """Class names as indices; what is no text passes.

    Args:
      label: index, name, list of either, or None. names: of the classes, in order; may be unknown, which is empty.

    Raises:
      InputError: a name that no class has; lists names that are close, or says that the run kept none.
    """
    if isinstance(label, str):
        if label in names:
            return names.index(label)
        close = difflib.get_close_matches(label, names, 3, 0) or list(names[:3])
        known = f"names of classes are, among others, {close}" if names else "this model knows no names, only numbers"
        raise InputError(f"label={label!r}: {known}.")
    return [label_indices(one, names) for one in label] if isinstance(label, (list, tuple)) else label


def one_hot(label, ids: Int[np.ndarray, "b"], n_classes: int, seed: int = 0) -> Float[np.ndarray, "b classes"] | None:
    """Class indices as rows for the mapping; None for an unconditional model.

    Args:
      label: one class index for all rows, or one for each; None: drawn evenly, row i by id i alone.

    Raises:
      InputError: a label for an unconditional model, of a class that is not there, or not one for each row.
    """
    if n_classes == 0:
        if label is not None:
            raise InputError(f"label={label}: this model knows no classes (model.n_classes=0); leave the label out.")
        return None
    if label is None:
        key = rng.stream(jax.random.key(seed), "label")
        draw = jax.vmap(lambda i: jax.random.randint(jax.random.fold_in(key, i), (), 0, n_classes))
        label = np.asarray(draw(jnp.asarray(ids)))
    index = np.asarray(label)
    if not np.issubdtype(index.dtype, np.integer) or index.min(initial=0) < 0 or index.max(initial=0) >= n_classes:
        raise InputError(f"label={label}: classes of this model are whole numbers from 0 to {n_classes - 1}.")
    if index.shape not in ((), (1,), (len(ids),)):
        raise InputError(f"label={label}: give one class for all {len(ids)} clips or one for each.")
    return np.eye(n_classes, dtype=np.float32)[np.broadcast_to(index, (len(ids),))]
