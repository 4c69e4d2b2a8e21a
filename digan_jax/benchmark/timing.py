"""The unit, and how one row's work is timed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

SIDE = 2048  # of the unit's matrices


class Timing(NamedTuple):
    """Seconds."""

    median: float
    spread: float  # half the distance between the quartiles


class Work(NamedTuple):
    """One row's work, ready to be timed."""

    seconds: Callable[[int], Timing]  # repeats -> time of one
    compile_seconds: float | None = None
    scratch_bytes: int | None = None  # that the compiled program takes beside its arguments and results
    peak_bytes: int | None = None  # with them; a donated argument that becomes a result counts once
    flops: float | None = None  # of the program as it is written
    bytes_moved: float | None = None  # between memory and processor, of the program as compiled for this device
    amount: tuple[float, str] | None = None  # what one time delivers, such as (16, "pairs")


class Unavailable(Exception):
    """A row that this machine cannot measure; the message says why."""


def timed(call: Callable[[], object], repeats: int) -> Timing:
    """Of calls that are compiled already; one more runs first."""
    jax.block_until_ready(call())
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(call())
        seconds.append(time.perf_counter() - start)
    low, _, high = statistics.quantiles(seconds, n=4) if repeats > 1 else seconds * 3
    return Timing(statistics.median(seconds), (high - low) / 2)


@jax.jit
def _square(x):
    return jnp.matmul(x, x, precision=jax.lax.Precision.HIGHEST)


def unit(repeats: int = 15) -> Timing:
    """U."""
    a = jnp.ones((SIDE, SIDE), jnp.float32)
    return timed(lambda: _square(a), repeats)


def compiled(function, *arguments) -> tuple[Callable, dict]:
    """The program, and the fields of `Work` that the compiler knows."""
    start = time.perf_counter()
    lowered = function.lower(*arguments)
    program = lowered.compile()
    known = {"compile_seconds": time.perf_counter() - start}
    if (memory := program.memory_analysis()) is not None:
        known["scratch_bytes"] = memory.temp_size_in_bytes
        held = memory.argument_size_in_bytes + memory.output_size_in_bytes - memory.alias_size_in_bytes
        known["peak_bytes"] = held + memory.temp_size_in_bytes
    written, built = lowered.cost_analysis() or {}, program.cost_analysis() or {}
    return program, known | {"flops": written.get("flops"), "bytes_moved": built.get("bytes accessed")}
