"""Optical flow between two frames: iterative, pyramidal Lucas-Kanade (Lucas and Kanade 1981; Bouguet 2001).

It runs inside a step or a frame loop like any other function of arrays: nothing is learned, nothing leaves the device.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from digan_jax.models.frames import halved
from digan_jax.shapes import Array

Images = Float[Array, "b h w c"]
Flow = Float[Array, "b h w 2"]  # (dx, dy) in pixels, x right, y down

SMALLEST = 4  # pixels a side of the coarsest level, at least
ITERATIONS = 6  # at each level
WINDOW = 1.5  # deviation of the window, in pixels of a level
RIDGE = 1e-3  # of the normal equations, frames being in [-1, 1]: where nothing is seen, nothing moves
REACH = 1.0  # pixels that an iteration moves at most
FILLED = 1e-2  # weight of what stands still, against squared pixels of what moves


def flow(first: Images, later: Images) -> Flow:
    """The flow m for which first(p) ≈ later(p + m), nearest pixels of the border beyond it.

    Found from the coarsest level to the finest: each begins with twice the flow of the level before, and takes steps
    d = (Σ g gᵀ)⁻¹ Σ g r over a window, r = first − later(p + m), g the gradient of later(p + m).
    """
    pyramid = [(first, later)]
    while min(pyramid[-1][0].shape[1:3]) // 2 >= SMALLEST and not any(n % 2 for n in pyramid[-1][0].shape[1:3]):
        pyramid.append(tuple(map(halved, pyramid[-1])))
    m = jnp.zeros((*pyramid[-1][0].shape[:3], 2))
    for level, (still, moved) in enumerate(reversed(pyramid)):
        if level:
            m = 2 * m.repeat(2, axis=1).repeat(2, axis=2)
        m = _at_level(still, moved, _blurred(m))
    return m


def _at_level(first: Images, later: Images, m: Flow) -> Flow:
    def step(m, _):
        seen = warped(later, m)
        gx, gy = (_slope(seen, axis) for axis in (2, 1))
        rest = first - seen
        products = (gx, gx), (gx, gy), (gy, gy), (gx, rest), (gy, rest)
        sums = _blurred(jnp.stack([(a * b).sum(-1) for a, b in products], -1))
        xx, xy, yy, xr, yr = jnp.moveaxis(sums, -1, 0)
        xx, yy = xx + RIDGE, yy + RIDGE
        d = jnp.stack([yy * xr - xy * yr, xx * yr - xy * xr], -1) / (xx * yy - xy * xy)[..., None]
        return m + jnp.clip(d, -REACH, REACH), None

    return jax.lax.scan(step, m, None, length=ITERATIONS)[0]


def warped(frames: Images, m: Flow) -> Images:
    """frames(p + m), bilinear, the nearest pixel of the border beyond it."""
    h, w = frames.shape[1:3]
    rows, columns = jnp.arange(h, dtype=m.dtype)[:, None], jnp.arange(w, dtype=m.dtype)[None]

    def of_channel(channel, m):
        places = jnp.stack(jnp.broadcast_arrays(rows + m[..., 1], columns + m[..., 0]))
        return jax.scipy.ndimage.map_coordinates(channel, list(places), order=1, mode="nearest")

    return jax.vmap(jax.vmap(of_channel, (-1, None), -1))(frames, m)


def carried(frames: Images, m: Flow) -> Images:
    """frames(p) at p + m: each pixel is shared among the four around the place that it moves to.

    Where several arrive, each counts by its squared flow, since what moves hides what stands still (splatting, Niklaus
    and Liu 2020). Where none does, the frame itself stays.
    """
    h, w = frames.shape[1:3]
    rows, columns = jnp.arange(h, dtype=m.dtype)[:, None], jnp.arange(w, dtype=m.dtype)[None]

    def of_clip(frame, m):
        x, y = columns + m[..., 0], rows + m[..., 1]
        left, top, weight = jnp.floor(x), jnp.floor(y), FILLED + jnp.square(m).sum(-1)
        total, mass = FILLED * frame, jnp.full((h, w), FILLED, frame.dtype)
        for column, row in ((left, top), (left + 1, top), (left, top + 1), (left + 1, top + 1)):
            inside = (column >= 0) & (column < w) & (row >= 0) & (row < h)
            share = jnp.where(inside, weight * (1 - jnp.abs(x - column)) * (1 - jnp.abs(y - row)), 0)
            place = jnp.where(inside, row, 0).astype(int), jnp.where(inside, column, 0).astype(int)
            total = total.at[place].add(share[..., None] * frame)
            mass = mass.at[place].add(share)
        return total / mass[..., None]

    return jax.vmap(of_clip)(frames, m)


def _slope(x: Images, axis: int) -> Images:
    """Central differences, one-sided at the border."""
    return jnp.gradient(x, axis=axis)


def _blurred(x: Images) -> Images:
    """Mean under a Gaussian window, along rows and columns."""

    def weights(cells: int) -> Array:
        far = np.arange(cells)[:, None] - np.arange(cells)[None]
        bell = np.exp(-0.5 * np.square(far / WINDOW))
        return jnp.asarray(bell / bell.sum(1, keepdims=True), x.dtype)

    return jnp.einsum("bhwc,yh,xw->byxc", x, weights(x.shape[1]), weights(x.shape[2]))
