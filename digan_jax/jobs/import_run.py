"""`digan import`: a run that continues from weights trained elsewhere."""

from __future__ import annotations

import contextlib
import dataclasses
import os

import jax
import jax.numpy as jnp
from etils import epath

from digan_jax.config import RunConfig
from digan_jax.errors import InputError
from digan_jax.host.files import check_free, folder_moved_in
from digan_jax.models import families
from digan_jax.runs import checkpoint
from digan_jax.runs.weights import Weights


def run_config(weights: Weights, config: RunConfig) -> RunConfig:
    """`config` with the architecture of the weights.

    Raises:
      InputError: the weights have no critics, or the configuration is of another family.
    """
    if config.family != weights.family:
        raise InputError(
            f"it holds a model of the family {weights.family!r}; the configuration's is {config.family!r}, choose another."
        )
    if weights.critic is None:
        raise InputError(
            "it holds a generator without critics, so its training cannot continue; start a run with --init-from it."
        )
    return dataclasses.replace(config, model=weights.config)


def write(out: epath.PathLike, weights: Weights, config: RunConfig, kimg: float = 0.0) -> int:
    """Writes the folder of a run with one checkpoint, and returns the checkpoint's step.

    The optimizer is fresh. The step corresponds to `kimg`, which keeps the EMA past its ramp-up. The run accepts any
    dataset when it is first continued.

    Args:
      weights: with generator and critics.
      config: of the run, from `run_config`.
      kimg: thousands of frame pairs that the weights were trained on.

    Raises:
      InputError: `out` exists.
    """
    check_free(out)
    step = config.train.steps(kimg)
    state = families.of(config).adopt(jax.random.key(config.train.seed), config, weights)
    state = dataclasses.replace(jax.tree.map(jnp.asarray, state), step=jnp.asarray(step, jnp.int32))
    position = {"seed": config.train.seed, "dataset": None, "step": step}
    bucket = "://" in os.fspath(out)  # Orbax itself writes atomically to buckets
    with contextlib.nullcontext(out) if bucket else folder_moved_in(out) as folder:
        checkpoint.write_run(folder, config, step, state, position)
    return step
