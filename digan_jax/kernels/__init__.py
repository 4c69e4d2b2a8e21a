"""Operations that take the time, behind plain names, each in two implementations:

  fast       how it runs: fewer multiplications, forms that XLA compiles well (`kernels/fast`)
  reference  how it is written in the papers: a few lines of jnp each (`kernels/reference.py`)

The environment variable DIGAN_KERNELS, or `use`, says which; fast by default. Tests hold them against each other.

The generator's operations work on features: channels at every pixel of every frame of a clip. To a layer they are an
array [b ... c], whose axes in between the implementation orders as it likes. `concat`, `upsample` and
`fourier` may give something lazy, which only `multiply`, `frames` and (after `upsample`) `+` take.
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
from digan_jax.shapes import Array

IMPLEMENTATIONS = {"fast": fast, "reference": reference}
VARIABLE = "DIGAN_KERNELS"
_used: ContextVar[str | None] = ContextVar("kernels", default=None)

Features = Any
Images = Float[Array, "n _ _ _"]  # rows, columns and channels


def chosen() -> str:
    """The implementation in use: "fast" or "reference".

    Raises:
      InputError: DIGAN_KERNELS is neither.
    """
    name = _used.get() or os.environ.get(VARIABLE) or "fast"
    if name not in IMPLEMENTATIONS:
        raise InputError(f"{VARIABLE}={name}: there is no such implementation; choose one of {list(IMPLEMENTATIONS)}.")
    return name


@contextlib.contextmanager
def use(name: str) -> Iterator[None]:
    """An implementation for whatever is traced inside; a decorator too."""
    before = _used.set(name)
    try:
        yield
    finally:
        _used.reset(before)


def _implementation():
    return IMPLEMENTATIONS[chosen()]


# ---- the generator


def fourier(frequency: Float[Array, "b f 2"], phase: Float[Array, "b t f"], level: Level) -> Features:
    """[sin, cos](F·(x, y) + phase(t)) at every node of a level: 2f channels (paper, eq. 4)."""
    return _implementation().fourier(frequency, phase, level)


def upsample(x: Features, repeat: int) -> Features:
    """Nearest upsampling by a whole factor along rows and columns."""
    return _implementation().upsample(x, repeat)


def concat(*parts: Features) -> Features:
    """Along channels."""
    return _implementation().concat(*parts)


def multiply(x: Features, weight: Float[Array, "b i o"], dtype) -> Float[Array, "b *pixels o"]:
    """A 1x1 layer: every pixel's channels times the matrix of its clip. Factors of `dtype`, result float32."""
    return _implementation().multiply(x, weight, dtype)


def frames(x: Features) -> Float[Array, "b t h w c"]:
    """Features as pictures: [b t h w c]."""
    return _implementation().frames(x)


def each_frame(f: Callable, times: Float[Array, "b t"]) -> Float[Array, "b t _"]:
    """f(times), where not even rounding of a frame depends on how many frames there are."""
    return _implementation().each_frame(f, times)


class Cost(NamedTuple):
    """Of a 1x1 layer at one level."""

    clip_bytes: float  # kept for all frames of a clip together
    frame_bytes: float  # for each frame
    multiplications: float  # for each frame


def cost(level: Level, n_in: int, n_fourier: int, n_out: int, repeat: int = 1) -> Cost:
    """Of multiply(concat(upsample(x, repeat), v), weight), where x has n_in channels, the Fourier features v of `level`
    n_fourier, and the result n_out."""
    return Cost(*_implementation().cost(level, n_in, n_fourier, n_out, repeat))


def row_multiple() -> int:
    """A tile with a multiple of this many rows is drawn with the fewest multiplications."""
    return _implementation().ROW_MULTIPLE


# ---- the critics: linear maps whose second derivatives R1 needs


def convolve(x: Images, weight: Float[Array, "k k i o"]) -> Images:
    """k×k cross-correlation (k odd) on a border of zeros, same size."""
    return _implementation().convolve(x, weight)


def downsample(x: Images) -> Images:
    """Low-pass filter [1, 3, 3, 1] / 8 along rows and columns on a border of one zero, then every second pixel."""
    return _implementation().downsample(x)


def convolve_downsample(x: Images, weight: Float[Array, "3 3 i o"]) -> Images:
    """Low-pass filter on a border of two zeros, then a 3×3 cross-correlation of stride 2 without a border."""
    return _implementation().convolve_downsample(x, weight)


# ---- batches


def map_rows(f: Callable, rows, finite: Float[Array, "n _"]) -> Float[Array, "n *_"]:
    """[f(row) for each row], where not even rounding of a row depends on how many there are.

    Args:
      f: takes `rows` with leading axes of length 1, and keeps that axis.
      rows: tree of arrays with a leading axis of length n.
      finite: any of them whose numbers are all finite.
    """
    return _implementation().map_rows(f, rows, finite)
