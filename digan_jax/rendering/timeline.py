"""Times of a clip's frames, and camera paths.

Times are computed as exact fractions and rounded once, so clips of different frame rates get the same float, and the
same frame, at a common time.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from jaxtyping import Float

from digan_jax.errors import InputError

Region = tuple[float, float, float, float]  # (x0, y0, x1, y1); the trained frame is (-1, -1, 1, 1)


def spread(first: float, last: float, frames: int, slow: int = 1) -> Float[np.ndarray, "t"]:
    """`frames` evenly spaced times from `first` to `last`, both included, and `slow` - 1 more between neighbours.

    Raises:
      InputError: `frames` or `slow` below 1, or times that are not finite.
    """
    if frames < 1:
        raise InputError(f"frames={frames}: a clip has one frame or more.")
    _check_slow(slow)
    gaps = (frames - 1) * slow
    return _along(first, last, [Fraction(i, gaps or 1) for i in range(gaps + 1)])


def at_rate(first: float, last: float, fps: float, seconds: float, slow: int = 1) -> Float[np.ndarray, "t"]:
    """Times of the frames of a video of `seconds` · `slow` at `fps` in which t goes from `first` to `last`.

    Frame i is shown at second i / fps; `last` itself is excluded, as the time of the frame after the video's end.

    Raises:
      InputError: `fps`, `seconds` or `slow` not above 0, a video shorter than a frame, or times that are not finite.
    """
    for name, value in (("fps", fps), ("duration", seconds)):
        if not 0 < value < float("inf"):
            raise InputError(f"{name}={value}: must be a number above 0.")
    _check_slow(slow)
    length = _exact(fps) * _exact(seconds) * slow  # in frames
    if round(length) < 1:
        raise InputError(f"duration={seconds}: less than one frame at {fps} frames a second.")
    return _along(first, last, [i / length for i in range(round(length))])


def between(times: Sequence[float], slow: int) -> Float[np.ndarray, "t"]:
    """The given times, in any order, with `slow` - 1 evenly spaced ones between neighbours.

    Raises:
      InputError: `slow` below 1, or times that are not finite.
    """
    _check_slow(slow)
    steps = [Fraction(i, slow) for i in range(slow)]
    parts = [_along(a, b, steps) for a, b in zip(times, times[1:])]
    return np.concatenate([*parts, np.asarray(times[-1:], np.float64)])


def _check_slow(slow: int) -> None:
    if slow < 1:
        raise InputError(f"slow={slow}: must be a whole number of 1 or more; 8 draws eight frames for each.")


def _exact(value: float) -> Fraction:
    return Fraction(str(float(value)))  # 0.1 as exactly one tenth, not as the nearest float


def _along(first: float, last: float, places: list[Fraction]) -> Float[np.ndarray, "t"]:
    if not np.isfinite([first, last]).all():
        raise InputError(f"times {first}:{last}: NaN or infinity; 0 is the first frame of a clip and 1 its last.")
    start, way = _exact(first), _exact(last) - _exact(first)
    return np.array([float(start + way * place) for place in places])


def read_path(text: str) -> list[tuple[float, Region]]:
    """Keyframes (second, region) of a camera path such as "0s:-1,-1,1,1 2s:0,0,.5,.5".

    Raises:
      InputError: text that does not parse, seconds that do not ascend, an empty region.
    """
    keys = []
    for word in text.split():
        second, _, corners = word.partition("s:")
        try:
            key = float(second), tuple(float(x) for x in corners.split(","))
        except ValueError:
            key = None, ()
        if len(key[1]) != 4:
            raise InputError(f"path {word!r} does not parse; write SECONDs:x0,y0,x1,y1, such as 2s:0,0,.5,.5")
        keys.append(key)
    check_path(keys)
    return keys


def check_path(keys: Sequence[tuple[float, Region]]) -> None:
    """Raises `InputError` for a path without keyframes, with seconds that do not ascend or an empty region."""
    seconds = [second for second, _ in keys]
    if not keys or not np.isfinite(seconds).all() or any(a >= b for a, b in zip(seconds, seconds[1:])):
        raise InputError(f"path with keys at {seconds} seconds: needs one key or more, each later than the one before.")
    for second, (x0, y0, x1, y1) in keys:
        if not (np.isfinite([x0, y0, x1, y1]).all() and x0 < x1 and y0 < y1):
            raise InputError(f"path at {second:g}s: region {x0:g},{y0:g},{x1:g},{y1:g} needs x0 < x1 and y0 < y1.")


def camera(path: str | Sequence[tuple[float, Region]], seconds: Sequence[float] | np.ndarray) -> list[Region]:
    """The camera's region at each of `seconds`: linear interpolation between keyframes, constant before and after.

    Args:
      path: keyframes (second, region), or text for `read_path`.
      seconds: times in the video; frame i at fps f is at i / f.

    Raises:
      InputError: as `read_path`.
    """
    keys = read_path(path) if isinstance(path, str) else path
    check_path(keys)
    at = np.array([second for second, _ in keys])
    corners = np.array([region for _, region in keys])
    seen = np.stack([np.interp(np.asarray(seconds, np.float64), at, corner) for corner in corners.T], axis=-1)
    return [tuple(map(float, region)) for region in seen]
