"""The critics' convolutions, with fast derivatives of every order.

R1 takes second derivatives of the critics. On XLA:CPU the weight gradient of a convolution is 5 to 20 times slower than
the convolution, its second derivatives up to 100 times slower. A convolution is linear in the image and in the weights,
so three maps are closed under differentiation: the convolution, its transpose with respect to the image, and its
transpose with respect to the weights (a correlation of two images). On CPU they use plain convolutions and matrix
products, and Winograd's algorithm for many channels (`winograd`); accelerators have fast convolutions for all three.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Float

from digan_jax.kernels import shared
from digan_jax.kernels.fast import winograd
from digan_jax.shapes import Array

Images = Float[Array, "n _ _ _"]  # images, rows, columns, channels; the last three differ between input and output
Weights = Float[Array, "k k i o"]
LAYOUT = ("NHWC", "HWIO", "NHWC")
TAPS = (0.125, 0.375, 0.375, 0.125)  # [1, 3, 3, 1] / 8
CACHED = 1 << 18  # float32 numbers of im2col's inputs per batch: these and its k = 3 times larger output fit the cache


def convolve(x: Images, weight: Weights) -> Images:
    return _convolve(x, weight, 1, weight.shape[0] // 2)


def convolve_downsample(x: Images, weight: Weights) -> Images:
    return _convolve(_low_pass(x, 2), weight, 2, 0)


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _convolve(x: Images, weight: Weights, stride: int, border: int) -> Images:
    """Cross-correlation with zero padding of width `border`."""

    def direct(x, weight):
        padding = [(border, border)] * 2
        return lax.conv_general_dilated(x, weight, (stride, stride), padding, dimension_numbers=LAYOUT)

    if winograd.suits(x, weight.shape[-1], len(weight), stride, border, channels=64):
        cpu = lambda x, weight: shared.joined(lambda part: winograd.convolve(part, weight), x)
        return lax.platform_dependent(x, weight, cpu=cpu, default=direct)
    return direct(x, weight)


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _transpose(g: Images, weight: Weights, stride: int, border: int) -> Images:
    """Transpose of `_convolve` with respect to the image: <_convolve(x, w), g> = <x, _transpose(g, w)>."""
    flipped = weight[::-1, ::-1].swapaxes(2, 3)
    if stride == 1:
        return _convolve(g, flipped, 1, len(weight) - 1 - border)
    dilated = partial(_dilated, stride=stride, border=border)
    if (len(weight), stride, border) == (3, 2, 0):
        return lax.platform_dependent(g, flipped, cpu=_polyphase, default=dilated)
    return dilated(g, flipped)


def _dilated(g: Images, flipped: Weights, stride: int, border: int) -> Images:
    """`_transpose` as a convolution of the dilated image: stride - 1 zeros between pixels."""
    padding = [(len(flipped) - 1 - border,) * 2] * 2
    return lax.conv_general_dilated(g, flipped, (1, 1), padding, (stride, stride), dimension_numbers=LAYOUT)


def _polyphase(g: Images, flipped: Weights) -> Images:
    """`_transpose` of a 3×3 kernel of stride 2 in polyphase form.

    One convolution per parity of row and column, with the taps that meet nonzero pixels of the dilated image; the four
    results are interleaved.
    """
    n, h, w, _ = g.shape

    def phase(row, column):
        taps, padding = flipped[row::2, column::2], [(1 - row,) * 2, (1 - column,) * 2]
        y = lax.conv_general_dilated(g, taps, (1, 1), padding, dimension_numbers=LAYOUT)
        return jnp.pad(y, ((0, 0), (0, row), (0, column), (0, 0)))

    rows = [jnp.stack([phase(row, 0), phase(row, 1)], axis=3) for row in (0, 1)]
    return jnp.stack(rows, axis=2).reshape(n, 2 * h + 2, 2 * w + 2, -1)[:, :-1, :-1]


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _correlate(x: Images, g: Images, stride: int, border: int) -> Weights:
    """Transpose of `_convolve` with respect to the weights: <_convolve(x, w), g> = <w, _correlate(x, g)>."""
    window = dict(stride=stride, border=border)
    suits = winograd.suits(x, g.shape[-1], _kernel_size(x, g, **window), **window, channels=128)
    cpu = winograd.correlate if suits else partial(_im2col, **window)
    return lax.platform_dependent(x, g, cpu=partial(shared.summed, cpu), default=partial(_swapped, **window))


def _kernel_size(x: Images, g: Images, stride: int, border: int) -> int:
    return x.shape[1] + 2 * border - stride * (g.shape[1] - 1)


def _swapped(x: Images, g: Images, stride: int, border: int) -> Weights:
    """`_correlate` as a convolution with image and channel axes swapped; g is a kernel dilated by the stride."""
    layout = ("CHWN", "IHWO", "HWNC")
    padding = [(border, border)] * 2
    return lax.conv_general_dilated(x, g, (1, 1), padding, rhs_dilation=(stride, stride), dimension_numbers=layout)


def _im2col(x: Images, g: Images, stride: int, border: int) -> Weights:
    """`_correlate` as matrix products gᵀ · im2col(x), one per kernel row, summed over batches of images that fit the
    cache."""
    h, w, c = g.shape[1:]
    k = _kernel_size(x, g, stride, border)
    wide = jnp.promote_types(x.dtype, jnp.float32)  # accumulates in float32 or wider
    if k == 1:
        return jnp.tensordot(x, g, axes=((0, 1, 2),) * 2, preferred_element_type=wide).astype(x.dtype)[None, None]
    in_batches = partial(winograd.in_batches, at_most=CACHED // (h * w * (c + x.shape[-1])))
    product = partial(lax.dot_general, dimension_numbers=(((0,), (0,)), ((), ())), preferred_element_type=wide)

    def add(total, images):
        x, g = _pad(images[0], border), images[1]
        columns = _horizontal_im2col(x, k, stride, w)
        rows = [columns[:, i : i + stride * (h - 1) + 1 : stride].reshape(-1, columns.shape[-1]) for i in range(k)]
        return total + jnp.stack([product(g.reshape(-1, c), row) for row in rows]), None

    total, _ = lax.scan(add, jnp.zeros((k, c, k * x.shape[-1]), wide), (in_batches(x), in_batches(g)))
    return total.reshape(k, c, k, -1).transpose(0, 2, 3, 1).astype(x.dtype)


def _horizontal_im2col(x: Images, k: int, stride: int, count: int) -> Images:
    """Horizontal im2col [n h count k·c]: the k pixels under the kernel at each of `count` positions of a row.

    XLA:CPU copies strided slices pixel by pixel, so columns are grouped by `stride` and whole groups are sliced.
    """
    n, h, w, c = x.shape
    groups = -(-w // stride)
    x = jnp.pad(x, ((0, 0), (0, 0), (0, groups * stride - w), (0, 0))).reshape(n, h, groups, stride * c)
    parts = [x[:, :, i // stride : i // stride + count, : (k - i) * c] for i in range(0, k, stride)]
    return jnp.concatenate(parts, axis=-1)


_convolve.defvjp(
    lambda x, w, *window: (_convolve(x, w, *window), (x, w)),
    lambda stride, border, xw, g: (_transpose(g, xw[1], stride, border), _correlate(xw[0], g, stride, border)),
)
_transpose.defvjp(
    lambda g, w, *window: (_transpose(g, w, *window), (g, w)),
    lambda stride, border, gw, u: (_convolve(u, gw[1], stride, border), _correlate(u, gw[0], stride, border)),
)
_correlate.defvjp(
    lambda x, g, *window: (_correlate(x, g, *window), (x, g)),
    lambda stride, border, xg, u: (_transpose(xg[1], u, stride, border), _convolve(xg[0], u, stride, border)),
)


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def _low_pass(x: Images, border: int) -> Images:
    return _filter(_pad(x, border), TAPS, stride=1)


@jax.custom_vjp
def downsample(x: Images) -> Images:
    return _filter(_pad(x, 1), TAPS, stride=2)


@jax.custom_vjp
def _downsample_transpose(g: Images) -> Images:
    """Transpose of `downsample`: nearest-neighbour upsampling, then the filter [1, 2, 1] / 8 along rows and columns."""
    return _filter(_pad(g.repeat(2, axis=1).repeat(2, axis=2), 1), (0.125, 0.25, 0.125), stride=1)


# The filter is symmetric, so its transpose is the filter itself. Autodiff would sum padded arrays instead, which is six
# times slower on XLA:CPU.
_low_pass.defvjp(lambda x, border: (_low_pass(x, border), None), lambda border, _, g: (_low_pass(g, 3 - border),))
downsample.defvjp(lambda x: (downsample(x), None), lambda _, g: (_downsample_transpose(g),))
_downsample_transpose.defvjp(lambda g: (_downsample_transpose(g), None), lambda _, u: (downsample(u),))


def _pad(x: Images, border: int) -> Images:
    return jnp.pad(x, ((0, 0), (border, border), (border, border), (0, 0)))


def _filter(x: Images, taps: tuple[float, ...], stride: int) -> Images:
    """Separable cross-correlation of both image axes as sums of shifted slices."""
    for axis in (1, 2):
        last = x.shape[axis] - len(taps) + 1
        x = sum(tap * lax.slice_in_dim(x, k, k + last, stride=stride, axis=axis) for k, tap in enumerate(taps))
    return x
