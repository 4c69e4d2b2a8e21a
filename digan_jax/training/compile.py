"""Compiles the training iteration. The only module of training with `jit`, donation and shardings."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import jax

from digan_jax import devices, flops, kernels
from digan_jax.config import RunConfig, phases
from digan_jax.models import families
from digan_jax.models.interface import Metrics, Setting, State
from digan_jax.shapes import Batch


def compile_iteration(
    config: RunConfig, mesh: jax.sharding.Mesh, step: int = 0
) -> Callable[[State, Batch], tuple[State, Metrics]]:
    """Compiles the model family's iteration for the mesh: (state, batch) -> (state, metrics).

    The state is donated: its buffers may not be used after the call.

    Args:
      step: an iteration of the phase that it is for; of `train.phases`.
    """
    family = families.of(config)
    split = partial(jax.lax.with_sharding_constraint, shardings=devices.by_batch(mesh))
    whole = lambda tree: jax.lax.with_sharding_constraint(tree, devices.of_state(mesh, tree))
    now = phases.at(config, step)
    setting = Setting(now, split, whole) if config.mesh.fsdp else Setting(now, split)
    shapes = jax.eval_shape(lambda key: family.init(key, config), jax.random.key(0))
    state = devices.of_state(mesh, shapes, config.mesh.fsdp)
    shardings = dict(in_shardings=(state, devices.by_batch(mesh)), out_shardings=(state, devices.replicated(mesh)))
    options = devices.compiler_options(mesh.devices.flat[0].platform)
    program = kernels.shared_by(mesh.shape["data"])(partial(family.iteration, setting))
    return jax.jit(program, donate_argnums=0, compiler_options=options, **shardings)


def work(config: RunConfig, iteration: Callable, state: State, batch: Batch) -> float:
    """FLOPs of an iteration on all devices together, on average over steps with and without lazy regularisers.

    Args:
      iteration: from `compile_iteration`. Its trace is kept: calling it with these arguments does not trace again.
    """
    [platform] = {device.platform for device in jax.tree.leaves(state)[0].sharding.device_set}
    platform = "cuda" if platform == "gpu" else platform
    counted = flops.count(iteration.trace(state, batch).jaxpr, platform)
    return counted.mean(families.of(config).lazy(config))
