"""Draws frames: a reverse process for one frame, and a scan over the frames of a clip."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int, Real

from digan_jax.config.vidm import VidmConfig
from digan_jax.models.vidm import diffusion
from digan_jax.models.vidm.diffusion import Process
from digan_jax.models.flow import carried, flow
from digan_jax.models.vidm.networks import Nets, place_of
from digan_jax.shapes import Array, Params

Images = Float[Array, "b h w c"]


Labels = Float[Array, "b classes"]


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
    guidance: float = 1.0  # of the class; 1: the network's own


def method_of(model: VidmConfig, share: float = 1.0) -> Method:
    """The method that a model's configuration chooses; with a share below 1, its last steps, for a given picture."""
    process = diffusion.sampling_process(model)
    process = process if share == 1 else process.begun_at(share)
    return Method(process, model.sampling_method, model.sampling_eta, model.predict, model.sampling_guidance)


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


def guided(network: Callable, label: Labels | None, guidance: float) -> Callable:
    """(x_t, step) -> outputs: predictions without a class, and `guidance` times what the class adds (Ho, Salimans 2022).

    Args:
      network: (x_t, step, label) -> outputs.
      label: one-hot class; None in models without classes.
      guidance: 1 is the network's own prediction of the class.
    """
    if label is None or guidance == 1:
        return lambda x_t, t: network(x_t, t, label)

    def both(x_t, t):
        of_class, of_none = network(x_t, t, label), network(x_t, t, jnp.zeros_like(label))
        predicted, omega = jnp.split(of_class, 2, axis=-1)
        plain = jnp.split(of_none, 2, axis=-1)[0]
        return jnp.concatenate([plain + guidance * (predicted - plain), omega], axis=-1)

    return both


def started(method: Method, noise: Images, proposal: Images | None) -> Images:
    """Where a reverse process begins: noise, or a proposal with the noise of its first step (Meng et al. 2022)."""
    if proposal is None:
        return noise
    last = jnp.full(len(noise), len(method.process) - 1)
    return diffusion.noised(method.process, proposal, noise, last)


def draw_first(
    nets: Nets,
    method: Method,
    params: Params,
    noises: Noises,
    label: Labels | None = None,
    proposal: Images | None = None,
) -> Images:
    """First frames, by the content model `params`; drawn anew from a proposal if there is one."""
    index = jnp.zeros((), jnp.int32)
    network = guided(partial(nets.content.apply, params), label, method.guidance)
    start = started(method, noises.start(index), proposal)
    return reverse(method, network, start, lambda j: noises.step(index, j))


def motion_input(model: VidmConfig, first: Images, before: Images, i: Real[Array, "b"]) -> Float[Array, "b h w m"]:
    """What the motion model is told of the previous frame x_{i−1}, as `model.motion_input` says, in this order.

    The difference x_{i−1} − x_0; the flow m in pixels with x_0(p) ≈ x_{i−1}(p + m); the first frame, carried on by the
    flow as if it moved evenly. Difference and flow are 0 at i = 1, and the first frame stays. The release's flow is of a
    network whose weights are not available; this one is classical, see `flow`.
    """
    found = []
    if model.motion_input != "flow":
        found.append(before - first)
    if model.motion_input != "difference":
        moved = flow(first, before)
        found.append(moved)
    if model.motion_input == "carried":
        found.append(carried(first, moved * (i / jnp.maximum(i - 1, 1))[:, None, None, None]))
    return jnp.concatenate(found, axis=-1)


def next_frame(
    nets: Nets,
    model: VidmConfig,
    params: Params,
    first: Images,
    before: Images,
    i: Real[Array, ""],
    told: Callable[[Images, Images, Array], Images],
) -> Callable:
    """(x_t, step, label) -> outputs of the motion model for frame i. A fixed encoder runs once, here."""
    i_of = jnp.full(len(first), i).astype(jnp.float32)
    motion = told(first, before, i_of)
    fixed = model.encoder_step == "fixed"
    condition = nets.motion.encode(params, first, place_of(model, jnp.zeros_like(i_of), i_of)) if fixed else None

    def network(x_t, t, label):
        place = place_of(model, t, i_of, label=label)
        if fixed:
            return nets.motion.denoise(params, x_t, motion, condition, place)
        return nets.motion.apply(params, x_t, motion, first, place)

    return network


def draw_next(
    nets: Nets,
    model: VidmConfig,
    method: Method,
    params: Params,
    first: Images,
    before: Images,
    indices: Int[Array, "n"],
    noises: Noises,
    told: Callable[[Images, Images, Array], Images] | None = None,
    label: Labels | None = None,
    proposals: Float[Array, "n b h w c"] | None = None,
    places: Float[Array, "n"] | None = None,
) -> Float[Array, "n b h w c"]:
    """The frames of these consecutive indices, each from the first frame and the one before, in one `lax.scan`.

    Args:
      params: of the motion model.
      before: the frame of index indices[0] − 1.
      indices: i, i + 1, …; beyond `model.last_trained` the continuous embedding of the index is extrapolated.
      told: (first frame, previous frame, i [b]) -> motion input; None: that of `model`.
      label: one-hot class; None in models without classes.
      proposals: frames from which the reverse processes begin, as far as `method.process` goes; None: noise alone.
      places: frame numbers as the network sees them, any real numbers; None: `indices`.
    """
    told = told or partial(motion_input, model)
    places = indices if places is None else places

    def frame(before, given):
        number, i, proposal = given
        network = guided(next_frame(nets, model, params, first, before, i, told), label, method.guidance)
        start = started(method, noises.start(number), proposal)
        x = reverse(method, network, start, lambda j: noises.step(number, j))
        return x, x

    return jax.lax.scan(frame, before, (indices, places, proposals))[1]
