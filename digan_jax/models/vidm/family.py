"""VIDM as a model family: implements `models.interface.Family`."""

from __future__ import annotations

from collections.abc import Mapping

import jax
import numpy as np
from jaxtyping import Float, Int, Key

from digan_jax.config import RunConfig, VidmConfig
from digan_jax.errors import InputError
from digan_jax.models.interface import Metrics, Setting, Shapes, Trained
from digan_jax.models.vidm import steps
from digan_jax.models.vidm.networks import build
from digan_jax.models.vidm.state import VidmState, held, init_networks, init_state, state_from_params
from digan_jax.shapes import Array, Batch, Condition, Params, misfits

NETWORKS = ("content", "motion")


class Vidm:
    """The family "vidm"."""

    def init(self, key: Key[Array, ""], config: RunConfig) -> VidmState:
        return init_state(key, config)

    def check_fresh(self, config: RunConfig) -> None:
        """A motion stage cannot draw a clip without a content model."""
        if config.vidm.stage == "motion":
            raise InputError(
                "vidm.stage='motion': needs a content model to draw first frames; give a run of stage content or "
                "both as --init-from, or set vidm.stage to 'both'."
            )

    def adopt(self, key: Key[Array, ""], config: RunConfig, found: Trained) -> VidmState:
        """The initial state of a run from given weights: as trained if the file has them, averaged ones otherwise.

        A motion stage keeps the given content model as it is, and begins with a new motion model if none is given.

        Raises:
          InputError: the weights have another architecture, or a motion stage gets no content model.
        """
        if config.vidm.stage == "motion" and "content" not in found.params:
            raise InputError("holds no content model, which vidm.stage='motion' needs to draw first frames")
        given = {name: found.params[name] for name in held(config) if name in found.params}
        fresh = init_networks(key, config, tuple(name for name in held(config) if name not in given))
        ema = fresh | given
        as_trained = found.generator or {}
        weights = {name: as_trained.get(name, ema[name]) for name in config.vidm.trained}
        ours = jax.eval_shape(lambda key: init_state(key, config), key)
        different = misfits({"ema": ema, "weights": weights}, {"ema": ours.ema, "weights": ours.weights})
        if different:
            raise InputError(f"has another architecture, {different[0]} (theirs -> yours)")
        return state_from_params(weights, ema, config)

    def iteration(self, setting: Setting, state: VidmState, batch: Batch) -> tuple[VidmState, Metrics]:
        return steps.iteration(setting, state, batch)

    def lazy(self, config: RunConfig) -> tuple[int, ...]:
        return ()

    def frames(
        self, config: RunConfig, random: np.random.Generator, clip_frames: int, clips: int
    ) -> tuple[Int[np.ndarray, "clips k"], Float[np.ndarray, "clips k"]]:
        """The first frame of each clip for stage "content", otherwise triples (0, i − 1, i), i uniform from 1 on."""
        if config.vidm.stage == "content":
            number = np.zeros((clips, 1), np.int64)
        else:
            i = random.integers(1, config.model.last_trained + 1, clips)
            number = np.stack([np.zeros_like(i), i - 1, i], axis=1)
        return number, (number / (clip_frames - 1)).astype(np.float32)

    def inference(self, state: VidmState) -> Params:
        """The averaged networks by name, "content" and "motion"."""
        return state.ema

    def saved_weights(self) -> tuple[str, ...]:
        return ("weights", "ema")

    def trained(self, saved: Mapping[str, Params]) -> tuple[Params, Params | None, Params | None]:
        return saved["ema"], saved["weights"], None

    def networks(self, config: RunConfig) -> Mapping[str, Shapes]:
        """The networks of a run, "content" and "motion"."""
        return jax.eval_shape(lambda key: init_networks(key, config, held(config)), jax.random.key(0))

    def stored(self, model: VidmConfig, names: frozenset[str]) -> Mapping[str, Shapes]:
        """Networks that a file has under its names. A file may hold one of the two."""
        nets = build(model)
        there = [name for name in NETWORKS if name in names]
        if not there:
            raise InputError(f"holds neither of the networks {list(NETWORKS)}")
        shapes = jax.eval_shape(lambda key: {name: getattr(nets, name).init(key) for name in there}, jax.random.key(0))
        return {"params": shapes, "generator": shapes}

    def scores(
        self, config: RunConfig, state: VidmState, clips: Float[Array, "b t h w c"], condition: Condition | None
    ) -> Mapping[str, np.ndarray]:
        """None: there are no critics."""
        return {}
