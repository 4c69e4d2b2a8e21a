"""Fits a small function to one clip, with weights that are whole numbers times a step, and draws it again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float, Int8

from digan_jax.errors import InputError
from digan_jax.models import one_clip
from digan_jax.models.one_clip import Size
from digan_jax.shapes import Array, Params

TOGETHER = 4  # frames that a step looks at
RATE = 0.02  # of Adam at first; falls to 0 along a cosine
GRID_STEP, LAYER_STEP = 1 / 16, 1 / 64  # of stored numbers, in root mean squares of an array
ROUNDED = 0.4  # of all steps, from which on weights are rounded while they are fitted
LARGEST = 127


def fit(
    clip: Float[np.ndarray, "t h w 3"],
    size: Size,
    steps: int,
    sparsity: float,
    advance: Callable[[], None] = lambda: None,
) -> tuple[Params, dict[str, float]]:
    """The weights of a function that draws `clip`, in [-1, 1], and the step of each array.

    Args:
      steps: of Adam.
      sparsity: weight of the mean absolute stored number of grids, which makes them take fewer bits.
    """
    params = one_clip.init(jax.random.key(0), size)
    optimizer = optax.adam(optax.cosine_decay_schedule(RATE, max(1, steps)))
    state, random = optimizer.init(params), np.random.default_rng(0)
    scales = {name: jnp.ones(()) for name in params}
    axes = places(*clip.shape[:3])
    frames = jnp.asarray(clip)
    for step in range(steps):
        rounded = step >= ROUNDED * steps
        if rounded and step - 1 < ROUNDED * steps:
            scales = step_sizes(params)
        chosen = jnp.asarray(random.integers(0, len(clip), TOGETHER))
        params, state = _step(
            params, state, frames[chosen], axes[0][chosen], *axes[1:], scales, sparsity * rounded,
            rounded=rounded, optimizer=optimizer,
        )  # fmt: skip
        advance()
    return params, {name: float(scale) for name, scale in (scales if steps else step_sizes(params)).items()}


def places(frames: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """t of frames, y and x of the centres of pixels, in [0, 1]: float32."""
    middle = lambda n: ((np.arange(n) + 0.5) / n).astype(np.float32)
    return tuple(map(middle, (frames, height, width)))


@jax.jit
def step_sizes(params: Params) -> dict[str, Array]:
    """The value of 1 in each array: fine beside its numbers, and coarse enough for 8 bits."""

    def of(name, x):
        fraction = GRID_STEP * 4 if name.startswith("grid") else LAYER_STEP * 2
        by_size = fraction * jnp.sqrt(jnp.mean(jnp.square(x)) + 1e-8)
        return jnp.maximum(by_size, jnp.abs(x).max() / (LARGEST - 7))

    return {name: of(name, x) for name, x in params.items()}


@partial(jax.jit, static_argnames=("rounded", "optimizer"))
def _step(params: Params, state, frames, t, y, x, scales, sparsity, *, rounded: bool, optimizer):
    def loss(params):
        used = params
        if rounded:  # forward with rounded weights, backward as if they were not (straight-through)
            of = lambda name, v: v + jax.lax.stop_gradient(jnp.round(v / scales[name]) * scales[name] - v)
            used = {name: of(name, v) for name, v in params.items()}
        error = jnp.square(one_clip.draw(used, t, y, x) - frames).mean()
        grids = [jnp.abs(v / scales[name]).mean() for name, v in params.items() if name.startswith("grid")]
        return error + sparsity * sum(grids)

    updates, state = optimizer.update(jax.grad(loss)(params), state, params)
    return optax.apply_updates(params, updates), state


def stored(params: Params, steps: dict[str, float], size: Size) -> Int8[np.ndarray, "n"]:
    """All weights as whole numbers of steps, one array after another."""
    whole = (np.rint(np.asarray(params[name]) / np.float32(steps[name])) for name in size.shapes)
    return np.concatenate([np.clip(x, -LARGEST, LARGEST).astype(np.int8).ravel() for x in whole])


def restored(numbers: Int8[np.ndarray, "n"], steps: tuple[float, ...], size: Size) -> Params:
    """The inverse of `stored`. Raises `InputError` for too few or too many numbers."""
    if len(numbers) != size.weights:
        raise InputError(f"is damaged: {len(numbers)} weights of {size.weights}; get it again.")
    params, at = {}, 0
    for (name, shape), step in zip(size.shapes.items(), steps, strict=True):
        count = int(np.prod(shape))
        params[name] = (numbers[at : at + count].astype(np.float32) * np.float32(step)).reshape(shape)
        at += count
    return params


def frames(params: Params, t: Float[np.ndarray, "t"], height: int, width: int) -> Iterator[Float[np.ndarray, "h w 3"]]:
    """Frames at places t in [0, 1], of any size, one by one."""
    _, y, x = places(1, height, width)
    for place in np.asarray(t, np.float32):
        yield np.asarray(_draw(params, place[None], y, x))[0]


_draw = jax.jit(one_clip.draw)
