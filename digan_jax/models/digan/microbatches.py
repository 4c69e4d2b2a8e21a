"""Gradient accumulation: a step's means over the batch, computed over one part of the batch after another."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from digan_jax.models.interface import Setting


def mean(setting: Setting, of_rows: Callable, rows):
    """`of_rows(rows)`; with `train.microbatch`, its mean over microbatches, of which only one is in memory at a time.

    Microbatch i of n has rows i, i + n, i + 2n, ... of the batch. So each device keeps the rows it has, and the groups
    of the minibatch deviation (`critics.minibatch_deviation`: rows b / group apart) are those of the whole batch.

    Args:
      of_rows: maps rows to a tree of float arrays, each a mean over the rows.
      rows: tree of arrays [b ...].
    """
    batch, part = setting.config.train.batch_size, setting.config.train.microbatch
    if part in (0, batch):
        return of_rows(rows)
    n = batch // part
    parts = jax.tree.map(lambda x: x.reshape(part, n, *x.shape[1:]).swapaxes(0, 1), rows)
    kind = jax.eval_shape(lambda parts: of_rows(jax.tree.map(lambda x: x[0], parts)), parts)

    def add(total, part_rows):
        return jax.tree.map(jnp.add, total, of_rows(jax.tree.map(setting.split, part_rows))), None

    total, _ = jax.lax.scan(add, jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), kind), parts)
    return jax.tree.map(lambda x: x / n, total)
