"""The expensive operations, each in two implementations:

  fast       fewer multiplications, in forms that XLA compiles well; the default (`kernels/fast`)
  reference  a few lines of jnp each, as in the papers (`kernels/reference.py`)

The environment variable DIGAN_KERNELS or `use` chooses one. Tests compare the two.

The generator's operations take features: channels at every pixel of every frame of a clip. Features are an array
[b ... c] whose middle axes the implementation orders. `concat`, `upsample` and `fourier` may return a lazy object;
only `multiply`, `frames` and (for `upsample`) `+` accept it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, NamedTuple

from jaxtyping import Float

from digan_jax.errors import InputError
from digan_jax.grids import Level
from digan_jax.kernels import fast, reference
from digan_jax.kernels.shared import shared_by as shared_by
from digan_jax.shapes import Array

IMPLEMENTATIONS = {"fast": fast, "reference": reference}
VARIABLE = "DIGAN_KERNELS"
_used: ContextVar[str | None] = ContextVar("kernels", default=None)

Features = Any
Images = Float[Array, "n _ _ _"]  # images, rows, columns, channels


def chosen() -> str:
    """The implementation in use: "fast" or "reference".

    Raises:
      InputError: DIGAN_KERNELS names neither.
    """
    name = _used.get() or os.environ.get(VARIABLE) or "fast"
    if name not in IMPLEMENTATIONS:
        raise InputError(f"{VARIABLE}={name}: there is no such implementation; choose one of {list(IMPLEMENTATIONS)}.")
    return name


@contextlib.contextmanager
def use(name: str) -> Iterator[None]:
    """Context manager or decorator: functions traced inside use this implementation."""
    token = _used.set(name)
    try:
        yield
    finally:
        _used.reset(token)


def _implementation():
    return IMPLEMENTATIONS[chosen()]


# ---- the generator


def fourier(
    frequency: Float[Array, "*clips f 2"], phase: Float[Array, "b t f"], level: Level
) -> Features:
    """[sin, cos](F·(x, y) + phase(t)) at every node of a level: 2f channels; angles in radians (paper, eq. 4).

    Frequencies without a clip axis are those of all clips, whose pixel features are then computed once.
    """
    return _implementation().fourier(frequency, phase, level)


def sample(maps: Float[Array, "*bt H W c"], level: Level, offset: float) -> Features:
    """Maps that span the trained frame, at the nodes of a level: bilinear, mirrored outside of the frame.

    Args:
      maps: [H W c], the same for all clips and frames, or [b t H W c] of each.
      level: where to sample; maps of all clips need the same nodes for all clips.
      offset: from a node to the centre of its pixel, along x and y: 1 / resolution of the level.
    """
    return _implementation().sample(maps, level, offset)


def upsample(x: Features, repeat: int, kind: str = "nearest") -> Features:
    """Upsampling by a whole factor along rows and columns, "nearest" or "bilinear" (half-pixel centres; by 2, 4, ...)."""
    return _implementation().upsample(x, repeat, kind)


def concat(*parts: Features) -> Features:
    """Concatenates features along channels."""
    return _implementation().concat(*parts)


def multiply(x: Features, weight: Float[Array, "b i o"], dtype) -> Float[Array, "b *pixels o"]:
    """A 1x1 layer: every pixel's channels times the matrix of its clip. Multiplies in `dtype`; float32 out."""
    return _implementation().multiply(x, weight, dtype)


def frames(x: Features) -> Float[Array, "b t h w c"]:
    """Features as an array of frames, [b t h w c]."""
    return _implementation().frames(x)


def each_frame(f: Callable, times: Float[Array, "b t"]) -> Float[Array, "b t *_"]:
    """f(times), bit for bit the same for a frame whatever the number of frames."""
    return _implementation().each_frame(f, times)


class Cost(NamedTuple):
    """Memory and arithmetic of a 1x1 layer at one level."""

    clip_bytes: float  # per clip, shared by its frames
    frame_bytes: float  # per frame
    multiplications: float  # per frame


def cost(level: Level, n_in: int, n_fourier: int, n_out: int, repeat: int = 1) -> Cost:
    """Cost of multiply(concat(upsample(x, repeat), v), weight).

    Args:
      level: nodes of the result.
      n_in: channels of x.
      n_fourier: channels of the Fourier features v.
      n_out: channels of the result.
      repeat: upsampling factor.
    """
    return Cost(*_implementation().cost(level, n_in, n_fourier, n_out, repeat))


def row_multiple() -> int:
    """Tiles need the fewest multiplications when their number of rows is a multiple of this."""
    return _implementation().ROW_MULTIPLE


# ---- the critics: linear maps; R1 needs their second derivatives


def convolve(x: Images, weight: Float[Array, "k k i o"]) -> Images:
    """k×k cross-correlation (k odd), zero padding, same size."""
    return _implementation().convolve(x, weight)


def downsample(x: Images) -> Images:
    """Zero padding of 1, low-pass filter [1, 3, 3, 1] / 8 along rows and columns, then stride 2."""
    return _implementation().downsample(x)


def convolve_downsample(x: Images, weight: Float[Array, "3 3 i o"]) -> Images:
    """Zero padding of 2, low-pass filter [1, 3, 3, 1] / 8, then 3×3 cross-correlation of stride 2 without padding."""
    return _implementation().convolve_downsample(x, weight)


# ---- batches


def map_rows(f: Callable, rows, finite: Float[Array, "n _"]) -> Float[Array, "n *_"]:
    """[f(row) for each row], bit for bit the same for a row whatever the number of rows.

    Args:
      f: maps a tree of arrays [1 ...] to an array [1 ...].
      rows: tree of arrays [n ...].
      finite: one of these arrays, all of whose numbers are finite.
    """
    return _implementation().map_rows(f, rows, finite)
