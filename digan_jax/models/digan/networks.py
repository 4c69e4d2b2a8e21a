"""Generator and critics as pure functions of nested dicts of parameters; callers need no flax."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float

from digan_jax import grids, kernels
from digan_jax.config import ModelConfig, RunConfig
from digan_jax.models.condition.encoder import Context
from digan_jax.models.digan import architecture, critics, feature_critic, generator
from digan_jax.models.digan.constants import MOTION_CHANNELS
from digan_jax.models.digan.critics import motion_input
from digan_jax.shapes import Array, Latents, Pair, Params, Styles

__all__ = ["Nets", "GeneratorNet", "CriticNet", "build", "motion_input", "repeat_content"]


class GeneratorNet(NamedTuple):
    """Pure functions of the generator."""

    init: Callable  # key -> {"mapping", "synthesis"}, and {"condition"} with model.condition_planes
    mapping: Callable  # params, z [b z], one-hot label [b classes] | None -> w [b w]
    synthesis: Callable  # params, Latents, times [b t], Grid, Context | None -> frames [b t h w 3], about [-1, 1]
    encode: Callable  # params, maps [b s H W planes + 1], at [b s], Styles | None -> Context
    pool: Callable  # params, frame [b h w 3], here [b h w] -> style vectors [b instances styles]
    n_layers: int  # copies of w that `synthesis` takes


class CriticNet(NamedTuple):
    """Pure functions of the two critics."""

    init: Callable  # key -> {"motion", "image"}
    apply: Callable  # params, frames [b 2 h w c], delta_t [b], label -> scores: motion [b], image [b 2]
    apply_batches: Callable  # the same for s batches: params, motion input [b s h w 7], frames [b s 2 h w 3], label
    features: Callable  # as apply_batches; a list of the features [b * s * images ...] of each block of both critics
    judge_features: Callable  # params, `mixed_features` of n frames -> scores [n]; needs model.critic_features


class Nets(NamedTuple):
    """The networks of a configuration."""

    generator: GeneratorNet
    critic: CriticNet


def repeat_content(w: Float[Array, "b w"], n_layers: int) -> Float[Array, "b layers w"]:
    """The same content vector for every layer: no style mixing."""
    return jnp.broadcast_to(w[:, None], (w.shape[0], n_layers, w.shape[1]))


def build(
    model: ModelConfig, compute_dtype: str = "float32", mbstd_group_size: int = 4, remat: bool = False
) -> Nets:
    """The networks of a configuration, on the kernels in use (`kernels.use`).

    Activations have type `compute_dtype`; parameters, norms, phases and scores are always float32. With `remat`,
    backward passes compute the activations within each block again instead of storing them. The result is cached by
    its arguments, so that compiled functions are shared.
    """
    return _build(model, compute_dtype, mbstd_group_size, remat, kernels.chosen())


@functools.lru_cache(maxsize=32)
def _build(model: ModelConfig, compute_dtype: str, mbstd_group_size: int, remat: bool, implementation: str) -> Nets:
    dtype, use = jnp.dtype(compute_dtype), kernels.use(implementation)
    critic = critics.CRITICS[model.critic](model, mbstd_group_size, dtype, remat)
    return Nets(_generator_net(model, generator.Generator(model, dtype, remat), use), _critic_net(model, critic, use))


def _zeros(*shape: int) -> Array:
    return jnp.zeros(shape, jnp.float32)


def _generator_net(model: ModelConfig, g: generator.Generator, use: Callable) -> GeneratorNet:
    """The functions of a generator, computed by kernels that the decorator `use` selects."""
    r, b = model.resolution, 1
    label = jnp.zeros((b, model.n_classes)) if model.n_classes else None

    @use
    def init(key) -> Params:
        inputs = _zeros(b, model.z_dim), label, _zeros(b, model.motion_dim), _zeros(b, 1), grids.native(r, model.base)
        return g.init(key, *inputs, *_example_condition(model))["params"]

    def mapping(params: Params, z, label=None):
        return g.apply({"params": params}, z, label, method=lambda m, z, label: m.mapping(z, label))

    @use
    def synthesis(params: Params, latents: Latents, times, grid: grids.Grid, context: Context | None = None):
        return g.apply({"params": params}, latents, times, grid, context, method=lambda m, *args: m.synthesis(*args))

    @use
    def encode(params: Params, maps, at, styles: Styles | None = None) -> Context:
        return g.apply({"params": params}, maps, at, styles, method=lambda m, *args: m.encode(*args))

    @use
    def pool(params: Params, frame, here):
        return g.apply({"params": params}, frame, here, method=lambda m, *args: m.style(*args))

    return GeneratorNet(jax.jit(init), mapping, synthesis, encode, pool, architecture.n_layers(model))


def _critic_net(model: ModelConfig, d, use: Callable) -> CriticNet:
    """The functions of image, motion and feature critic, as `_generator_net`."""
    r, b, f = model.resolution, 1, feature_critic.FeatureCritic()

    @use
    def init(key) -> Params:
        label = jnp.zeros((b, 1, model.n_classes)) if model.n_classes else None
        planes = model.condition_planes and model.condition_planes + 1  # and the visibility
        images = _zeros(b, 1, r, r, MOTION_CHANNELS + 2 * planes), _zeros(b, 1, 2, r, r, 3 + planes)
        of_frames = d.init(key, *images, label)["params"]
        if model.critic_features == "none":
            return of_frames
        mixed = feature_critic.mixed_features(_zeros(b, r, r, 3))
        return {**of_frames, "features": f.init(jax.random.fold_in(key, 1), mixed)["params"]}

    @use
    def apply_batches(params: Params, motion_inputs, frames, label=None):
        return d.apply({"params": params}, motion_inputs, frames, label)

    @use
    def features(params: Params, motion_inputs, frames, label=None) -> list:
        _, found = d.apply({"params": params}, motion_inputs, frames, label, mutable=["features"])
        return jax.tree.leaves(found)

    @use
    def judge_features(params: Params, mixed):
        return f.apply({"params": params["features"]}, mixed)

    def apply(params: Params, frames: Pair, delta_t: Float[Array, "b"], label=None):
        inputs = motion_input(frames, delta_t), frames
        motion, image = apply_batches(params, *(x[:, None] for x in inputs), None if label is None else label[:, None])
        return motion[:, 0], image[:, 0]

    return CriticNet(jax.jit(init), apply, apply_batches, features, judge_features)


def _example_condition(model: ModelConfig) -> tuple:
    """Maps, times and styles of one clip of zeros, as far as the model takes them, to initialise its encoders."""
    r, inputs = model.resolution, ()
    if model.condition_planes:
        inputs = jnp.zeros((1, 1, r, r, model.condition_planes + 1)), jnp.zeros((1, 1))
    if model.condition_style:
        frame, nobody = jnp.zeros((1, r, r, 3)), jnp.zeros((1, r, r), jnp.int32)
        carried = jnp.zeros((1, 1, r, r, 4)) if model.condition_carried else None
        inputs += (Styles(nobody[:, None], frame, nobody, carried=carried),)
    return inputs


def networks_of(config: RunConfig) -> Nets:
    """The networks of a run's configuration."""
    return build(config.model, config.compute_dtype, config.train.mbstd_group_size, config.train.remat)
