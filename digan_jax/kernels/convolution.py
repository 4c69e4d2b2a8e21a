"""The critics' convolutions, every derivative of them on fast kernels.

R1 takes second derivatives of the critics, and on XLA:CPU the derivative of a convolution by its weights is 5 to 20
times slower than the convolution itself, its second derivatives up to 100 times. A convolution is linear in the
image and in the weights, so three maps are closed under differentiation: the convolution, its transpose, and the
correlation of an image with an image. On CPU they are made of plain convolutions and matrix products, fewer
(`winograd`) where there are many channels; accelerators have kernels for them as they stand.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Float

from digan_jax.kernels import winograd
from digan_jax.shapes import Array

Images = Float[Array, "n _ _ _"]  # rows, columns and channels: they change from argument to result
Weights = Float[Array, "k k i o"]
LAYOUT = ("NHWC", "HWIO", "NHWC")
CACHED = 1 << 18  # numbers that stay in a core's cache beside three times as many


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def convolve(x: Images, weight: Weights, stride: int, border: int) -> Images:
    """Cross-correlation on a border of so many zeros."""

    def direct(x, weight):
        padding = [(border, border)] * 2
        return lax.conv_general_dilated(x, weight, (stride, stride), padding, dimension_numbers=LAYOUT)

    if winograd.suits(x, weight.shape[-1], len(weight), stride, border, channels=64):
        return lax.platform_dependent(x, weight, cpu=winograd.convolve, default=direct)
    return direct(x, weight)


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def transpose(g: Images, weight: Weights, stride: int, border: int) -> Images:
    """Transpose of `convolve` by the image: <convolve(x, w), g> = <x, transpose(g, w)>."""
    flipped = weight[::-1, ::-1].swapaxes(2, 3)
    if stride == 1:
        return convolve(g, flipped, 1, len(weight) - 1 - border)
    dilated = partial(_dilated, stride=stride, border=border)
    if (len(weight), stride, border) == (3, 2, 0):
        return lax.platform_dependent(g, flipped, cpu=_phases, default=dilated)
    return dilated(g, flipped)


def _dilated(g: Images, flipped: Weights, stride: int, border: int) -> Images:
    """`transpose` as the convolution of an image with zeros between its pixels."""
    padding = [(len(flipped) - 1 - border,) * 2] * 2
    return lax.conv_general_dilated(g, flipped, (1, 1), padding, (stride, stride), dimension_numbers=LAYOUT)


def _phases(g: Images, flipped: Weights) -> Images:
    """`transpose` of 3×3 taps and stride 2: of even pixels, of odd ones and of both mixed, each from the taps that
    meet no zero, then interleaved."""
    n, h, w, _ = g.shape

    def phase(row, column):
        taps, padding = flipped[row::2, column::2], [(1 - row,) * 2, (1 - column,) * 2]
        y = lax.conv_general_dilated(g, taps, (1, 1), padding, dimension_numbers=LAYOUT)
        return jnp.pad(y, ((0, 0), (0, row), (0, column), (0, 0)))

    rows = [jnp.stack([phase(row, 0), phase(row, 1)], axis=3) for row in (0, 1)]
    return jnp.stack(rows, axis=2).reshape(n, 2 * h + 2, 2 * w + 2, -1)[:, :-1, :-1]


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def correlate(x: Images, g: Images, stride: int, border: int) -> Weights:
    """Transpose of `convolve` by the weights: <convolve(x, w), g> = <w, correlate(x, g)>."""
    how = dict(stride=stride, border=border)
    suits = winograd.suits(x, g.shape[-1], _kernel(x, g, **how), **how, channels=128)
    cpu = winograd.correlate if suits else partial(_products, **how)
    return lax.platform_dependent(x, g, cpu=cpu, default=partial(_swapped, **how))


def _kernel(x: Images, g: Images, stride: int, border: int) -> int:
    return x.shape[1] + 2 * border - stride * (g.shape[1] - 1)


def _swapped(x: Images, g: Images, stride: int, border: int) -> Weights:
    """`correlate` as the convolution it is, images and channels swapped: accelerators have a kernel for it."""
    layout = ("CHWN", "IHWO", "HWNC")
    padding = [(border, border)] * 2
    return lax.conv_general_dilated(x, g, (1, 1), padding, rhs_dilation=(stride, stride), dimension_numbers=layout)


def _products(x: Images, g: Images, stride: int, border: int) -> Weights:
    """`correlate` as matrix products, one for each row of taps, of some images after the other: all they touch stays
    in the cache."""
    h, w, c = g.shape[1:]
    k = _kernel(x, g, stride, border)
    wide = jnp.promote_types(x.dtype, jnp.float32)  # of the sum
    if k == 1:
        return jnp.tensordot(x, g, axes=((0, 1, 2),) * 2, preferred_element_type=wide).astype(x.dtype)[None, None]
    in_parts = partial(winograd.in_parts, at_most=CACHED // (h * w * (c + x.shape[-1])))
    product = partial(lax.dot_general, dimension_numbers=(((0,), (0,)), ((), ())), preferred_element_type=wide)

    def add(total, images):
        x, g = _pad(images[0], border), images[1]
        columns = _windows(x, k, stride, w)
        rows = [columns[:, i : i + stride * (h - 1) + 1 : stride].reshape(-1, columns.shape[-1]) for i in range(k)]
        return total + jnp.stack([product(g.reshape(-1, c), row) for row in rows]), None

    total, _ = lax.scan(add, jnp.zeros((k, c, k * x.shape[-1]), wide), (in_parts(x), in_parts(g)))
    return total.reshape(k, c, k, -1).transpose(0, 2, 3, 1).astype(x.dtype)


def _windows(x: Images, k: int, stride: int, count: int) -> Images:
    """The k columns from every `stride`-th one on, side by side as channels: of runs of columns, since a strided slice
    copies pixel by pixel."""
    n, h, w, c = x.shape
    runs = -(-w // stride)
    x = jnp.pad(x, ((0, 0), (0, 0), (0, runs * stride - w), (0, 0))).reshape(n, h, runs, stride * c)
    parts = [x[:, :, i // stride : i // stride + count, : (k - i) * c] for i in range(0, k, stride)]
    return jnp.concatenate(parts, axis=-1)


convolve.defvjp(
    lambda x, w, *how: (convolve(x, w, *how), (x, w)),
    lambda stride, border, xw, g: (transpose(g, xw[1], stride, border), correlate(xw[0], g, stride, border)),
)
transpose.defvjp(
    lambda g, w, *how: (transpose(g, w, *how), (g, w)),
    lambda stride, border, gw, u: (convolve(u, gw[1], stride, border), correlate(u, gw[0], stride, border)),
)
correlate.defvjp(
    lambda x, g, *how: (correlate(x, g, *how), (x, g)),
    lambda stride, border, xg, u: (transpose(xg[1], u, stride, border), convolve(xg[0], u, stride, border)),
)


def same(x: Images, weight: Weights) -> Images:
    """k×k cross-correlation, zeros outside, same size; k odd."""
    return convolve(x, weight, 1, weight.shape[0] // 2)


def low_pass_strided(x: Images, weight: Weights) -> Images:
    """Low-pass filter on a border of two zeros, then a 3×3 cross-correlation of stride 2: the main path's ÷2."""
    return convolve(low_pass(x, 2), weight, 2, 0)


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def low_pass(x: Images, border: int) -> Images:
    """[1, 3, 3, 1] / 8 along rows and columns as shifted sums, on a border of so many zeros."""
    return _filter(_pad(x, border), (0.125, 0.375, 0.375, 0.125), stride=1)


@jax.custom_vjp
def low_pass_half(x: Images) -> Images:
    """Low-pass filter on a border of one zero, then every second pixel: the skip path's ÷2."""
    return _filter(_pad(x, 1), (0.125, 0.375, 0.375, 0.125), stride=2)


@jax.custom_vjp
def low_pass_double(x: Images) -> Images:
    """Transpose of `low_pass_half`: nearest upsampling, then [1, 2, 1] / 8."""
    return _filter(_pad(x.repeat(2, axis=1).repeat(2, axis=2), 1), (0.125, 0.25, 0.125), stride=1)


# The filter is symmetric, so its transpose is the filter again. The derivative of shifted slices would be a sum of
# padded arrays, six times slower: XLA:CPU asks for each pixel which of them cover it.
low_pass.defvjp(lambda x, border: (low_pass(x, border), None), lambda border, _, g: (low_pass(g, 3 - border),))
low_pass_half.defvjp(lambda x: (low_pass_half(x), None), lambda _, g: (low_pass_double(g),))
low_pass_double.defvjp(lambda x: (low_pass_double(x), None), lambda _, g: (low_pass_half(g),))


def _pad(x: Images, border: int) -> Images:
    return jnp.pad(x, ((0, 0), (border, border), (border, border), (0, 0)))


def _filter(x: Images, taps: tuple[float, ...], stride: int) -> Images:
    """Cross-correlation with the taps along rows, then along columns, at every `stride`-th place."""
    for axis in (1, 2):
        last = x.shape[axis] - len(taps) + 1
        x = sum(tap * lax.slice_in_dim(x, k, k + last, stride=stride, axis=axis) for k, tap in enumerate(taps))
    return x
