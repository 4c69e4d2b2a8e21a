"""Ids to latents. An id is the seed of a clip: content and motion of row i depend on id i alone."""

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
    """Content noise z of each id: standard normal."""
    return rng.normal_by_id(rng.stream(jax.random.key(seed), "content"), jnp.asarray(ids), width)


def motion_noise(seed: int, ids: Int[np.ndarray, "b"], width: int) -> Float[Array, "b {width}"]:
    """Motion noise z_m of each id: standard normal, independent of the content noise."""
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
    """Latents of noise: mapping network, truncation, one copy of w per layer.

    Args:
      z: content noise. motion: motion noise.
      label: one-hot; None for an unconditional model.
      truncation: psi; 1 changes nothing.
    """
    # Row by row: the same id gives the same clip, bit for bit, in any batch.
    w = map_rows(lambda row: nets.generator.mapping(params, *row), (z, label), finite=z)
    return Latents(repeat_content(truncated(w, params["w_avg"], truncation), nets.generator.n_layers), motion)


def truncated(w: Float[Array, "b w"], w_avg: Float[Array, "w"], truncation) -> Float[Array, "b w"]:
    """Truncation: w_avg + truncation · (w - w_avg) (Karras et al. 2019, appendix B)."""
    return w_avg[None] + truncation * (w - w_avg[None])


def check_ids(ids, name: str = "ids") -> Int[np.ndarray, "b"]:
    """One id or a list of ids as an int32 array [b].

    Raises:
      InputError: no id, or an id that is not a whole number in [0, 2**31).
    """
    rows = np.atleast_1d(np.asarray(ids))
    if rows.ndim != 1 or rows.size == 0:
        raise InputError(f"{name}={ids}: needs one id or a list of them.")
    if not np.issubdtype(rows.dtype, np.integer) or rows.min() < 0 or rows.max() >= 2**31:
        raise InputError(f"{name}={ids}: ids are whole numbers from 0 to 2**31 - 1; each names one clip.")
    return rows.astype(np.int32)


def label_indices(label, names: Sequence[str]):
    """Replaces class names by class indices; indices and None are returned as they are.

    Args:
      label: index, name, list of either, or None.
      names: class names in order of index; empty if unknown.

    Raises:
      InputError: an unknown name. The message lists similar names, or says that the model has no class names.
    """
    if isinstance(label, str):
        if label in names:
            return names.index(label)
        close = difflib.get_close_matches(label, names, 3, 0) or list(names[:3])
        known = f"names of classes are, among others, {close}" if names else "this model knows no names, only numbers"
        raise InputError(f"label={label!r}: {known}.")
    return [label_indices(one, names) for one in label] if isinstance(label, (list, tuple)) else label


def one_hot(label, ids: Int[np.ndarray, "b"], n_classes: int, seed: int = 0) -> Float[np.ndarray, "b classes"] | None:
    """One-hot class labels; None for an unconditional model.

    Args:
      label: one class index for all rows or one per row; None: random, row i a function of seed and id i alone.

    Raises:
      InputError: a label for an unconditional model, an index out of range, or a wrong number of labels.
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
