"""The ConvGRU predictor as a model family: implements `models.interface.Family`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float, Int, Key

from digan_jax import rng
from digan_jax.config import RunConfig
from digan_jax.config.convgru import ConvGruConfig
from digan_jax.errors import InputError
from digan_jax.models.convgru.network import Predictor
from digan_jax.models.digan.state import optimizer
from digan_jax.models.digan.steps import apply_gradients, ema_decay, follow
from digan_jax.models.frames import to_unit_range
from digan_jax.models.interface import Metrics, Setting, Shapes, Trained
from digan_jax.shapes import Array, Batch, Condition, Params, misfits


@partial(jax.tree_util.register_dataclass)
@dataclasses.dataclass(frozen=True)
class ConvGruState:
    """What a checkpoint saves; written by `ConvGru.iteration`."""

    step: Int[Array, ""]
    generator: Params
    generator_optimizer: optax.OptState
    ema: Params  # EMA of `generator`


def initial(config: ConvGruConfig, key: Key[Array, ""]) -> Params:
    """Fresh weights."""
    frames = jnp.zeros((1, 2, config.resolution, config.resolution, 3))
    return Predictor(config).init(key, frames, jnp.ones(2, bool))["params"]


class ConvGru:
    """The family "convgru"."""

    def init(self, key: Key[Array, ""], config: RunConfig) -> ConvGruState:
        params = jax.jit(partial(initial, config.model))(rng.stream(key, "init/generator"))
        return self._begun(config, params, params)

    def _begun(self, config: RunConfig, params: Params, ema: Params) -> ConvGruState:
        state = optimizer(config.train, config.train.learning_rate, None).init(params)
        return ConvGruState(jnp.zeros((), jnp.int32), params, state, jax.tree.map(jnp.copy, ema))

    def check_fresh(self, config: RunConfig) -> None:
        """Every run may begin with random weights."""

    def adopt(self, key: Key[Array, ""], config: RunConfig, found: Trained) -> ConvGruState:
        """Raises `InputError` if the weights have another architecture."""
        different = misfits(found.params, self.networks(config)["generator"])
        if different:
            raise InputError(f"has another architecture, {different[0]} (theirs -> yours)")
        return self._begun(config, found.params if found.generator is None else found.generator, found.params)

    def iteration(self, setting: Setting, state: ConvGruState, batch: Batch) -> tuple[ConvGruState, Metrics]:
        """Adam on the mean absolute difference of predicted frames; from `task.shown` on they see no real one."""
        config = setting.config
        frames = to_unit_range(batch.frames)
        known = jnp.arange(frames.shape[1] - 1) < config.task.shown

        def loss(params):
            predicted = Predictor(config.model).apply({"params": params}, frames[:, :-1], known)
            return jnp.abs(predicted - frames[:, 1:]).mean()

        value, gradients = jax.value_and_grad(loss)(state.generator)
        adam = optimizer(config.train, config.train.learning_rate, None)
        update = adam, gradients, state.generator_optimizer, state.generator
        generator, optimizer_state = apply_gradients(setting, state.step, *update)
        ema = follow(state.ema, generator, ema_decay(state.step, config.train))
        return ConvGruState(state.step + 1, generator, optimizer_state, ema), {"generator/loss": value}

    def lazy(self, config: RunConfig) -> tuple[int, ...]:
        return ()

    def frames(
        self, config: RunConfig, random: np.random.Generator, clip_frames: int, clips: int
    ) -> tuple[Int[np.ndarray, "clips k"], Float[np.ndarray, "clips k"]]:
        """All frames of each clip."""
        numbers = np.tile(np.arange(clip_frames), (clips, 1))
        return numbers, (numbers / (clip_frames - 1)).astype(np.float32)

    def inference(self, state: ConvGruState) -> Params:
        return state.ema

    def saved_weights(self) -> tuple[str, ...]:
        return ("generator", "ema")

    def trained(self, saved: Mapping[str, Params]) -> tuple[Params, Params | None, Params | None]:
        return saved["ema"], saved["generator"], None

    def networks(self, config: RunConfig) -> Mapping[str, Shapes]:
        return {"generator": jax.eval_shape(partial(initial, config.model), jax.random.key(0))}

    def stored(self, model: ConvGruConfig, names: frozenset[str]) -> Mapping[str, Shapes]:
        shapes = jax.eval_shape(partial(initial, model), jax.random.key(0))
        return {"params": shapes, "generator": shapes}

    def scores(
        self, config: RunConfig, state: ConvGruState, clips: Float[Array, "b t h w c"], condition: Condition | None
    ) -> Mapping[str, np.ndarray]:
        """None: there are no critics."""
        return {}
