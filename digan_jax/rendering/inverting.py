"""A clip to the latents that draw it: a content vector for each layer, and the motion, by optimisation (Adam).

As in StyleGAN2's projection and Image2StyleGAN (Abdal et al. 2019), for clips: the loss also compares the differences
of successive frames, and how large they are on average. Without, a clip that stands still does nearly as well: motion
that is not met exactly adds to the squared error (StyleGAN-V, 2022, notes frozen clips).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float

from digan_jax import grids
from digan_jax.models.digan.networks import Nets
from digan_jax.rendering.model import Model
from digan_jax.shapes import Array, Latents, Params

PAIRS = 4  # of successive frames, looked at in each step
CANDIDATES = 64  # ids, the nearest of which is the start
RATE = 0.03  # of Adam at first; falls to 0 along a cosine
STILLNESS = 4.0  # weight of the squared error of frame differences, which are smaller than frames
ENERGY = 0.02  # weight of the squared relative error of the mean absolute difference of frames
NEARNESS = 1e-3  # weight of the squared distance of content from the mean
Distance = Callable[[Array, Array], Array]  # frames [n h w 3] in [-1, 1], twice -> [n]


class Inversion(NamedTuple):
    """Latents of one clip, and the loss by step, with that of the start first."""

    latents: Latents
    losses: Float[np.ndarray, "steps"]


@dataclasses.dataclass(frozen=True)
class Weights:
    """Of the terms of the loss, beside the squared error of frames."""

    perceptual: float = 0.0  # of `distance`
    stillness: float = STILLNESS
    energy: float = ENERGY
    nearness: float = NEARNESS


def invert(
    model: Model,
    clip: Float[np.ndarray, "t h w 3"],
    times: Float[np.ndarray, "t"],
    steps: int,
    weights: Weights = Weights(),
    distance: Distance | None = None,
    advance: Callable[[], None] = lambda: None,
) -> Inversion:
    """Latents whose clip at `times` is nearest to `clip`, in [-1, 1], of the model's resolution; two frames or more."""
    rng, grid = np.random.default_rng(0), grids.native(model.config.resolution, model.config.base)
    lat = nearest_id(model, clip, times)
    moved = jax.tree.map(jnp.asarray, lat)
    optimizer = optax.adam(optax.cosine_decay_schedule(RATE, max(1, steps)))
    state, losses = optimizer.init(moved), []
    update = partial(_step, nets=model.nets, optimizer=optimizer, weights=weights, distance=distance)
    for step in range(steps):
        first = np.sort(rng.integers(0, len(clip) - 1, PAIRS))
        seen = np.stack([first, first + 1], axis=1).ravel()
        moved, state, loss = update(model.params, moved, state, clip[seen], times[seen].astype(np.float32), grid)
        losses.append(loss)
        advance()
    return Inversion(jax.tree.map(np.asarray, moved), np.array(jax.device_get(losses), np.float32))


def nearest_id(model: Model, clip: Float[np.ndarray, "t h w 3"], times: Float[np.ndarray, "t"]) -> Latents:
    """The latents of the id of the first CANDIDATES, or the mean content, whose first and last frame are nearest."""
    lat = model.latents(np.arange(CANDIDATES), motion_ids=np.arange(CANDIDATES), **_any_class(model))
    ends = np.array([0, len(clip) - 1])
    drawn = model.generate(lat, times[ends])
    best = int(np.square(drawn - clip[None, ends]).mean((1, 2, 3, 4)).argmin())
    return Latents(*(np.asarray(x)[best : best + 1] for x in lat))


def _any_class(model: Model) -> dict:
    n = model.config.n_classes
    return {"label": [i % n for i in range(CANDIDATES)]} if n else {}


@partial(jax.jit, static_argnames=("nets", "optimizer", "weights", "distance"))
def _step(params: Params, lat: Latents, state, frames, times, grid, *, nets: Nets, optimizer, weights, distance):
    """One step of Adam on pairs of successive frames [2 k h w 3]."""

    def loss(lat):
        drawn = nets.generator.synthesis(params, lat, times[None], grid)[0]
        total = jnp.square(drawn - frames).mean()
        moves = (drawn[1::2] - drawn[::2]) - (frames[1::2] - frames[::2])
        total += weights.stillness * jnp.square(moves).mean()
        by_time = lambda x: jnp.abs(x[1::2] - x[::2]).mean()
        total += weights.energy * jnp.square(by_time(drawn) / (by_time(frames) + 1e-3) - 1)
        total += weights.nearness * jnp.square(lat.content - params["w_avg"][None, None]).mean()
        if weights.perceptual:
            total += weights.perceptual * distance(drawn[::2], frames[::2]).mean()
        return total

    value, gradient = jax.value_and_grad(loss)(lat)
    updates, state = optimizer.update(gradient, state, lat)
    return optax.apply_updates(lat, updates), state, value
