"""The interface of a model family: what the training loop, checkpoints and rendering call. See `families.FAMILIES`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int, Key

from digan_jax.config import FamilyConfig, RunConfig
from digan_jax.shapes import Array, Batch, Condition, Params

Metrics = dict[str, Array]  # scalars with names such as "critic/loss"
Shapes = Mapping  # a nested dict of `jax.ShapeDtypeStruct`: parameters without their numbers


@runtime_checkable
class State(Protocol):
    """The training state that a checkpoint saves: a pytree.

    `mesh.fsdp` parts the matrices of `ema` and of fields with "optimizer" in their names among devices.
    """

    step: Int[Array, ""]  # iterations done
    ema: Params  # exponential moving average of the weights that renders use


@dataclasses.dataclass(frozen=True)
class Setting:
    """The constants of a training step.

    Attributes:
      config: the run's configuration.
      split: sharding constraint over the batch axis: each device samples its own noise.
      whole: sharding constraint of weights and gradients around an update, so that an optimizer's state that is parted
        among devices (`mesh.fsdp`) parts nothing else.
    """

    config: RunConfig
    split: Callable = lambda x: x
    whole: Callable = lambda tree: tree


@runtime_checkable
class Trained(Protocol):
    """Weights of a trained model, for instance `runs.weights.Weights`."""

    params: Params  # what `Family.inference` returns: EMA weights and whatever else rendering needs
    generator: Params | None  # as trained, not averaged; None if the file does not have them
    critic: Params | None  # None if the file does not have them, or the family has no critics


@runtime_checkable
class Family(Protocol):
    """A kind of model. Its configuration fields are in `config.schema.MODELS`, its sampler in `rendering.samplers`."""

    def init(self, key: Key[Array, ""], config: RunConfig) -> State:
        """A fresh state."""

    def check_fresh(self, config: RunConfig) -> None:
        """Raises `InputError` if a run of this configuration cannot begin without given weights."""

    def adopt(self, key: Key[Array, ""], config: RunConfig, found: Trained) -> State:
        """The initial state of a run that fine-tunes the weights `found`.

        Raises:
          InputError: the weights have another architecture. The message names the first array that differs.
        """

    def iteration(self, setting: Setting, state: State, batch: Batch) -> tuple[State, Metrics]:
        """One training iteration: a pure function, compiled by `training`. Keys depend on (train.seed, name, step)."""

    def lazy(self, config: RunConfig) -> tuple[int, ...]:
        """For each `lax.cond` of `iteration`, in order: of how many steps one takes the costlier branch."""

    def frames(
        self, config: RunConfig, random: np.random.Generator, clip_frames: int, clips: int
    ) -> tuple[Int[np.ndarray, "clips k"], Float[np.ndarray, "clips k"]]:
        """The k frames of each real clip that a step trains on: frame indices and times in [0, 1], both ascending."""

    def inference(self, state: State) -> Params:
        """The weights that rendering needs."""

    def saved_weights(self) -> tuple[str, ...]:
        """Names of the state's fields that `adopt` and training exports read."""

    def trained(self, saved: Mapping[str, Params]) -> tuple[Params, Params | None, Params | None]:
        """(params, generator, critic) of `Trained`, from the state's fields `saved_weights()`."""

    def networks(self, config: RunConfig) -> Mapping[str, Shapes]:
        """The networks of a run by name, without their numbers, for a person to read."""

    def stored(self, model: FamilyConfig, names: frozenset[str]) -> Mapping[str, Shapes]:
        """What an exported file must hold: "params", "generator" and, for families with critics, "critic".

        Args:
          model: the architecture.
          names: first words of the names in the file, for families that may leave out a network.

        Raises:
          InputError: the file has none of the family's networks.
        """

    def scores(
        self, config: RunConfig, state: State, clips: Float[Array, "b t h w c"], condition: Condition | None
    ) -> Mapping[str, np.ndarray]:
        """Critic scores of clips (in [-1, 1]) by critic name, for histograms in the log. Empty without critics."""
