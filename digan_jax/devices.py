"""The mesh of all devices, with axes `data` and `model`, and the shardings on it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from digan_jax.errors import InputError, PeerLost, TrainingDiverged
from digan_jax.host import library_logs, peers
from digan_jax.shapes import Batch, Params


def make_mesh(model_parallel: int = 1) -> Mesh:
    """The mesh [data, model] of all devices of all processes. `model_parallel` devices share a copy of the parameters.

    Raises:
      InputError: `model_parallel` does not divide the number of devices.
    """
    devices = jax.device_count()
    if devices % model_parallel:
        raise InputError(f"mesh.model={model_parallel}: does not divide the {devices} devices; use a divisor.")
    axes = (AxisType.Auto, AxisType.Auto)  # explicit axes do not support the reshape of the minibatch deviation
    return jax.make_mesh((devices // model_parallel, model_parallel), ("data", "model"), axis_types=axes)


MISSED_BEATS = 600  # seconds; the library's own watch is late and ends in a stack dump, `host.peers` is earlier


@contextlib.contextmanager
def joined(
    coordinator: str | None, number: int | None, count: int | None, wait: float, same: str = ""
) -> Iterator[None]:
    """Within the block this process is one of several. Without a coordinator the library asks the cluster for all.

    Args:
      coordinator: HOST:PORT of process 0. number: of this process, from 0. count: of all.
      wait: seconds for the others to come.
      same: what all must have in common; see `peers.meet`.

    Raises:
      InputError: only some of the three are given, or they do not fit.
      PeerLost: others did not come, or are gone.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # read when the client starts: all it logs is said here too
    given = {"--coordinator": coordinator, "--process-id": number, "--process-count": count}
    if missing := [flag for flag, value in given.items() if value is None]:
        if len(missing) < 3:
            raise InputError(f"{' and '.join(missing)} must be given too: of several processes each is told all three.")
        all_here = peers.Peers(0, 1, {})
    else:
        all_here = peers.meet(coordinator, number, count, wait, same)
        all_here.end_aborts()
    failed = "an error that it tells itself."
    try:
        with library_logs.shown_late(unless=lambda: all_here.lost):
            initialize(coordinator, number, count, wait)
            yield
        failed = None
    except (InputError, TrainingDiverged) as error:
        failed = str(error)
        raise
    except Exception:
        if not all_here.is_lost(peers.GRACE if count else 0):  # a collective may know before the watch does
            raise
        raise PeerLost(all_here.lost) from None
    finally:
        all_here.close(failed)


def initialize(
    coordinator: str | None = None,
    number: int | None = None,
    count: int | None = None,
    wait: float = 60,
    cure: str = "Give --coordinator, --process-id and --process-count.",
) -> None:
    """`jax.distributed.initialize`, with its refusals as messages.

    Raises:
      InputError: no cluster was detected; `cure` says what to give instead.
      PeerLost: the others did not come within `wait` seconds.
    """
    limits = {"initialization_timeout": int(wait), "heartbeat_timeout_seconds": MISSED_BEATS}
    try:
        jax.distributed.initialize(coordinator, count, number, shutdown_timeout_seconds=60, **limits)
    except ValueError as error:  # nothing was detected
        raise InputError(f"--distributed: {error} {cure}") from None
    except jax.errors.JaxRuntimeError as error:
        first, *_ = str(error).splitlines()
        raise PeerLost(f"not all processes came together within {wait:g} s ({first}); start all of them.") from None


def by_batch(mesh: Mesh) -> NamedSharding:
    """Sharding of the batch: first axis over mesh axis `data`."""
    return NamedSharding(mesh, PartitionSpec("data"))


def replicated(mesh: Mesh) -> NamedSharding:
    """A full copy on every device."""
    return NamedSharding(mesh, PartitionSpec())


def of_state(mesh: Mesh, state, fsdp: bool = False):
    """A sharding for each array of a state: replicated; with mesh.model > 1, matrices are split over their outputs.

    With `fsdp`, matrices of the field `ema` and of fields with "optimizer" in their names are also split over the axis
    `data`, along the largest axis that it divides: a step reads there only what it updates (ZeRO, Rajbhandari et al.
    2020, stage 1). Vectors stay whole.
    """
    models, copies = mesh.shape["model"], mesh.shape["data"]

    def of_array(path, x):
        axes = [None] * x.ndim
        if models > 1 and x.ndim >= 2 and x.shape[0] % models == 0:
            axes[0] = "model"
        field = getattr(path[0], "name", "") if path else ""
        if fsdp and copies > 1 and x.ndim >= 2 and (field == "ema" or "optimizer" in field):
            free = [axis for axis, size in enumerate(x.shape) if axes[axis] is None and size % copies == 0]
            if free:
                axes[max(free, key=lambda axis: x.shape[axis])] = "data"
        return NamedSharding(mesh, PartitionSpec(*axes) if any(axes) else PartitionSpec())

    return jax.tree.map_with_path(of_array, state)


def check_batch(batch_size: int, mesh: Mesh, microbatch: int = 0) -> None:
    """Checks that the global batch, or each microbatch of it, splits evenly over the data-parallel devices.

    Raises:
      InputError: it does not.
    """
    devices = mesh.shape["data"]
    for name, clips in (("batch_size", batch_size), ("microbatch", microbatch)):
        if clips % devices:
            nearest = max(devices, clips // devices * devices)
            raise InputError(
                f"train.{name}={clips}: not divisible by the {devices} data-parallel devices; use {nearest}."
            )


def place_batch(batch: Batch, mesh: Mesh) -> Batch:
    """This process's shard of a batch to global arrays, sharded by batch."""
    sharding = by_batch(mesh)
    return jax.tree.map(lambda x: jax.make_array_from_process_local_data(sharding, np.asarray(x)), batch)


def local_mesh() -> jax.sharding.Mesh:
    """All devices of this process along axis `data`, for rendering: each process draws its own clips."""
    devices = jax.local_devices()
    return jax.make_mesh((len(devices),), ("data",), axis_types=(AxisType.Auto,), devices=devices)


def replicate(params: Params) -> Params:
    """Copies the parameters to every device of this process."""
    return jax.device_put(params, NamedSharding(local_mesh(), PartitionSpec()))


# YNNPACK for matrix products and sums only: its convolutions, XLA:CPU's default, take twice the time of Eigen's.
CPU_OPTIONS = {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT,LIBRARY_FUSION_TYPE_REDUCE"}


@cache
def compiler_options(platform: str) -> dict[str, str] | None:
    """Options for `jax.jit`: `CPU_OPTIONS` on CPU if the installed jaxlib knows them, otherwise None."""
    if platform != "cpu":
        return None
    try:
        jax.jit(jnp.negative, compiler_options=CPU_OPTIONS).lower(0.0).compile()
    except jax.errors.JaxRuntimeError:
        return None
    return CPU_OPTIONS
