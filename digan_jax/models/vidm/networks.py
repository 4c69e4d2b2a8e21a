"""Content and motion model as pure functions of nested dicts of parameters; callers need no flax."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float, Real

from digan_jax import kernels
from digan_jax.config import RunConfig
from digan_jax.config.vidm import VidmConfig
from digan_jax.models.vidm.layers import Place
from digan_jax.models.vidm.unet import Content, Motion
from digan_jax.shapes import Array, Params

Images = Float[Array, "b h w 3"]
Told = Float[Array, "b h w m"]  # the motion input
Outputs = Float[Array, "b h w 6"]


class ContentNet(NamedTuple):
    """Pure functions of the content model."""

    init: Callable  # key -> params
    apply: Callable  # params, x_t [b h w 3], t [b], class [b classes] or None -> outputs [b h w 6]


class MotionNet(NamedTuple):
    """Pure functions of the motion model; `place` is where (t, i) stand, see `place_of`."""

    init: Callable  # key -> params
    apply: Callable  # params, x_t, motion [b h w m], first frame [b h w 3], place -> outputs [b h w 6]
    encode: Callable  # params, first frame, place -> implicit condition
    denoise: Callable  # params, x_t, motion, implicit condition, place -> outputs


class Nets(NamedTuple):
    """The networks of a configuration, by the names that states use."""

    content: ContentNet
    motion: MotionNet


def place_of(
    model: VidmConfig,
    t: Real[Array, "b"],
    i: Real[Array, "b"],
    noise: Float[Array, "b"] | None = None,
    label: Float[Array, "b classes"] | None = None,
) -> Place:
    """Coordinates of step t in 0 … T − 1 and frame i in 0 … N − 1, any real numbers: t̂ = 2t/(T−1) − 1, î alike.

    Args:
      noise: deviation of the noise on the previous frame; None: none. Models not trained with noise have no such
        coordinate.
      label: one-hot class; all 0: none. None in models without classes.
    """
    scaled = lambda v, n: 2 * v.astype(jnp.float32) / (n - 1) - 1
    told = None
    if model.condition_noise:
        told = jnp.zeros(len(i)) if noise is None else noise
    return Place(scaled(t, model.diffusion_steps), scaled(i, model.frames), told, label)


def build(model: VidmConfig, compute_dtype: str = "float32") -> Nets:
    """The networks of a configuration, on the kernels in use. Outputs are float32.

    Activations have type `compute_dtype`; parameters, norms, positions and softmax are float32. Cached.
    """
    return _build(model, compute_dtype, kernels.chosen())


@functools.lru_cache(maxsize=32)
def _build(model: VidmConfig, compute_dtype: str, implementation: str) -> Nets:
    dtype = jnp.dtype(compute_dtype)
    content, motion = Content(model, dtype), Motion(model, dtype)
    side = 2 ** (len(model.multipliers) - 1)
    zeros = lambda channels: jnp.zeros((1, side, side, channels))
    on_kernels = kernels.use(implementation)
    t = jnp.zeros((1,))
    label = jnp.zeros((1, model.n_classes)) if model.n_classes else None

    @on_kernels
    def init_content(key) -> Params:
        return content.init(key, zeros(3), t, label)["params"]

    @on_kernels
    def init_motion(key) -> Params:
        inputs = zeros(3), zeros(model.motion_channels), zeros(3), place_of(model, t, t, label=label)
        return motion.init(key, *inputs)["params"]

    @on_kernels
    def apply_content(params: Params, x_t: Images, t, label=None) -> Outputs:
        return content.apply({"params": params}, x_t, t.astype(jnp.float32), label)

    @on_kernels
    def apply_motion(params: Params, x_t: Images, motion_input: Told, first: Images, place: Place) -> Outputs:
        return motion.apply({"params": params}, x_t, motion_input, first, place)

    @on_kernels
    def encode(params: Params, first: Images, place: Place):
        return motion.apply({"params": params}, first, place, method="encode")

    @on_kernels
    def denoise(params: Params, x_t: Images, motion_input: Told, condition, place: Place) -> Outputs:
        return motion.apply({"params": params}, x_t, motion_input, condition, place, method="denoise")

    return Nets(
        ContentNet(jax.jit(init_content), apply_content),
        MotionNet(jax.jit(init_motion), apply_motion, encode, denoise),
    )


def networks_of(config: RunConfig) -> Nets:
    """The networks of a run's configuration."""
    return build(config.model, config.compute_dtype)
