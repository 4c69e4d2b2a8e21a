"""The initial state of training: newly initialised, from other weights, or from the newest checkpoint."""

from __future__ import annotations

import jax
import numpy as np
from jax.sharding import Mesh

from digan_jax import config as config_lib
from digan_jax import devices
from digan_jax.config import RunConfig
from digan_jax.errors import InputError
from digan_jax.host.notes import say_once
from digan_jax.interop import opening
from digan_jax.models import families
from digan_jax.models.interface import State
from digan_jax.runs.checkpoint import FREE, Checkpointer


def fresh(config: RunConfig, mesh: Mesh, init_from: str | None = None) -> State:
    """The state of a new run, on the devices of `mesh`.

    Args:
      init_from: a run, an export or a network-snapshot.pkl with the initial weights; None: random, by train.seed.

    Raises:
      InputError: `init_from` cannot be read, or has another architecture; names the first field or array that differs.
    """
    family, key = families.of(config), jax.random.key(config.train.seed)
    if init_from is None:
        family.check_fresh(config)
    state = family.init(key, config) if init_from is None else _from_weights(init_from, key, config)
    # NumPy and jit instead of device_put, which does not reach the devices of other processes.
    place = jax.jit(lambda tree: tree, out_shardings=devices.of_state(mesh, state, config.mesh.fsdp))
    return place(jax.tree.map(np.asarray, state))


def _from_weights(place: str, key, config: RunConfig) -> State:
    found = opening.read(place, training=True)
    if found.family != config.family:
        raise InputError(
            f"--init-from {place}: holds a model of the family {found.family!r}, and family={config.family!r} is to be "
            "trained; give one of the same family."
        )
    if "critic" in families.of(config).saved_weights() and found.critic is None and jax.process_index() == 0:
        say_once(f"{place}: has no critics; new ones are initialised.")
    cure = "; set the model's fields to theirs, or start without it."
    changed = [
        line
        for line in config_lib.model_differences(found.config, config.model)
        if not line.startswith(FREE)
    ]
    if changed:
        raise InputError(f"--init-from {place}: has another architecture, {changed[0]} (theirs -> yours){cure}")
    try:
        return families.of(config).adopt(key, config, found)
    except InputError as error:
        raise InputError(f"--init-from {place}: {error}{cure}") from None


def restored(config: RunConfig, mesh: Mesh, saved: Checkpointer, dataset: str) -> State:
    """The state of the newest intact checkpoint, on the devices of `mesh`.

    Args:
      dataset: fingerprint of the training data.

    Raises:
      InputError: the run was trained on other data, or no checkpoint is intact.
    """
    abstract = jax.eval_shape(lambda key: families.of(config).init(key, config), jax.random.key(0))
    place = lambda x, sharding: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding)
    state, theirs = saved.restore(jax.tree.map(place, abstract, devices.of_state(mesh, abstract, config.mesh.fsdp)))
    if theirs["dataset"] not in (None, dataset):  # None: imported from another implementation
        raise InputError(
            f"the data changed since this run's last checkpoint ({theirs['dataset']} -> {dataset}); "
            "bring the old data back, or start a new --workdir with --init-from this one."
        )
    return state
