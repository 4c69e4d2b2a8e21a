"""What a model family offers to the loop, the checkpoints and whoever renders. `families.FAMILIES` lists them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int, Key

from digan_jax.config import RunConfig
from digan_jax.shapes import Array, Batch, Condition, Params

Metrics = dict[str, Array]  # scalars with names such as "critic/loss"


@runtime_checkable
class State(Protocol):
    """Everything of a run that must survive a restart: a pytree."""

    step: Int[Array, ""]  # iterations done
    ema: Params  # moving average of what is rendered from


@dataclasses.dataclass(frozen=True)
class Setting:
    """What every step needs and never changes.

    Attributes:
      split: a sharding constraint by batch: each device samples its own noise.
    """

    config: RunConfig
    split: Callable = lambda x: x


@runtime_checkable
class Trained(Protocol):
    """Weights that somebody trained before; `runs.weights.Weights` is one."""

    params: Params  # averages, and what else a render needs
    generator: Params | None  # as trained; None where they were left out
    critic: Params | None


@runtime_checkable
class Family(Protocol):
    """One kind of model. Its group of configuration fields is named in `config.schema.MODELS`, and what draws its clips
    in `rendering.samplers.SAMPLERS`."""

    def init(self, key: Key[Array, ""], config: RunConfig) -> State:
        """A fresh state."""

    def adopt(self, key: Key[Array, ""], config: RunConfig, found: Trained) -> State:
        """The first state of a run that starts from other weights.

        Raises:
          InputError: weights of another architecture; names the first array that differs.
        """

    def iteration(self, setting: Setting, state: State, batch: Batch) -> tuple[State, Metrics]:
        """One iteration, pure; randomness is a function of (train.seed, name, step). Compiled by training alone."""

    def frames(
        self, random: np.random.Generator, clip_frames: int, clips: int
    ) -> tuple[Int[np.ndarray, "clips k"], Float[np.ndarray, "clips k"]]:
        """Which frames of each real clip a step sees: numbers in the clip and times in [0, 1], ascending."""

    def inference(self, state: State) -> Params:
        """What a render needs."""

    def saved_weights(self) -> tuple[str, ...]:
        """Fields of the state that `adopt` and exports for training read."""

    def scores(
        self, config: RunConfig, state: State, clips: Float[Array, "b t h w c"], condition: Condition | None
    ) -> Mapping[str, np.ndarray]:
        """{name: numbers} of clips, for histograms in the log; empty where the family has no critics."""
