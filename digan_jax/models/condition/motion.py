"""Shown colours moved along a flow, predicted or classical, to the times of frames."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from digan_jax.models.flow import flow as classical_flow
from digan_jax.shapes import Array

FLOW = 6  # numbers of a pixel: (down, right) to the map before, to the map after, and how well each can be moved


class Around(NamedTuple):
    """The maps before and after each time, and where the time lies between them."""

    before: Int[Array, "b t"]
    after: Int[Array, "b t"]
    since: Float[Array, "b t"]  # from the map before to the time, in gaps between maps; 0 before the first map
    until: Float[Array, "b t"]  # from the time to the map after; 0 behind the last map
    share: Float[Array, "b t"]  # of the map after


def around(at: Float[Array, "b s"], times: Float[Array, "b t"]) -> Around:
    """The maps around each time. Before the first both are the first, behind the last both are the last.

    Args:
      at: times of the maps, strictly ascending. times: any, in the same unit.
    """
    s = at.shape[1]
    count = jnp.sum(at[:, None] <= times[:, :, None], axis=2)  # of maps up to each time
    before, after = jnp.clip(count - 1, 0, s - 1), jnp.clip(count, 0, s - 1)
    of = lambda row: jnp.take_along_axis(at, row, axis=1)
    gaps = jnp.diff(at, axis=1) if s > 1 else jnp.ones_like(at)
    gap = jnp.take_along_axis(gaps, jnp.clip(count - 1, 0, gaps.shape[1] - 1), axis=1)
    since = jnp.maximum(times - of(before), 0) / gap
    until = jnp.maximum(of(after) - times, 0) / gap
    share = jnp.where(count == 0, 1.0, jnp.where(count >= s, 0.0, since))
    return Around(before, after, since, until, share)


def moved(
    maps: Float[Array, "b s H W c"],
    flow: Float[Array, "b s H W 6"],
    at: Float[Array, "b s"],
    times: Float[Array, "b t"],
) -> tuple[Float[Array, "b t H W c"], Float[Array, "b t H W _"]]:
    """Maps at any times, and what they were made of: both moved maps, how far the time is between and behind them.

    Each map is moved at constant speed, by its own flow at the pixel that is looked at; the two are mixed by time and
    by the logits of the flow. With a flow of 0 this is `times.at_times`. No gradient reaches the maps.
    """
    maps, place = jax.lax.stop_gradient(maps), around(at, times)
    rows = lambda x, index: jnp.take_along_axis(x, index[:, :, None, None, None], axis=1)
    pixels = lambda x: x[:, :, None, None, None]
    first, second = rows(flow, place.before), rows(flow, place.after)
    parts = (
        shifted(rows(maps, place.before), first[..., 2:4] * pixels(place.since)),
        shifted(rows(maps, place.after), second[..., :2] * pixels(place.until)),
    )
    weights = (1 - pixels(place.share)) * jnp.exp(first[..., 5:6]), pixels(place.share) * jnp.exp(second[..., 4:5])
    mixed = (parts[0] * weights[0] + parts[1] * weights[1]) / (weights[0] + weights[1])
    within = 4 * place.share * (1 - place.share)
    beyond = jnp.maximum(place.since - 1, 0) + place.until * (place.share == 1)
    behind = jnp.where(place.share == 0, place.since, beyond)
    clock = jnp.broadcast_to(jnp.stack([within, behind], -1)[:, :, None, None], (*mixed.shape[:-1], 2))
    return mixed, jnp.concatenate([*parts, clock], axis=-1)


def classical(maps: Float[Array, "b s H W c"]) -> Float[Array, "b s H W 4"]:
    """The first four numbers of the flow of maps whose first planes are colours, by Lucas and Kanade; no gradient.

    The pixel p that is moved from map i to the map after shows map_i(p + f) there, so f is the flow from that map to
    map i, and the other way alike. The first and the last map move on as they did to and from their one neighbour. One map
    alone, or maps of one row or column, stand still.
    """
    b, s, h, w, _ = maps.shape
    if min(s, h, w) == 1:
        return jnp.zeros((b, s, h, w, 4))
    colours = jax.lax.stop_gradient(maps[..., :3])
    flat = lambda x: x.reshape(b * (s - 1), h, w, 3)
    earlier, later = flat(colours[:, :-1]), flat(colours[:, 1:])
    both = classical_flow(jnp.concatenate([earlier, later]), jnp.concatenate([later, earlier]))
    forward, backward = both[..., ::-1].reshape(2, b, s - 1, h, w, 2)
    of_first, of_last = forward[:, :1], backward[:, -1:]
    before, after = jnp.concatenate([of_first, forward], axis=1), jnp.concatenate([backward, of_last], axis=1)
    return jnp.concatenate([before, after], axis=-1)


def shifted(maps: Float[Array, "b t H W c"], by: Float[Array, "b t H W 2"]) -> Float[Array, "b t H W c"]:
    """Maps looked at (down, right) pixels away, by cubic splines (Catmull and Rom); the border goes on outside."""
    b, t, h, w, c = maps.shape
    nodes = np.stack(np.meshgrid(np.arange(h), np.arange(w), indexing="ij"), -1).astype(np.float32)
    place = jnp.clip(nodes[None, None] + by, 0, np.float32([h - 1, w - 1])[None, None, None, None])
    corner = jnp.floor(jax.lax.stop_gradient(place))
    weights, corner = spline(place - corner), corner.astype(jnp.int32)
    rows, columns = (
        [jnp.clip(corner[..., axis] + i, 0, last) for i in range(-1, 3)] for axis, last in ((0, h - 1), (1, w - 1))
    )
    flat, total = maps.reshape(b, t, h * w, c), jnp.zeros(maps.shape)
    for down, row in zip(weights, rows):
        for right, column in zip(weights, columns):
            seen = jnp.take_along_axis(flat, (row * w + column).reshape(b, t, h * w, 1), axis=2).reshape(maps.shape)
            total += down[..., :1] * right[..., 1:] * seen
    return total


def spline(x: Float[Array, "*n"]) -> list[Float[Array, "*n"]]:
    """Weights of the pixels at -1, 0, 1, 2 for the value at x in [0, 1]; exact for squares (Keys 1981, a = -1/2)."""
    return [
        ((-0.5 * x + 1) * x - 0.5) * x,
        (1.5 * x - 2.5) * x * x + 1,
        ((-1.5 * x + 2) * x + 0.5) * x,
        (0.5 * x - 0.5) * x * x,
    ]
