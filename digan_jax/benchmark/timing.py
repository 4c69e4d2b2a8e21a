"""Timing, and the unit U."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from digan_jax import flops

SIDE = 2048  # of the unit's matrices
ACCELERATOR = "cuda"  # any other platform than the CPU has the same kernels


class Timing(NamedTuple):
    """Median and spread of repeated measurements, in seconds."""

    median: float
    spread: float  # half the interquartile range


class Work(NamedTuple):
    """A benchmark, ready to be timed."""

    seconds: Callable[[int], Timing]  # number of repeats -> time of one
    compile_seconds: float | None = None  # from the trace to the program
    scratch_bytes: int | None = None  # temporary memory of the compiled program
    peak_bytes: int | None = None  # temporary memory, arguments and results; donated arguments count once
    flops: float | None = None  # of the program that an accelerator gets, on average over calls
    bytes_moved: float | None = None  # by one device's program, on average; None on CPU, whose kernels are others
    dtype: str = "float32"  # of the activations
    amount: tuple[float, str] | None = None  # output of one repeat, such as (16, "pairs")


class Unavailable(Exception):
    """This machine cannot run a benchmark; the message says why."""


def timed(call: Callable[[], object], repeats: int) -> Timing:
    """Times `repeats` calls after one warm-up call."""
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
    """Measures U: one 2048×2048 float32 matrix product."""
    a = jnp.ones((SIDE, SIDE), jnp.float32)
    return timed(lambda: _square(a), repeats)


def compiled(function, *arguments, every: Sequence[int] = ()) -> tuple[Callable, dict]:
    """The compiled program, and the fields of `Work` that are known of it.

    Args:
      every: of how many calls one takes the costlier branch of each `lax.cond`.
    """
    start = time.perf_counter()
    traced = function.trace(*arguments)
    program = traced.lower().compile()
    known = {"compile_seconds": time.perf_counter() - start}
    if (memory := program.memory_analysis()) is not None:
        known["scratch_bytes"] = memory.temp_size_in_bytes
        held = memory.argument_size_in_bytes + memory.output_size_in_bytes - memory.alias_size_in_bytes
        known["peak_bytes"] = held + memory.temp_size_in_bytes
    known["flops"] = flops.count(traced.jaxpr, ACCELERATOR).mean(every)
    if jax.default_backend() != "cpu":
        moved = flops.bytes_moved(program.as_text())
        known["bytes_moved"] = moved.mean(every) if len(moved.more) == len(every) else moved.most()
    return program, known
