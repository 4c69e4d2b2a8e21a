"""Which rates each kind of file holds so that players show them."""

from __future__ import annotations

from fractions import Fraction

from digan_jax.errors import InputError

# Slowest and fastest. .gif: a frame stays 655.35 s at most, and players take less than 0.02 s for 0.1 s. .webm counts
# milliseconds, .mp4 ticks of 32 bits.
RATES = {".gif": (1 / 655.35, 50), ".webm": (0.001, 1000), ".mp4": (0.001, 1e6)}


def check_rate(suffix: str, fps: float) -> Fraction:
    """`fps` as a fraction of small numbers.

    Raises:
      InputError: files of this suffix cannot hold it, or players show it otherwise.
    """
    if not 0 < fps < float("inf"):
        raise InputError(f"fps={fps}: must be a number above 0.")
    slowest, fastest = RATES.get(suffix, (0, float("inf")))
    if not slowest <= fps <= fastest:
        raise InputError(
            f"fps={fps:g}: {suffix} files show {slowest:.2g} to {fastest:g} frames a second; choose such a rate"
            f"{'' if suffix == '.mp4' else ', or .mp4'}."
        )
    small = lambda number: Fraction(number).limit_denominator(1001)
    return small(fps) if fps >= 1 else 1 / small(1 / fps)
