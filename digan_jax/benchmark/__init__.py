"""How long the work takes, in units of a matrix product timed beside it: machines are shared and noisy, ratios are not.

U is one 2048×2048 float32 matrix product by jax.jit. It is timed right before and right after each row, and the row's
time is divided by the mean of the two. Every time is a median after warm-up; the spread is half the distance between
the quartiles.
"""

from digan_jax.benchmark.report import ROWS, Row, compare, run
from digan_jax.benchmark.timing import Timing, Work, timed

__all__ = ["ROWS", "Row", "Timing", "Work", "compare", "run", "timed"]
