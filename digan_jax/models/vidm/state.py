"""The training state of VIDM, and how it is initialised."""

from __future__ import annotations

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Float, Int, Key

from digan_jax import rng
from digan_jax.config import RunConfig
from digan_jax.models.vidm.networks import networks_of
from digan_jax.shapes import Array, Params


@partial(jax.tree_util.register_dataclass)
@dataclasses.dataclass(frozen=True)
class VidmState:
    """Networks by name, "content" and "motion": what a checkpoint saves. All are written by steps.iteration."""

    step: Int[Array, ""]  # iterations done
    weights: dict[str, Params]  # of the networks that `vidm.stage` trains
    optimizers: dict[str, optax.OptState]
    ema: dict[str, Params]  # EMA of `weights`; a motion stage also keeps the content model that it was given


def held(config: RunConfig) -> tuple[str, ...]:
    """Names of the networks in `ema`: a motion stage holds a content model too, or it could draw nothing."""
    return ("content",) if config.vidm.stage == "content" else ("content", "motion")


def clipped(gradients: Params, most: float) -> tuple[Params, Float[Array, ""]]:
    """g · min(1, most / (‖g‖ + 1e-6)) and ‖g‖, the norm of all gradients together."""
    norm = optax.tree.norm(gradients)
    factor = jnp.minimum(1.0, most / (norm + 1e-6))
    return jax.tree.map(lambda g: g * factor, gradients), norm


def optimizer(config: RunConfig) -> optax.GradientTransformation:
    """AdamW; its weight decay applies to every array."""
    t = config.train
    return optax.adamw(
        t.learning_rate, t.adam_beta1, t.adam_beta2, t.adam_epsilon, weight_decay=config.vidm.weight_decay
    )


def init_networks(key: Key[Array, ""], config: RunConfig, names: tuple[str, ...]) -> dict[str, Params]:
    """Fresh weights of the named networks."""
    nets = networks_of(config)
    return {name: getattr(nets, name).init(rng.stream(key, f"init/{name}")) for name in names}


def init_state(key: Key[Array, ""], config: RunConfig) -> VidmState:
    """A fresh state."""
    networks = init_networks(key, config, held(config))
    return state_from_params({name: networks[name] for name in config.vidm.trained}, networks, config)


def state_from_params(weights: dict[str, Params], ema: dict[str, Params], config: RunConfig) -> VidmState:
    """The initial state of a run from given weights, with fresh optimizers. `ema` is copied: an alias could not be
    donated."""
    return VidmState(
        step=jnp.zeros((), jnp.int32),
        weights=weights,
        optimizers={name: optimizer(config).init(params) for name, params in weights.items()},
        ema=jax.tree.map(jnp.copy, ema),
    )
