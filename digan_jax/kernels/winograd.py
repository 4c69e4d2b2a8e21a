"""3×3 convolutions of stride 1 and border 1 with 2.25 times fewer multiplications, as matrix products: Winograd's
F(2×2, 3×3) (Lavin and Gray 2016). For CPU; accelerators have convolutions of their own.

Two outputs y of three taps w on four inputs d are four products instead of six, y = A ((G w) ⊙ (B d)), along rows and
along columns: a tile of 2×2 pixels is made of 16 products instead of 36. All entries of A, B and G are 0, ±1 and ½, so
float rounding is about that of the sum as it is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import jax.numpy as jnp
from jax import lax
from jaxtyping import Float

from digan_jax.shapes import Array

Images = Float[Array, "n _ _ _"]  # rows, columns, channels
Weights = Float[Array, "3 3 i o"]
Plane = Float[Array, "tiles _"]
Parts = Sequence[Array] | Array
TILES = 1 << 11  # multiplied at once: enough for a quick product, few enough for the cache


def suits(x: Images, n_out: int, kernel: int, stride: int, border: int, channels: int) -> bool:
    """Whether these images can be convolved so, and have as many channels as make it pay."""
    h, w, n_in = x.shape[1:]
    fits = (kernel, stride, border, x.dtype) == (3, 1, 1, jnp.float32) and h % 2 == w % 2 == 0
    return fits and min(n_in, n_out) >= channels


def convolve(x: Images, weight: Weights) -> Images:
    """Cross-correlation on a border of one zero."""
    n, h, w, _ = x.shape
    taps = [_of_taps(rows) for rows in zip(*(_of_taps(columns) for columns in weight))]  # [column][row] of [i o]

    def some(x: Images) -> Images:
        rows = []
        for i, planes in enumerate(_of_images(x)):
            products = [plane @ taps[j][i] for j, plane in enumerate(planes)]
            rows.append(jnp.stack(_to_outputs(products), axis=1))  # [tiles 2 o]
        tiles = jnp.stack([row.reshape(-1, h // 2, w, row.shape[-1]) for row in _to_outputs(rows)], axis=2)
        return tiles.reshape(len(x), h, w, -1)

    return lax.map(some, in_parts(x, 4 * TILES // (h * w))).reshape(n, h, w, -1)


def correlate(x: Images, g: Images) -> Weights:
    """Transpose of `convolve` by the weights: <convolve(x, w), g> = <w, correlate(x, g)>."""
    h, w, n_out = g.shape[1:]
    at_most = 4 * TILES // (h * w)

    def add(total: Float[Array, "4 4 i o"], images: tuple[Images, Images]):
        x, g = images
        tiles = g.reshape(-1, 2, w // 2, 2 * n_out).swapaxes(0, 1)  # rows, then columns of a tile
        products = []
        for planes, row in zip(_of_images(x), _of_outputs(tiles)):
            outputs = _of_outputs([row[..., :n_out].reshape(-1, n_out), row[..., n_out:].reshape(-1, n_out)])
            products.append(jnp.stack([plane.T @ output for plane, output in zip(planes, outputs)]))
        return total + jnp.stack(products), None

    total, _ = lax.scan(add, jnp.zeros((4, 4, x.shape[-1], n_out)), (in_parts(x, at_most), in_parts(g, at_most)))
    return jnp.stack([jnp.stack(_to_taps(row)) for row in jnp.stack(_to_taps(total))])


def in_parts(x: Images, at_most: int) -> Float[Array, "parts m _ _ _"]:
    """Equal parts of at most so many images, or of one."""
    m = max(m for m in range(1, max(1, at_most) + 1) if len(x) % m == 0)
    return x.reshape(-1, m, *x.shape[1:])


def _of_images(x: Images) -> Iterator[tuple[Plane, ...]]:
    """B along rows and columns of the tiles: four times four planes."""
    n, h, w, c = x.shape
    x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    for row in _of_inputs([x[:, i : i + h - 1 : 2] for i in range(4)]):
        pairs = row.reshape(n, h // 2, w // 2 + 1, 2 * c)  # of columns, so that no slice is strided
        first, second = pairs[:, :, :-1], pairs[:, :, 1:]
        columns = first[..., :c], first[..., c:], second[..., :c], second[..., c:]
        yield tuple(plane.reshape(-1, c) for plane in _of_inputs(columns))


def _of_inputs(d: Parts) -> tuple[Array, ...]:
    """B d"""
    return d[0] - d[2], d[1] + d[2], d[2] - d[1], d[1] - d[3]


def _of_taps(w: Parts) -> tuple[Array, ...]:
    """G w"""
    return w[0], (w[0] + w[1] + w[2]) / 2, (w[0] - w[1] + w[2]) / 2, w[2]


def _to_taps(u: Parts) -> tuple[Array, ...]:
    """Gᵀ u"""
    return u[0] + (u[1] + u[2]) / 2, (u[1] - u[2]) / 2, (u[1] + u[2]) / 2 + u[3]


def _to_outputs(m: Parts) -> tuple[Array, ...]:
    """A m"""
    return m[0] + m[1] + m[2], m[1] - m[2] - m[3]


def _of_outputs(y: Parts) -> tuple[Array, ...]:
    """Aᵀ y"""
    return y[0], y[0] + y[1], y[0] - y[1], -y[1]
