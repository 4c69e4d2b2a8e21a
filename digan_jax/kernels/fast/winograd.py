"""Winograd's F(2×2, 3×3) algorithm for 3×3 convolutions of stride 1 (Lavin and Gray 2016), for CPU.

A tile of 2×2 outputs is Y = Aᵀ [(G w Gᵀ) ⊙ (Bᵀ d B)] A for a 3×3 kernel w and the 4×4 inputs d: 16 multiplications
instead of 36. With channels, each of the 16 is one matrix product over all tiles. The entries of A, B and G are 0, ±1
and ½, so the rounding error is about that of the direct convolution.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import jax.numpy as jnp
from jax import lax
from jaxtyping import Float

from digan_jax.shapes import Array

Images = Float[Array, "n _ _ _"]  # images, rows, columns, channels
Weights = Float[Array, "3 3 i o"]
Tiles = Float[Array, "tiles _"]  # one element of every tile: [tiles channels]
Elements = Sequence[Array] | Array  # the elements along one axis of a tile
TILES = 1 << 11  # tiles per matrix product: few enough to fit the cache


def suits(x: Images, n_out: int, kernel: int, stride: int, border: int, channels: int) -> bool:
    """Whether the algorithm applies and pays: a 3×3 kernel, even sizes, at least `channels` channels in and out."""
    h, w, n_in = x.shape[1:]
    fits = (kernel, stride, border, x.dtype) == (3, 1, 1, jnp.float32) and h % 2 == w % 2 == 0
    return fits and min(n_in, n_out) >= channels


def convolve(x: Images, weight: Weights) -> Images:
    """Cross-correlation with zero padding of 1."""
    n, h, w, _ = x.shape
    kernel = [_g(rows) for rows in zip(*(_g(columns) for columns in weight))]  # G w Gᵀ: [column][row] of [i o]

    def of_batch(x: Images) -> Images:
        rows = []
        for i, inputs in enumerate(_input_transform(x)):
            products = [element @ kernel[j][i] for j, element in enumerate(inputs)]
            rows.append(jnp.stack(_at(products), axis=1))  # [tiles 2 o]
        tiles = jnp.stack([row.reshape(-1, h // 2, w, row.shape[-1]) for row in _at(rows)], axis=2)
        return tiles.reshape(len(x), h, w, -1)

    return lax.map(of_batch, in_batches(x, 4 * TILES // (h * w))).reshape(n, h, w, -1)


def correlate(x: Images, g: Images) -> Weights:
    """Gᵀ [(A g Aᵀ) ⊙ (Bᵀ d B)] G, the transpose with respect to w: <convolve(x, w), g> = <w, correlate(x, g)>."""
    h, w, n_out = g.shape[1:]
    at_most = 4 * TILES // (h * w)

    def add(total: Float[Array, "4 4 i o"], images: tuple[Images, Images]):
        x, g = images
        tiles = g.reshape(-1, 2, w // 2, 2 * n_out).swapaxes(0, 1)  # [row in tile, ..., column in tile and channel]
        products = []
        for inputs, row in zip(_input_transform(x), _a(tiles)):
            outputs = _a([row[..., :n_out].reshape(-1, n_out), row[..., n_out:].reshape(-1, n_out)])
            products.append(jnp.stack([element.T @ output for element, output in zip(inputs, outputs)]))
        return total + jnp.stack(products), None

    total, _ = lax.scan(add, jnp.zeros((4, 4, x.shape[-1], n_out)), (in_batches(x, at_most), in_batches(g, at_most)))
    return jnp.stack([jnp.stack(_gt(row)) for row in jnp.stack(_gt(total))])


def in_batches(x: Images, at_most: int) -> Float[Array, "batches m _ _ _"]:
    """Images in batches of equal size m: the largest divisor of n that is at most `at_most`, at least 1."""
    m = max(m for m in range(1, max(1, at_most) + 1) if len(x) % m == 0)
    return x.reshape(-1, m, *x.shape[1:])


def _input_transform(x: Images) -> Iterator[tuple[Tiles, ...]]:
    """Input transform Bᵀ d B of the 4×4 inputs of every tile: yields its four rows, each as four elements."""
    n, h, w, c = x.shape
    x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    for row in _bt([x[:, i : i + h - 1 : 2] for i in range(4)]):
        pairs = row.reshape(n, h // 2, w // 2 + 1, 2 * c)  # pairs of columns, so that no slice is strided
        first, second = pairs[:, :, :-1], pairs[:, :, 1:]
        columns = first[..., :c], first[..., c:], second[..., :c], second[..., c:]
        yield tuple(element.reshape(-1, c) for element in _bt(columns))


def _bt(d: Elements) -> tuple[Array, ...]:
    """Bᵀ d"""
    return d[0] - d[2], d[1] + d[2], d[2] - d[1], d[1] - d[3]


def _g(w: Elements) -> tuple[Array, ...]:
    """G w"""
    return w[0], (w[0] + w[1] + w[2]) / 2, (w[0] - w[1] + w[2]) / 2, w[2]


def _gt(u: Elements) -> tuple[Array, ...]:
    """Gᵀ u"""
    return u[0] + (u[1] + u[2]) / 2, (u[1] - u[2]) / 2, (u[1] + u[2]) / 2 + u[3]


def _at(m: Elements) -> tuple[Array, ...]:
    """Aᵀ m"""
    return m[0] + m[1] + m[2], m[1] - m[2] - m[3]


def _a(y: Elements) -> tuple[Array, ...]:
    """A y"""
    return y[0], y[0] + y[1], y[0] - y[1], -y[1]
