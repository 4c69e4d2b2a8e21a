"""Generated pairs of frames for training: noise, style mixing, times and class labels."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float, Int, Key

from digan_jax import grids, rng
from digan_jax.models.digan import losses, paired
from digan_jax.models.digan import times as times_lib
from digan_jax.models.digan.networks import GeneratorNet, networks_of, repeat_content
from digan_jax.models.interface import Setting
from digan_jax.shapes import Array, Batch, Condition, Latents, Pair, Params


class Mixing(NamedTuple):
    """Style mixing (Karras et al. 2019): mixed clips use a second content vector from layer `start` on."""

    z: Float[Array, "b z"]  # noise of the second content vector
    start: Int[Array, "b 1 1"]
    mixed: Bool[Array, "b 1 1"]


class Noise(NamedTuple):
    """The random numbers of a batch of generated pairs."""

    z: Float[Array, "b z"]
    motion: Float[Array, "b m"]
    times: Float[Array, "b 2"]  # in [0, 1], ascending
    mixing: Mixing | None


def sample_noise(setting: Setting, key: Key[Array, ""]) -> Noise:
    """The noise of one step. Each device samples its own rows."""
    train, model, b = setting.config.train, setting.config.model, setting.config.train.batch_size
    normal = lambda key, name, width: setting.split(jax.random.normal(rng.stream(key, name), (b, width)))
    content = rng.stream(key, "content")
    mixing = None
    if train.style_mixing_probability > 0:
        n_layers = networks_of(setting.config).generator.n_layers
        mixing = Mixing(
            z=normal(content, "z/mix", model.z_dim),
            start=jax.random.randint(rng.stream(content, "mix/start"), (b, 1, 1), 1, n_layers),
            mixed=jax.random.bernoulli(rng.stream(content, "mix"), train.style_mixing_probability, (b, 1, 1)),
        )
    times = times_lib.of_fakes(rng.stream(key, "times"), b)
    if train.span < 1:
        times = times_lib.in_stretches(rng.stream(key, "times/start"), times, train.span)
    return Noise(
        z=normal(content, "z", model.z_dim),
        motion=normal(key, "motion", model.motion_dim),
        times=setting.split(times),
        mixing=mixing,
    )


def content_of(
    net: GeneratorNet, params: Params, noise: Noise, label: Float[Array, "b classes"] | None
) -> tuple[Float[Array, "b layers w"], Float[Array, "w"]]:
    """The content vector of each layer after style mixing, and the batch mean of w."""
    w = net.mapping(params, noise.z, label)
    content = repeat_content(w, net.n_layers)
    if noise.mixing is not None:
        z, start, mixed = noise.mixing
        later = jnp.arange(net.n_layers)[None, :, None] >= start
        content = jnp.where(mixed & later, net.mapping(params, z, label)[:, None], content)
    return content, w.mean(axis=0)


def generate(
    setting: Setting, params: Params, noise: Noise, label, condition: Condition | None
) -> tuple[Pair, Float[Array, "w_dim"]]:
    """Generated pairs of frames, about in [-1, 1], and the batch mean of w."""
    net = networks_of(setting.config).generator
    content, w_mean = content_of(net, params, noise, label)
    grid = grids.native(setting.config.model.resolution, setting.config.model.base)
    context = paired.encoded(net, params, condition)
    return net.synthesis(params, Latents(content, noise.motion), noise.times, grid, context), w_mean


def label_of(batch: Batch) -> Float[Array, "b classes"] | None:
    """The one-hot classes of a batch; None for an unconditional model."""
    return None if batch.condition is None else batch.condition.label


def draw_fakes(setting: Setting, batch: Batch, key: Key[Array, ""]) -> tuple[Noise, Float[Array, "b classes"] | None]:
    """Noise and classes of a step's generated pairs.

    The relativistic loss compares row by row: generated pair i then has the class and Δt of real pair i. With a task it
    has the times of real pair i.
    """
    train = setting.config.train
    noise = sample_noise(setting, key)
    if paired.is_paired(setting.config):
        return noise._replace(times=batch.times), label_of(batch)
    if losses.ADVERSARIAL[train.loss].compares:
        label = label_of(batch)
        times = times_lib.between(rng.stream(key, "times"), batch.times, setting.config.data.frames)
    else:
        label, times = fake_label(batch, rng.stream(key, "label")), noise.times
    if train.horizon:
        times += train.horizon * jax.random.uniform(rng.stream(key, "horizon"), (train.batch_size, 1))
    return noise._replace(times=setting.split(times)), label


def fake_label(batch: Batch, key: Key[Array, ""]) -> Float[Array, "b classes"] | None:
    """Classes of generated clips: a permutation of the batch's own, so that both have the same distribution."""
    label = label_of(batch)
    return None if label is None else jax.random.permutation(key, label)
