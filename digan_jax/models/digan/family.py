"""DIGAN as a model family: implements `models.interface.Family`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, Key

from digan_jax import rng
from digan_jax.config import ModelConfig, RunConfig
from digan_jax.errors import InputError
from digan_jax.models.digan import paired, steps, times
from digan_jax.models.digan.networks import build, networks_of
from digan_jax.models.digan.state import GanState, init_state, state_from_params
from digan_jax.models.interface import Metrics, Setting, Shapes, Trained
from digan_jax.shapes import Array, Batch, Condition, Params, misfits


class Digan:
    """The family "digan"."""

    def init(self, key: Key[Array, ""], config: RunConfig) -> GanState:
        return init_state(key, config)

    def check_fresh(self, config: RunConfig) -> None:
        """Every run may begin with random weights."""

    def adopt(self, key: Key[Array, ""], config: RunConfig, found: Trained) -> GanState:
        """The initial state for fine-tuning. Without critics, it has new ones and continues from the EMA generator.

        Raises:
          InputError: the weights have another architecture.
        """
        ema = {name: network for name, network in found.params.items() if name != "w_avg"}
        generator, critic = found.generator, found.critic
        if critic is None:
            critic = networks_of(config).critic.init(rng.stream(key, "init/critic"))
            generator = jax.tree.map(np.copy, ema)
        weights = {"generator": generator, "critic": critic, "ema": ema, "w_avg": found.params["w_avg"]}
        ours = jax.eval_shape(lambda key: init_state(key, config), key)
        different = misfits(weights, {name: getattr(ours, name) for name in weights})
        if different:
            raise InputError(f"has another architecture, {different[0]} (theirs -> yours)")
        return state_from_params(**weights, config=config.train)

    def iteration(self, setting: Setting, state: GanState, batch: Batch) -> tuple[GanState, Metrics]:
        return steps.iteration(setting, state, batch)

    def lazy(self, config: RunConfig) -> tuple[int, ...]:
        return steps.intervals(config)

    def frames(
        self, config: RunConfig, random: np.random.Generator, clip_frames: int, clips: int
    ) -> tuple[Int[np.ndarray, "clips 2"], Float[np.ndarray, "clips 2"]]:
        return times.of_reals(random, clip_frames, clips, config.train.span, config.task.steps)

    def inference(self, state: GanState) -> Params:
        """The EMA generator and the mean content vector (for truncation)."""
        return {**state.ema, "w_avg": state.w_avg}

    def saved_weights(self) -> tuple[str, ...]:
        return ("generator", "critic", "ema", "w_avg")

    def trained(self, saved: Mapping[str, Params]) -> tuple[Params, Params | None, Params | None]:
        return {**saved["ema"], "w_avg": saved["w_avg"]}, saved["generator"], saved["critic"]

    def networks(self, config: RunConfig) -> Mapping[str, Shapes]:
        """ "generator" and "critics"."""
        nets = networks_of(config)
        shapes = lambda init: jax.eval_shape(init, jax.random.key(0))
        return {"generator": shapes(nets.generator.init), "critics": shapes(nets.critic.init)}

    def stored(self, model: ModelConfig, names: frozenset[str]) -> Mapping[str, Shapes]:
        nets = build(model)
        generator, critic = (jax.eval_shape(net.init, jax.random.key(0)) for net in (nets.generator, nets.critic))
        w_avg = jax.ShapeDtypeStruct((model.w_dim,), np.float32)
        return {"params": generator | {"w_avg": w_avg}, "generator": generator, "critic": critic}

    def scores(
        self, config: RunConfig, state: GanState, clips: Float[Array, "b t h w c"], condition: Condition | None
    ) -> Mapping[str, np.ndarray]:
        """Scores of each clip's first and last frame. Drops clips that fill no whole minibatch-deviation group."""
        group = config.train.mbstd_group_size
        n = len(clips) // group * group or len(clips)
        condition = jax.tree.map(lambda x: x[:n], condition)
        label = None if condition is None else condition.label
        planes = paired.planes(condition, jnp.tile(jnp.array([[0.0, 1.0]]), (n, 1)), config.model.resolution)
        pairs = paired.beside(jnp.asarray(clips[:n, [0, -1]], jnp.float32), planes)
        scores = _critics(config.model)(state.critic, pairs, jnp.ones(n), label)
        return {head: np.ravel(values) for head, values in zip(("motion", "image"), scores)}


@cache
def _critics(model: ModelConfig):
    return jax.jit(build(model).critic.apply)
