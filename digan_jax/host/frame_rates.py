"""Frame rates that each file format can store and players show correctly."""

from __future__ import annotations

from fractions import Fraction

from digan_jax.errors import InputError

# Lowest and highest frames per second. .gif: a frame lasts at most 655.35 s, and players show frames shorter than
# 0.02 s for 0.1 s. .webm counts milliseconds; .mp4 counts ticks in 32 bits.
RATES = {".gif": (1 / 655.35, 50), ".webm": (0.001, 1000), ".mp4": (0.001, 1e6)}


def check_rate(suffix: str, fps: float) -> Fraction:
    """Checks a frame rate and approximates it by a fraction of small integers, such as 30000/1001.

    Args:
      suffix: of the file, with its dot. Suffixes that are not in `RATES` allow any rate.
      fps: frames per second.

    Raises:
      InputError: `fps` is not finite and positive, or is outside `RATES[suffix]`.
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
