"""Everything that must survive a restart."""

from __future__ import annotations

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Float, Int, Key

from digan_jax import rng
from digan_jax.config import RunConfig, TrainConfig
from digan_jax.models.digan.networks import networks_of
from digan_jax.shapes import Array, Params


@partial(jax.tree_util.register_dataclass)
@dataclasses.dataclass(frozen=True)
class GanState:
    """Weights, optimizers and averages of a run: what a checkpoint holds. The comment says who writes a field."""

    step: Int[Array, ""]  # iterations done; written by steps.iteration
    generator: Params  # {"mapping", "synthesis"}; by generator_step
    critic: Params  # {"motion", "image"}; by critic_step and r1_step
    generator_optimizer: optax.OptState
    critic_optimizer: optax.OptState
    ema: Params  # moving average of `generator`; by steps.iteration
    w_avg: Float[Array, "w"]  # moving average of the content vector; by both main steps
    path_length_mean: Float[Array, ""]  # by path_length_step
    r1: Float[Array, "2"]  # last squared gradient norms (motion, image), for the log; by r1_step


def optimizer(config: TrainConfig, interval: int | None) -> optax.GradientTransformation:
    """Adam; with a regulariser every `interval` iterations, rate and decays are rescaled so that the moments see
    the same number of gradients as with one at every iteration (Karras et al. 2020, lazy regularisation)."""
    c = interval / (interval + 1) if interval else 1.0
    beta1, beta2 = config.adam_beta1**c, config.adam_beta2**c
    if beta1 == 0:  # Adam without its first moment, which would be a copy of the gradient
        second_moment = optax.scale_by_rms(beta2, config.adam_epsilon, eps_in_sqrt=False, bias_correction=True)
        return optax.chain(second_moment, optax.scale(-config.learning_rate * c))
    return optax.adam(config.learning_rate * c, beta1, beta2, config.adam_epsilon)


def generator_optimizer(config: TrainConfig) -> optax.GradientTransformation:
    return optimizer(config, config.path_length_every)


def critic_optimizer(config: TrainConfig) -> optax.GradientTransformation:
    return optimizer(config, config.r1_every)


def init_state(key: Key[Array, ""], config: RunConfig) -> GanState:
    """A fresh state. The average starts as a copy: an alias could not be donated."""
    nets = networks_of(config)
    generator = nets.generator.init(rng.stream(key, "init/generator"))
    critic = nets.critic.init(rng.stream(key, "init/critic"))
    w_avg = jnp.zeros((config.model.w_dim,))
    return state_from_params(generator, critic, jax.tree.map(jnp.copy, generator), w_avg, config.train)


def state_from_params(
    generator: Params, critic: Params, ema: Params, w_avg: Float[Array, "w"], config: TrainConfig
) -> GanState:
    """The first state of a run that starts from given weights, with a fresh optimizer."""
    return GanState(
        step=jnp.zeros((), jnp.int32),
        generator=generator,
        critic=critic,
        generator_optimizer=generator_optimizer(config).init(generator),
        critic_optimizer=critic_optimizer(config).init(critic),
        ema=ema,
        w_avg=w_avg,
        path_length_mean=jnp.zeros(()),
        r1=jnp.zeros((2,)),
    )
