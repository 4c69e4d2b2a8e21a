"""Compiles the training iteration. The only module of training with `jit`, donation and shardings."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import jax

from digan_jax import devices, kernels
from digan_jax.config import RunConfig
from digan_jax.models import families
from digan_jax.models.interface import Metrics, Setting, State
from digan_jax.shapes import Batch


def compile_iteration(config: RunConfig, mesh: jax.sharding.Mesh) -> Callable[[State, Batch], tuple[State, Metrics]]:
    """Compiles the model family's iteration for the mesh: (state, batch) -> (state, metrics).

    The state is donated: its buffers may not be used after the call.
    """
    family = families.of(config)
    split = partial(jax.lax.with_sharding_constraint, shardings=devices.by_batch(mesh))
    shapes = jax.eval_shape(lambda key: family.init(key, config), jax.random.key(0))
    state = devices.of_state(mesh, shapes, config.mesh.fsdp)
    shardings = dict(in_shardings=(state, devices.by_batch(mesh)), out_shardings=(state, devices.replicated(mesh)))
    options = devices.compiler_options(mesh.devices.flat[0].platform)
    program = kernels.shared_by(mesh.shape["data"])(partial(family.iteration, Setting(config, split)))
    return jax.jit(program, donate_argnums=0, compiler_options=options, **shardings)
