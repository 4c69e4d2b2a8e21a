"""Learning rates that fall to 0 at the end of a run."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from digan_jax.config import TrainConfig
from digan_jax.shapes import Array, Params


def annealed(updates: Params, step: Int[Array, ""], train: TrainConfig) -> Params:
    """The updates of iteration `step`, times a factor that falls along a line over the last share `train.anneal` of a run.

    It is 1 before that share, and 0 after the run (the decay of warmup-stable-decay schedules, Hu et al. 2024).
    """
    if not train.anneal:
        return updates
    total = train.steps(train.total_kimg)
    left = jnp.clip((total - step.astype(jnp.float32)) / (train.anneal * total), 0, 1)
    return jax.tree.map(lambda update: left * update, updates)
