"""The training state, and how it is initialised."""

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
    """Weights, optimizer states and averages of a run: what a checkpoint saves."""

    step: Int[Array, ""]  # iterations done; written by steps.iteration
    generator: Params  # {"mapping", "synthesis"}; written by generator_step and path_length_step
    critic: Params  # {"motion", "image"}; written by critic_step and r1_step
    generator_optimizer: optax.OptState
    critic_optimizer: optax.OptState
    ema: Params  # EMA of `generator`; written by steps.iteration
    w_avg: Float[Array, "w"]  # EMA of the content vector; written by generator_step and critic_step
    path_length_mean: Float[Array, ""]  # EMA of path lengths; written by path_length_step
    r1: Float[Array, "2"]  # last squared gradient norms (motion, image), for the log; written by r1_step


def optimizer(config: TrainConfig, learning_rate: float, interval: int | None) -> optax.GradientTransformation:
    """Adam, corrected for lazy regularisation every `interval` iterations (None: no regulariser).

    The regulariser is an extra step every `interval` iterations. With c = interval / (interval + 1), the learning rate
    is multiplied by c and the decay rates are raised to the power c (Karras et al. 2020, appendix B).
    """
    c = interval / (interval + 1) if interval else 1.0
    beta1, beta2 = config.adam_beta1**c, config.adam_beta2**c
    if beta1 == 0:  # the first moment equals the gradient: do not store it
        second_moment = optax.scale_by_rms(beta2, config.adam_epsilon, eps_in_sqrt=False, bias_correction=True)
        return optax.chain(second_moment, optax.scale(-learning_rate * c))
    return optax.adam(learning_rate * c, beta1, beta2, config.adam_epsilon)


def generator_optimizer(config: TrainConfig) -> optax.GradientTransformation:
    return optimizer(config, config.learning_rate, config.path_length_every)


def critic_optimizer(config: TrainConfig) -> optax.GradientTransformation:
    rate = config.critic_learning_rate or config.learning_rate
    return optimizer(config, rate, config.r1_every if config.penalty == "lazy" else None)


def init_state(key: Key[Array, ""], config: RunConfig) -> GanState:
    """A fresh state. The EMA starts as a copy of the generator: an alias could not be donated."""
    nets = networks_of(config)
    generator = nets.generator.init(rng.stream(key, "init/generator"))
    critic = nets.critic.init(rng.stream(key, "init/critic"))
    w_avg = jnp.zeros((config.model.w_dim,))
    return state_from_params(generator, critic, jax.tree.map(jnp.copy, generator), w_avg, config.train)


def state_from_params(
    generator: Params, critic: Params, ema: Params, w_avg: Float[Array, "w"], config: TrainConfig
) -> GanState:
    """The initial state of a run from given weights, with fresh optimizers."""
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
