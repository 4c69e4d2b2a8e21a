"""One mesh of all devices, axes `data` and `model`, and the shardings that live on it."""

from __future__ import annotations

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from digan_jax.errors import InputError
from digan_jax.shapes import Batch, Params


def make_mesh(model_parallel: int = 1) -> Mesh:
    """All devices of all processes, `model_parallel` of them to a copy of the parameters.

    Raises:
      InputError: the number of devices is no multiple of `model_parallel`.
    """
    devices = jax.device_count()
    if devices % model_parallel:
        raise InputError(f"mesh.model={model_parallel}: does not divide the {devices} devices; use a divisor.")
    axes = (AxisType.Auto, AxisType.Auto)  # explicit axes refuse the reshape of the minibatch statistics
    return jax.make_mesh((devices // model_parallel, model_parallel), ("data", "model"), axis_types=axes)


def by_batch(mesh: Mesh) -> NamedSharding:
    """The first axis over the data-parallel devices."""
    return NamedSharding(mesh, PartitionSpec("data"))


def replicated(mesh: Mesh) -> NamedSharding:
    return NamedSharding(mesh, PartitionSpec())


def of_state(mesh: Mesh, state):
    """A sharding for each array of a state: replicated, or with mesh.model > 1 matrices split along their outputs."""
    parts = mesh.shape["model"]

    def of_array(x):
        split = parts > 1 and x.ndim >= 2 and x.shape[0] % parts == 0
        return NamedSharding(mesh, PartitionSpec("model") if split else PartitionSpec())

    return jax.tree.map(of_array, state)


def check_batch(batch_size: int, mesh: Mesh) -> None:
    """Raises InputError when the global batch does not split evenly over devices and processes."""
    devices = mesh.shape["data"]
    if batch_size % devices:
        nearest = max(devices, batch_size // devices * devices)
        raise InputError(
            f"train.batch_size={batch_size}: not divisible by the {devices} data-parallel devices; use {nearest}."
        )


def place_batch(batch: Batch, mesh: Mesh) -> Batch:
    """Arrays of this process's share of a batch to global arrays, sharded by batch."""
    sharding = by_batch(mesh)
    return jax.tree.map(lambda x: jax.make_array_from_process_local_data(sharding, np.asarray(x)), batch)


def local_mesh() -> jax.sharding.Mesh:
    """All devices of this process along one axis; other processes draw clips of their own."""
    devices = jax.local_devices()
    return jax.make_mesh((len(devices),), ("data",), axis_types=(AxisType.Auto,), devices=devices)


def replicate(params: Params) -> Params:
    """A copy on every local device, made once for all clips."""
    return jax.device_put(params, NamedSharding(local_mesh(), PartitionSpec()))


# Not YNNPACK's convolutions, XLA:CPU's choice by default: Eigen's take half their time. Products and sums stay.
CPU_OPTIONS = {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT,LIBRARY_FUSION_TYPE_REDUCE"}


@cache
def compiler_options(platform: str) -> dict[str, str] | None:
    """For `jax.jit`. None where there are none, or the installed jaxlib does not know them."""
    if platform != "cpu":
        return None
    try:
        jax.jit(jnp.negative, compiler_options=CPU_OPTIONS).lower(0.0).compile()
    except jax.errors.JaxRuntimeError:
        return None
    return CPU_OPTIONS
