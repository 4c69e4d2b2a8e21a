"""Fourier features, nearest upsampling and 1x1 layers, on a folded grid.

Features are stored as [b side row column t channel]. With an even number of rows, side 0 is the upper half of the grid
and side 1 the lower half rotated by 180 degrees, so that index [row, column] of the two sides means opposite pixels, at
d and -d from the grid's centre. A 1x1 layer is pointwise, so pixels may be stored in any order, and in this order one
matrix product serves the Fourier features of two opposite pixels (`_multiply_fourier`). The frame axis t is inside the
pixel axes because all frames share a pixel's Fourier features up to phase.

Upsampling and Fourier features are lazy until `multiply`:
- a 1x1 layer commutes with nearest-neighbour upsampling, so the upsampled channels are multiplied on the smaller grid;
- sines and cosines are evaluated per row, per column and per frame, never per pixel.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from digan_jax.grids import Level
from digan_jax.kernels import reference
from digan_jax.shapes import Array

Folded = Float[Array, "b s _ _ t _"]  # clip, side, row, column, frame, channel
ROW_MULTIPLE = 2  # an odd number of rows cannot be folded
FEW_OUTPUTS = 3


@dataclasses.dataclass(frozen=True)
class Upsampled:
    """A lazy upsampling."""

    x: Folded
    repeat: int
    kind: str

    def __add__(self, other: Folded) -> Folded:
        return self.of(self.x) + other

    def of(self, x: Folded) -> Folded:
        """This upsampling of other features."""
        return _repeat(x, self.repeat) if self.kind == "nearest" else _interpolate(x, self.repeat)


@dataclasses.dataclass(frozen=True)
class Fourier:
    """Lazy Fourier features."""

    frequency: Float[Array, "*clips f 2"]
    phase: Float[Array, "b t f"]
    level: Level


@dataclasses.dataclass(frozen=True)
class Sampled:
    """Lazy maps at the nodes of a level, the same in all frames or of each frame."""

    maps: Float[Array, "*bt H W c"]
    level: Level
    offset: float


Part = Folded | Upsampled | Fourier | Sampled
fourier, sample = Fourier, Sampled


def upsample(x: Folded, repeat: int, kind: str = "nearest") -> Folded | Upsampled:
    return x if repeat == 1 else Upsampled(x, repeat, kind)


def concat(*parts: Part) -> tuple[Part, ...]:
    return parts


def multiply(x: Part | tuple[Part, ...], weight: Float[Array, "b i o"], dtype) -> Folded:
    """The sum over parts of part times its rows of the matrix."""
    parts = x if isinstance(x, tuple) else (x,)
    sides = next((_array(part).shape[1] for part in parts if not isinstance(part, (Fourier, Sampled))), None)
    products, first = [], 0
    for part in parts:
        rows = weight[:, first : first + _channels(part)]
        if isinstance(part, Fourier):
            products.append(_multiply_fourier(part, rows, dtype, sides or _sides(part.level)))
        elif isinstance(part, Sampled):
            products.append(_multiply_sampled(part, rows, dtype, sides or _sides(part.level)))
        else:
            product = _multiply_array(_array(part), rows, dtype)
            products.append(part.of(product) if isinstance(part, Upsampled) else product)
        first += rows.shape[1]
    return sum(products[1:], products[0])


def frames(x: Folded | Upsampled) -> Float[Array, "b t _ _ _"]:
    if isinstance(x, Upsampled):
        x = x.of(x.x)
    upper, *lower = jnp.moveaxis(x, (1, 4), (0, 2))
    return jnp.concatenate([upper, *(jnp.flip(side, (2, 3)) for side in lower)], axis=2)


def each_frame(f: Callable, times: Float[Array, "b t"]) -> Float[Array, "b t *_"]:
    """XLA:CPU multiplies one row by another kernel that sums in another order: pad a single frame to two."""
    n = times.shape[1]
    if n == 1:
        times = jnp.concatenate([times, times], axis=1)
    return f(times)[:, :n]


def cost(level: Level, n_in: int, n_fourier: int, n_out: int, repeat: int) -> tuple[float, float, float]:
    """Bytes per clip: Fourier features of half the pixels (`_of_pixels`). Bytes per frame: inputs and outputs, counted
    twice for product and activation. Float32."""
    nodes = level.x.shape[-1] * level.y.shape[-1]
    evaluated = nodes / _sides(level)
    multiplications = n_out * (nodes / repeat**2 * n_in + evaluated * n_fourier)
    return 4 * evaluated * n_fourier, 2 * 4 * nodes * (n_in + n_out), multiplications


def _sides(level: Level) -> int:
    """2 if the level can be folded; 1 if its number of rows is odd or symbolic (exported programs)."""
    rows = level.y.shape[-1]
    return 2 if isinstance(rows, int) and rows % 2 == 0 else 1


def _array(part: Folded | Upsampled) -> Folded:
    return part.x if isinstance(part, Upsampled) else part


def _channels(part: Part) -> int:
    if isinstance(part, Fourier):
        return 2 * part.phase.shape[-1]
    return (part.maps if isinstance(part, Sampled) else _array(part)).shape[-1]


def _repeat(x: Float[Array, "b s h w t c"], repeat: int) -> Float[Array, "b s h*{repeat} w*{repeat} t c"]:
    b, s, h, w, t, c = x.shape
    spread = jnp.broadcast_to(x[:, :, :, None, :, None], (b, s, h, repeat, w, repeat, t, c))
    return spread.reshape(b, s, h * repeat, w * repeat, t, c)


def _interpolate(x: Folded, repeat: int) -> Folded:
    """Bilinear upsampling by a power of two, in steps of two."""
    while repeat > 1:
        last = x[:, ::-1, -1:, ::-1] if x.shape[1] == 2 else x[:, :, -1:]  # the row across the fold
        x = _between(x, x[:, :, :1], last, axis=2)
        x = _between(x, x[:, :, :, :1], x[:, :, :, -1:], axis=3)
        repeat //= 2
    return x


def _between(x: Folded, before: Folded, after: Folded, axis: int) -> Folded:
    """Values at a quarter before and behind each of x along an axis; `before` and `after` are the neighbours of x."""
    n = x.shape[axis]
    padded = jnp.concatenate([before, x, after], axis)
    at = lambda first: jax.lax.slice_in_dim(padded, first, first + n, axis=axis)
    y = jnp.stack([0.75 * x + 0.25 * at(0), 0.75 * x + 0.25 * at(2)], axis + 1)
    return y.reshape(*x.shape[:axis], 2 * n, *x.shape[axis + 1 :])


def _multiply_sampled(v: Sampled, weight: Float[Array, "b i o"], dtype, sides: int) -> Folded:
    x = _folded(reference.sample(v.maps, v.level, v.offset), sides)
    if v.maps.ndim == 5:
        return _multiply_array(x, weight, dtype)
    x = x[..., 0, :]  # the same in all frames
    x, weight = x.astype(dtype), weight.astype(dtype)
    if len(x) == 1:
        y = jnp.einsum("shwc,bco->bshwo", x[0], weight, preferred_element_type=jnp.float32)
    else:
        y = jnp.einsum("bshwc,bco->bshwo", x, weight, preferred_element_type=jnp.float32)
    return y[:, :, :, :, None]


def _folded(x: Float[Array, "b t h w c"], sides: int) -> Folded:
    """The inverse of `frames`."""
    upper, *lower = jnp.split(x, sides, axis=2)
    return jnp.moveaxis(jnp.stack([upper, *(jnp.flip(half, (2, 3)) for half in lower)]), (0, 2), (1, 4))


def _multiply_array(x: Folded, weight: Float[Array, "b i o"], dtype) -> Folded:
    b, *pixels, c = x.shape
    x, weight = x.reshape(b, -1, c).astype(dtype), weight.astype(dtype)
    if weight.shape[-1] <= FEW_OUTPUTS:  # weights as [o i]: on XLA:CPU the gradient of [i 3] is six times slower
        y = jnp.einsum("bpi,boi->bpo", x, weight.swapaxes(1, 2), preferred_element_type=jnp.float32)
    else:
        y = jnp.matmul(x, weight, preferred_element_type=jnp.float32)
    return y.reshape(b, *pixels, -1)


def _multiply_fourier(v: Fourier, weight: Float[Array, "b features o"], dtype, sides: int) -> Folded:
    """Fourier features [sin, cos] of all pixels and frames times the clip's matrix [S; C].

    Let p(t) be the angle at the grid's centre in frame t, and p + a the angle at a pixel. Then
      S sin(p + a) + C cos(p + a) = (S sin p + C cos p) cos a + (S cos p - C sin p) sin a.
    The matrices in brackets depend on the frame alone, cos a and sin a on the pixel alone. The first term is even in a
    and the second odd, and the opposite pixel has angle -a: the sum of the terms is the result at a pixel of side 0,
    their difference the result at the opposite pixel of side 1.
    """
    columns, rows, centre = _factors(v, sides)
    b, t, _, f = centre.shape
    h, w, o = rows.shape[1], columns.shape[1], weight.shape[-1]
    cos, sin = jnp.moveaxis(centre, (2, 3), (0, 2))[..., None]  # [b f t 1]
    of_sin, of_cos = weight[:, :f, None], weight[:, f:, None]  # [b f 1 o]
    matrices = jnp.stack([of_sin * sin + of_cos * cos, of_sin * cos - of_cos * sin], axis=1).reshape(b, 2, f, t * o)
    features = _of_pixels(columns, rows)
    features, matrices = features.astype(dtype), matrices.astype(dtype)
    if v.frequency.ndim == 2 and len(features) == 1:  # one product, whose columns are clips, frames, outputs
        terms = jnp.einsum("snf,bsfk->bsnk", features[0], matrices, preferred_element_type=jnp.float32)
    else:
        terms = jnp.matmul(features, matrices, preferred_element_type=jnp.float32)
    return _sum_and_difference(terms.reshape(b, 2, h, w, t, o))[:, :sides]


class Factors(NamedTuple):
    """[cos, sin] of three angles that add up to the angle at a pixel in a frame."""

    columns: Float[Array, "#b w 2 f"]  # angle from the grid's centre to a column
    rows: Float[Array, "#b h 2 f"]  # angle from the grid's centre to a row of side 0
    centre: Float[Array, "b t 2 f"]  # angle at the grid's centre, per frame


def _factors(v: Fourier, sides: int) -> Factors:
    def along(nodes: Float[Array, "*n nodes"], frequency: Float[Array, "b f"]):
        nodes = jnp.atleast_2d(nodes)
        centre = (nodes[:, :1] + nodes[:, -1:]) / 2
        return frequency[:, None] * (nodes - centre)[:, :, None], frequency * centre

    frequency = v.frequency[None] if v.frequency.ndim == 2 else v.frequency
    columns, x_centre = along(v.level.x, frequency[:, :, 0])
    rows, y_centre = along(v.level.y, frequency[:, :, 1])
    angles = columns, rows[:, : rows.shape[1] // sides], v.phase + (x_centre + y_centre)[:, None]
    # Stacked so that XLA:CPU evaluates them once: it would fuse a lone cosine into its consumer, once per pixel.
    return Factors(*(jnp.stack([jnp.cos(angle), jnp.sin(angle)], axis=2) for angle in angles))


@jax.checkpoint  # recompute the broadcast factors in the backward pass instead of storing them
def _of_pixels(columns: Float[Array, "b w 2 f"], rows: Float[Array, "b h 2 f"]) -> Float[Array, "b 2 n f"]:
    """[cos, sin] of the angle from the grid's centre to each of the n pixels of side 0, by the addition theorem."""
    cos_x, sin_x = jnp.moveaxis(columns[:, None], 3, 0)
    cos_y, sin_y = jnp.moveaxis(rows[:, :, None], 3, 0)
    features = jnp.stack([cos_x * cos_y - sin_x * sin_y, sin_x * cos_y + cos_x * sin_y], axis=1)
    return features.reshape(*features.shape[:2], -1, features.shape[-1])


@jax.custom_vjp
def _sum_and_difference(x: Float[Array, "b 2 h w t o"]) -> Float[Array, "b 2 h w t o"]:
    """[x0 + x1, x0 - x1]. The map is its own transpose; the one from autodiff is seven times slower on XLA:CPU."""
    signs = np.array([1, -1], np.float32).reshape(1, 2, 1, 1, 1, 1)
    return x[:, :1] + signs * x[:, 1:]


_sum_and_difference.defvjp(lambda x: (_sum_and_difference(x), None), lambda _, g: (_sum_and_difference(g),))
