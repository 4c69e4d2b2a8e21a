"""Fits a small function to one clip, with weights that are whole numbers times a step, and draws it again."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float, Int8

from digan_jax.models import one_clip
from digan_jax.models.one_clip import Size
from digan_jax.shapes import Array, Params

TOGETHER = 4  # frames that a step looks at
RATE = 0.02  # of Adam at first; falls to 0 along a cosine
GRID_STEP, LAYER_STEP = 0.4, 1 / 8  # of stored numbers, in root mean squares of an array
ROUNDED = 0.4  # of all steps, from which on weights are rounded while they are fitted
STEERED = 25  # steps between looks at the bits
FIRST_WEIGHT = 0.02  # of bits a pixel beside the squared error, before it is steered
CODED = 0.93  # of an array's entropy is about what its code takes, which knows what lies around a number
LARGEST = 127


def fit(
    clip: Float[np.ndarray, "t h w 3"],
    size: Size,
    steps: int,
    bits: float,
    advance: Callable[[], None] = lambda: None,
) -> tuple[Params, dict[str, float]]:
    """The weights of a function that draws `clip`, in [-1, 1], and the step of each array.

    The loss is the squared error and, once weights are rounded, the bits of grids times a weight that is steered until all
    arrays take about as many bits as asked for.

    Args:
      steps: of Adam.
      bits: of the coded numbers, about.
    """
    params = one_clip.init(jax.random.key(0), size)
    optimizer = optax.adam(optax.cosine_decay_schedule(RATE, max(1, steps)))
    state, random = optimizer.init(params), np.random.default_rng(0)
    scales = {name: jnp.ones(()) for name in params}
    axes = places(*clip.shape[:3])
    frames, begin = jnp.asarray(clip), math.ceil(ROUNDED * steps)
    weight = FIRST_WEIGHT / math.prod(clip.shape[:3])
    for step in range(steps):
        if step == begin:
            scales = step_sizes(params)
        elif step > begin and (step - begin) % STEERED == 0:
            weight *= float(np.clip((CODED * entropy(params, scales) / bits) ** 0.7, 0.7, 1.4))
        chosen = jnp.asarray(random.integers(0, len(clip), TOGETHER))
        params, state = _step(
            params, state, frames[chosen], axes[0][chosen], *axes[1:], scales, weight,
            rounded=step >= begin, optimizer=optimizer,
        )  # fmt: skip
        advance()
    return params, {name: float(scale) for name, scale in (scales if steps else step_sizes(params)).items()}


def places(frames: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """t of frames, y and x of the centres of pixels, in [0, 1]: float32."""
    middle = lambda n: ((np.arange(n) + 0.5) / n).astype(np.float32)
    return tuple(map(middle, (frames, height, width)))


def entropy(params: Params, scales: dict[str, Array]) -> float:
    """Bits of all rounded numbers, if each array were coded by the frequencies of its own numbers."""
    bits = 0.0
    for name, x in params.items():
        count = np.unique(np.rint(np.asarray(x) / np.asarray(scales[name])), return_counts=True)[1]
        bits -= float((count * np.log2(count / count.sum())).sum())
    return bits


@jax.jit
def step_sizes(params: Params) -> dict[str, Array]:
    """The value of 1 in each array: fine beside its numbers, and coarse enough for 8 bits."""

    def of(name, x):
        fraction = GRID_STEP if name.startswith("grid") else LAYER_STEP
        by_size = fraction * jnp.sqrt(jnp.mean(jnp.square(x)) + 1e-8)
        step = jnp.maximum(jnp.maximum(by_size, jnp.abs(x).max() / (LARGEST - 7)), 1e-4)
        return step.astype(jnp.float16).astype(jnp.float32)  # as files store it

    return {name: of(name, x) for name, x in params.items()}


@partial(jax.jit, static_argnames=("rounded", "optimizer"))
def _step(params: Params, state, frames, t, y, x, scales, weight, *, rounded: bool, optimizer):
    def loss(params):
        used = params
        if rounded:  # forward with rounded weights, backward as if they were not (straight-through)
            of = lambda name, v: v + jax.lax.stop_gradient(jnp.round(v / scales[name]) * scales[name] - v)
            used = {name: of(name, v) for name, v in params.items()}
        error = jnp.square(one_clip.draw(used, t, y, x) - frames).mean()
        if not rounded:
            return error
        grids = [jnp.log2(1 + 2 * jnp.abs(v / scales[name])).sum() for name, v in params.items() if name.startswith("grid")]
        return error + weight * sum(grids)

    updates, state = optimizer.update(jax.grad(loss)(params), state, params)
    return optax.apply_updates(params, updates), state


def stored(params: Params, steps: dict[str, float], size: Size) -> list[Int8[np.ndarray, "..."]]:
    """All weights as whole numbers of steps, in the order of `size.shapes`."""
    whole = (np.rint(np.asarray(params[name]) / np.float32(steps[name])) for name in size.shapes)
    return [np.clip(x, -LARGEST, LARGEST).astype(np.int8) for x in whole]


def restored(numbers: Sequence[Int8[np.ndarray, "..."]], steps: tuple[float, ...], size: Size) -> Params:
    """The inverse of `stored`."""
    return {name: x.astype(np.float32) * np.float32(step) for name, x, step in zip(size.shapes, numbers, steps, strict=True)}


def frames(params: Params, t: Float[np.ndarray, "t"], height: int, width: int) -> Iterator[Float[np.ndarray, "h w 3"]]:
    """Frames at places t in [0, 1], of any size, one by one."""
    _, y, x = places(1, height, width)
    for place in np.asarray(t, np.float32):
        yield np.asarray(_draw(params, place[None], y, x))[0]


_draw = jax.jit(one_clip.draw)
