"""A small function of (x, y, t) that is fitted to one clip alone, so that its weights are the clip, compressed.

Grids of features, coarse in space or in time, are interpolated at (x, y, t); a small network of two hidden layers turns
them into colour (Müller et al. 2022 and COOL-CHIC, Ladune et al. 2023, store pictures so; NeRV, Chen et al. 2021, videos).
"""

from __future__ import annotations

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from digan_jax.shapes import Array, Params

CHANNELS = 4  # features of a grid
GRID_BITS, LAYER_BITS = 0.9, 5.0  # about what a stored number of grids and of layers takes


@dataclasses.dataclass(frozen=True)
class Size:
    """The shape of a function: (times, rows, columns) of its grids, and the width of its network's layers."""

    grids: tuple[tuple[int, int, int], ...]
    hidden: int

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of all weights, by name, in the order in which they are stored."""
        n = self.hidden
        found = {f"grid{i}": (*grid, CHANNELS) for i, grid in enumerate(self.grids)}
        layers = [(CHANNELS * len(self.grids), n), (n, n), (n, 3)]
        for i, (n_in, n_out) in enumerate(layers):
            found |= {f"weight{i}": (n_in, n_out), f"bias{i}": (n_out,)}
        return found

    @property
    def weights(self) -> int:
        return sum(math.prod(shape) for shape in self.shapes.values())

    @property
    def bits(self) -> float:
        """About what the stored weights take."""
        of_grids = sum(math.prod(shape) for name, shape in self.shapes.items() if name.startswith("grid"))
        return GRID_BITS * of_grids + LAYER_BITS * (self.weights - of_grids)


def size_for(frames: int, height: int, width: int, bits: float) -> Size:
    """The largest size that takes about `bits` at most, or the smallest there is. About a fifth are the layers'.

    One grid is fine in space and still, one is coarse in space and has a node every other frame, one lies between. Most
    numbers of a grid become 0: more nodes with coarser numbers draw a better picture than few with finer ones.
    """
    hidden = 8 * int(np.clip(math.sqrt(bits) / 50, 1, 4))
    best = None
    for step in range(96):
        fine = 2 ** (6 - step / 12)  # pixels between nodes of the still grid
        nodes = lambda n, apart: max(1, math.ceil(n / apart))
        of = lambda time, apart: (nodes(frames, time), nodes(height, apart), nodes(width, apart))
        size = Size((of(frames, fine), of(6, 2 * fine), of(2, 4 * fine)), hidden)
        if best is None or size.bits <= bits:
            best = size
        if size.bits > bits or fine <= 1:
            break
    return best


def init(key, size: Size) -> Params:
    """Random weights."""
    params = {}
    for i, (name, shape) in enumerate(size.shapes.items()):
        scale = 0.1 if name.startswith("grid") else math.sqrt(2 / shape[0]) if name.startswith("weight") else 0.0
        params[name] = scale * jax.random.normal(jax.random.fold_in(key, i), shape)
    return params


def nodes(count: int, places: Float[Array, "n"]) -> Float[Array, "n count"]:
    """Linear interpolation: the share of each of `count` nodes, the middles of equal cells of [0, 1], at each place."""
    position = jnp.clip(places * count - 0.5, 0, count - 1)
    return jnp.maximum(0, 1 - jnp.abs(position[:, None] - jnp.arange(count, dtype=jnp.float32)[None]))


def draw(
    params: Params, t: Float[Array, "t"], y: Float[Array, "h"], x: Float[Array, "w"]
) -> Float[Array, "t h w 3"]:
    """Frames, about in [-1, 1]. Places in [0, 1]: t of the first and last frame, y from top, x from left."""
    features = []
    for name in sorted(name for name in params if name.startswith("grid")):
        grid = params[name]
        along = [nodes(n, places) for n, places in zip(grid.shape, (t, y, x))]
        grid = jnp.einsum("ts,shwc->thwc", along[0], grid)
        grid = jnp.einsum("yh,thwc->tywc", along[1], grid)
        features.append(jnp.einsum("xw,tywc->tyxc", along[2], grid))
    h = jnp.concatenate(features, axis=-1)
    for i in range(3):
        h = h @ params[f"weight{i}"] + params[f"bias{i}"].reshape(1, 1, 1, -1)
        h = jax.nn.gelu(h) if i < 2 else h
    return h
