"""Benchmarks in units U of a matrix product timed alongside, because absolute times vary on shared machines.

U is the time of one 2048×2048 float32 matrix product with jax.jit. It is measured directly before and after each row,
and the row's time is divided by the mean of both. Times are medians after warm-up; the spread is half the interquartile
range.
"""

from digan_jax.benchmark.report import ROWS, Row, compare, run
from digan_jax.benchmark.timing import Timing, Work, timed

__all__ = ["ROWS", "Row", "Timing", "Work", "compare", "run", "timed"]
