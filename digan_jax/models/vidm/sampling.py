"""Draws frames: a reverse process for one frame, and a scan over the frames of a clip."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from digan_jax.config.vidm import VidmConfig
from digan_jax.errors import InputError
from digan_jax.models.vidm import diffusion
from digan_jax.models.vidm.diffusion import Process
from digan_jax.models.vidm.networks import Nets, place_of
from digan_jax.shapes import Array, Params

Images = Float[Array, "b h w c"]


class Noises(NamedTuple):
    """Where a frame's noise comes from; both give standard normal numbers [b h w c]."""

    start: Callable  # frame index -> x at the last step
    step: Callable  # frame index, kept step -> z of that step


class Method(NamedTuple):
    """How a frame is drawn."""

    process: Process  # respaced
    kind: str  # "ancestral", "ddim" or "dpm"
    eta: float
    predict: str


def method_of(model: VidmConfig) -> Method:
    """The method that a model's configuration chooses."""
    process = diffusion.sampling_process(model)
    return Method(process, model.sampling_method, model.sampling_eta, model.predict)


def reverse(
    method: Method, network: Callable, start: Images, noise: Callable[[Int[Array, ""]], Images]
) -> Images:
    """The frame at the end of a reverse process, in [−1, 1] up to the noise that a method leaves.

    Args:
      network: (x_t, step [b] of the full process) -> outputs [b h w 2c].
      start: standard normal.
      noise: kept step j -> z [b h w c]; j = S − 1 is used first. "dpm" asks for none.
    """
    process = method.process
    kept = jnp.asarray(process.timesteps)

    def step(carry, j):
        x, previous = carry
        at = jnp.full(len(x), j)
        output = network(x, jnp.broadcast_to(kept[j], (len(x),)))
        found = diffusion.back(process, output, x, at, clip=True, predict=method.predict)
        if method.kind == "ancestral":
            x = diffusion.ancestral_step(process, found, x, at, noise(j))
        elif method.kind == "ddim":
            z = noise(j) if method.eta else jnp.zeros_like(x)
            x = diffusion.ddim_step(process, found, x, at, z, method.eta)
        else:
            x = diffusion.dpm_step(process, found, x, at, previous)
        return (x, found.frame), None

    (x, _), _ = jax.lax.scan(step, (start, jnp.zeros_like(start)), jnp.arange(len(process))[::-1])
    return x


def draw_first(nets: Nets, method: Method, params: Params, noises: Noises) -> Images:
    """First frames, by the content model `params`."""
    index = jnp.zeros((), jnp.int32)
    network = partial(nets.content.apply, params)
    return reverse(method, network, noises.start(index), lambda j: noises.step(index, j))


def motion_input(model: VidmConfig, first: Images, before: Images) -> Images:
    """What the motion model is told of the previous frame: the difference x_{i−1} − x_0, 0 at i = 1.

    Raises:
      InputError: the model takes optical flow, for which there is no network.
    """
    if model.motion_input != "difference":
        raise InputError(f"model.motion_input={model.motion_input!r}: needs a flow network, which is not built.")
    return before - first


def draw_next(
    nets: Nets,
    model: VidmConfig,
    method: Method,
    params: Params,
    first: Images,
    before: Images,
    indices: Int[Array, "n"],
    noises: Noises,
    told: Callable[[Images, Images], Images] | None = None,
) -> Float[Array, "n b h w c"]:
    """The frames of these consecutive indices, each from the first frame and the one before, in one `lax.scan`.

    Args:
      params: of the motion model.
      before: the frame of index indices[0] − 1.
      indices: i, i + 1, …; beyond N − 2 the model was not trained (it extrapolates its continuous embedding).
      told: (first frame, previous frame) -> motion input; None: that of `model`.
    """
    told = told or partial(motion_input, model)

    def frame(before, i):
        i_of = jnp.full(len(first), i).astype(jnp.float32)
        motion = told(first, before)
        fixed = model.encoder_step == "fixed"
        condition = nets.motion.encode(params, first, place_of(model, jnp.zeros_like(i_of), i_of)) if fixed else None

        def network(x_t, t):
            place = place_of(model, t, i_of)
            if fixed:
                return nets.motion.denoise(params, x_t, motion, condition, place)
            return nets.motion.apply(params, x_t, motion, first, place)

        x = reverse(method, network, noises.start(i), lambda j: noises.step(i, j))
        return x, x

    return jax.lax.scan(frame, before, indices)[1]
