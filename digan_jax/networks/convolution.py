"""The critics' convolutions as shifted sums and matrix products.

R1 takes second derivatives of the critics. On XLA:CPU the second derivative of a strided convolution runs 10 to 100
times slower than matrix products; these keep every derivative on fast kernels, on any platform.
The low-pass filter is the outer product of [1, 3, 3, 1] / 8 with itself.
"""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Float

from digan_jax.shapes import Array

Images = Float[Array, "n h w c"]


def same(x: Images, weight: Float[Array, "k k i o"]) -> Images:
    """k×k cross-correlation, zeros outside, same size; k odd."""
    k, n_in, n_out = weight.shape[0], weight.shape[2], weight.shape[3]
    if k == 1:
        return x @ weight[0, 0]
    n, h, w, _ = x.shape
    p = k // 2
    padded = jnp.pad(x, ((0, 0), (p, p), (p, p), (0, 0)))
    patches = [padded[:, i : i + h, j : j + w] for i in range(k) for j in range(k)]
    return jnp.concatenate(patches, axis=-1) @ weight.reshape(k * k * n_in, n_out)


def low_pass_half(x: Images) -> Images:
    """Low-pass filter on a border of one zero, then every second pixel: the skip path's ÷2."""
    return _half_filter(_half_filter(x, axis=1), axis=2)


def low_pass_strided(x: Images, weight: Float[Array, "3 3 i o"]) -> Images:
    """Low-pass filter on a border of two zeros, then a 3×3 cross-correlation of stride 2: the main path's ÷2.

    Filtered rows and columns are made in their even and odd phases, so that each of the nine taps is a plain slice.
    """
    n, h, w, n_in = x.shape
    taps = [t for rows in _phase_taps(x, axis=1) for t in _phase_taps(rows, axis=2)]
    return jnp.concatenate(taps, axis=-1) @ weight.reshape(9 * n_in, -1)


def _even_odd(x: Images, axis: int, pad: int) -> tuple[Images, Images]:
    """Even and odd rows (axis 1) or columns (axis 2) of x with `pad` zeros at both ends."""
    widths = [(0, 0)] * 4
    widths[axis] = (pad, pad)
    x = jnp.pad(x, widths)
    shape = x.shape[:axis] + (x.shape[axis] // 2, 2) + x.shape[axis + 1 :]
    x = x.reshape(shape)
    even, odd = jnp.split(x, 2, axis=axis + 1)
    return even.squeeze(axis + 1), odd.squeeze(axis + 1)


def _cut(x: Images, axis: int, start: int, length: int) -> Images:
    return x[:, start : start + length] if axis == 1 else x[:, :, start : start + length]


def _half_filter(x: Images, axis: int) -> Images:
    n = x.shape[axis] // 2
    widths = [(0, 0)] * 4
    widths[axis] = (2, 2)
    even, odd = _even_odd(x, axis, pad=2)  # filtered pixel k sums padded pixels 2k+1 .. 2k+4 of this border of two
    at = lambda phase, k: _cut(phase, axis, k, n)
    return (at(odd, 0) + at(even, 2)) * 0.125 + (at(even, 1) + at(odd, 1)) * 0.375


def _phase_taps(x: Images, axis: int) -> list[Images]:
    """The filtered rows (columns) 2k, 2k + 1 and 2k + 2 for k = 0 .. n/2 - 1."""
    n = x.shape[axis] // 2
    even, odd = _even_odd(x, axis, pad=2)
    at = lambda phase, k, length: _cut(phase, axis, k, length)
    filtered_even = (at(even, 0, n + 1) + at(odd, 1, n + 1)) * 0.125 + (at(odd, 0, n + 1) + at(even, 1, n + 1)) * 0.375
    filtered_odd = (at(odd, 0, n) + at(even, 2, n)) * 0.125 + (at(even, 1, n) + at(odd, 1, n)) * 0.375
    return [_cut(filtered_even, axis, 0, n), filtered_odd, _cut(filtered_even, axis, 1, n)]
