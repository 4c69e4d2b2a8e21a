"""The state that training starts from: fresh, from other weights, or from the newest checkpoint."""

from __future__ import annotations

import dataclasses
import sys
from functools import partial

import jax
import numpy as np
from jax.sharding import Mesh

from digan_jax import config as config_lib
from digan_jax import devices, rng
from digan_jax.config import ModelConfig, RunConfig
from digan_jax.errors import InputError
from digan_jax.interop import opening
from digan_jax.models.digan.networks import Nets
from digan_jax.models.digan.state import GanState, init_state, state_from_params
from digan_jax.runs.checkpoint import Checkpointer


def fresh(config: RunConfig, nets: Nets, mesh: Mesh, init_from: str | None = None) -> GanState:
    """The state of a new run, on the devices of `mesh`.

    Raises:
      InputError: the run `init_from` has another architecture; names the first field or array that differs.
    """
    key = jax.random.key(config.train.seed)
    if init_from is None:
        state = init_state(key, nets, config.train)
    else:
        theirs, weights = _starting_weights(init_from, key, nets)
        changed = config_lib.differences(dataclasses.replace(config, model=theirs), config)
        ours = jax.eval_shape(partial(init_state, nets=nets, config=config.train), key)
        changed += [line for name in weights for line in _misfits(name, weights[name], getattr(ours, name))]
        if changed:
            raise InputError(
                f"--init-from {init_from}: has another architecture, {changed[0]} (theirs -> yours); "
                "set the model's fields to theirs, or start without it."
            )
        state = state_from_params(**weights, config=config.train)
    # Through numpy and jit, not device_put: the devices may be spread over processes.
    place = jax.jit(lambda tree: tree, out_shardings=devices.of_state(mesh, state))
    return place(jax.tree.map(np.asarray, state))


def _starting_weights(place: str, key, nets: Nets) -> tuple[ModelConfig, dict]:
    """Architecture and {"generator", "critic", "ema", "w_avg"}. Where a model was given away without its critics, they
    start anew, against the averaged generator."""
    found = opening.read(place, training=True)
    ema = {name: found.params[name] for name in ("mapping", "synthesis")}
    generator, critic = found.generator, found.critic
    if critic is None:
        if jax.process_index() == 0:
            print(f"{place}: has no critics; they start anew.", file=sys.stderr)
        generator, critic = jax.tree.map(np.copy, ema), nets.critic.init(rng.stream(key, "init/critic"))
    weights = {"generator": generator, "critic": critic, "ema": ema, "w_avg": found.params["w_avg"]}
    return found.config, weights


def _misfits(name: str, theirs, ours) -> list[str]:
    """One line for each array of a tree that is missing, too much or of another shape."""
    shapes = lambda tree: {jax.tree_util.keystr(path): np.shape(x) for path, x in jax.tree.leaves_with_path(tree)}
    a, b = shapes(theirs), shapes(ours)
    return [f"{name}{path}: {a.get(path)} -> {b.get(path)}" for path in sorted(a | b) if a.get(path) != b.get(path)]


def restored(config: RunConfig, nets: Nets, mesh: Mesh, saved: Checkpointer, position: dict) -> GanState:
    """The state of the newest checkpoint, on the devices of `mesh`.

    Raises:
      InputError: it was trained on other data, so that its place in them means nothing.
    """
    abstract = jax.eval_shape(partial(init_state, nets=nets, config=config.train), jax.random.key(0))
    place = lambda x, sharding: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding)
    state, theirs = saved.restore(jax.tree.map(place, abstract, devices.of_state(mesh, abstract)))
    if theirs["dataset"] not in (None, position["dataset"]):  # None: imported, from another implementation's data
        raise InputError(
            f"the data changed since this run's last checkpoint ({theirs['dataset']} -> {position['dataset']}); "
            "bring the old data back, or start a new --workdir with --init-from this one."
        )
    return state
