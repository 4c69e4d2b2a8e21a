"""The kernels in their plain form, to test the fast ones against.

Features are arrays [b t h w c]; derivatives come from autodiff.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Float

from digan_jax.grids import Level
from digan_jax.host.bilinear import matrix
from digan_jax.shapes import Array

Pixels = Float[Array, "b t _ _ _"]  # clip, frame, row, column, channel
Images = Float[Array, "n _ _ _"]
LOW_PASS = np.outer([1, 3, 3, 1], [1, 3, 3, 1]).astype(np.float32) / 64
ROW_MULTIPLE = 1


def fourier(frequency: Float[Array, "*clips f 2"], phase: Float[Array, "b t f"], level: Level) -> Pixels:
    x = jnp.atleast_2d(level.x)[:, None, None, :, None]
    y = jnp.atleast_2d(level.y)[:, None, :, None, None]
    frequency = frequency[None] if frequency.ndim == 2 else frequency
    of_x, of_y = jnp.moveaxis(frequency, 2, 0)[:, :, None, None, None]
    angle = of_x * x + of_y * y + phase[:, :, None, None]
    return jnp.concatenate([jnp.sin(angle), jnp.cos(angle)], axis=-1)


def sample(maps: Float[Array, "*bt H W c"], level: Level, offset: float) -> Pixels:
    columns = bilinear((level.x + offset + 1) / 2, maps.shape[-2])
    rows = bilinear((1 - level.y - offset) / 2, maps.shape[-3])
    if maps.ndim == 5:
        rows, columns = (jnp.broadcast_to(x, (len(maps), *x.shape[1:])) for x in (rows, columns))
        exact = lax.Precision.HIGHEST  # places between pixels, not products of features
        return jnp.einsum("byh,bxw,bthwc->btyxc", rows, columns, maps, precision=exact)
    return jnp.einsum("byh,bxw,hwc->byxc", rows, columns, maps)[:, None]


def bilinear(places: Float[Array, "*b n"], length: int) -> Float[Array, "#b n length"]:
    """Weights of `length` values, at the centres of as many cells of [0, 1], at places that are mirrored outside."""
    places = jnp.atleast_2d(places)
    mirrored = 1 - jnp.abs(places % 2 - 1)
    cell = jnp.clip(mirrored * length - 0.5, 0, length - 1)
    return jnp.maximum(0, 1 - jnp.abs(cell[..., None] - np.arange(length, dtype=np.float32)[None, None]))


def upsample(x: Pixels, repeat: int, kind: str = "nearest") -> Pixels:
    if kind == "nearest" or repeat == 1:
        return x.repeat(repeat, axis=2).repeat(repeat, axis=3)
    h, w = x.shape[2:4]
    rows, columns = (matrix(n, n * repeat, n * repeat) for n in (h, w))
    return jnp.einsum("yh,xw,bthwc->btyxc", rows, columns, x)


def concat(*parts: Float[Array, "_ _ _ _ _"]) -> Pixels:
    b, t = (max(part.shape[axis] for part in parts) for axis in (0, 1))
    return jnp.concatenate([jnp.broadcast_to(part, (b, t, *part.shape[2:])) for part in parts], axis=-1)


def multiply(x: Pixels, weight: Float[Array, "b i o"], dtype) -> Pixels:
    return jnp.einsum("bthwi,bio->bthwo", x.astype(dtype), weight.astype(dtype), preferred_element_type=jnp.float32)


def frames(x: Pixels) -> Pixels:
    return x


def each_frame(f: Callable, times: Float[Array, "b t"]) -> Float[Array, "b t *_"]:
    return f(times)


def cost(level: Level, n_in: int, n_fourier: int, n_out: int, repeat: int) -> tuple[float, float, float]:
    nodes = level.x.shape[-1] * level.y.shape[-1]
    return 0.0, 2 * 4 * nodes * (n_in + n_fourier + n_out), nodes * (n_in + n_fourier) * n_out


def convolve(x: Images, weight: Float[Array, "k k i o"]) -> Images:
    return _convolve(x, weight, stride=1, border=len(weight) // 2)


def downsample(x: Images) -> Images:
    return _low_pass(x, stride=2, border=1)


def convolve_downsample(x: Images, weight: Float[Array, "3 3 i o"]) -> Images:
    return _convolve(_low_pass(x, stride=1, border=2), weight, stride=2, border=0)


def _convolve(x: Images, weight: Float[Array, "k k _ o"], stride: int, border: int, groups: int = 1) -> Images:
    layout = ("NHWC", "HWIO", "NHWC")
    padding = [(border, border)] * 2
    return lax.conv_general_dilated(
        x, weight, (stride, stride), padding, dimension_numbers=layout, feature_group_count=groups
    )


def _low_pass(x: Images, stride: int, border: int) -> Images:
    channels = x.shape[-1]
    weight = jnp.broadcast_to(LOW_PASS[:, :, None, None], (4, 4, 1, channels)).astype(x.dtype)
    return _convolve(x, weight, stride, border, groups=channels)


def map_rows(f: Callable, rows, finite: Float[Array, "n _"]) -> Float[Array, "n *_"]:
    return lax.map(f, jax.tree.map(lambda x: x[:, None], rows))[:, 0]
