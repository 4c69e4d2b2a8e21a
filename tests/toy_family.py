"""A second model family of a few lines: a clip is one constant colour, learnt from the data's mean colour."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from digan_jax import rng


@dataclasses.dataclass(frozen=True)
class ToyConfig:
    resolution: int
    spread: float  # of colours around the mean
    n_classes: int = 0


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class ToyState:
    step: jax.Array
    ema: dict


class Toy:
    def init(self, key, config):
        return ToyState(jnp.zeros((), jnp.int32), {"colour": jax.random.normal(rng.stream(key, "colour"), (3,))})

    def check_fresh(self, config):
        pass

    def adopt(self, key, config, found):
        return ToyState(jnp.zeros((), jnp.int32), {"colour": jnp.asarray(found.params["colour"])})

    def iteration(self, setting, state, batch):
        noise = 0.01 * jax.random.normal(rng.stream(jax.random.key(setting.config.train.seed), "toy", state.step), (3,))
        mean = batch.frames.astype(jnp.float32).mean((0, 1, 2, 3)) / 127.5 - 1
        colour = state.ema["colour"] + 0.5 * (mean - state.ema["colour"]) + noise
        return ToyState(state.step + 1, {"colour": colour}), {"toy/loss": jnp.square(mean - colour).mean()}

    def lazy(self, config):
        return ()

    def frames(self, config, random, clip_frames, clips):
        number = random.integers(clip_frames, size=(clips, 3))  # three frames of each clip
        return number, (number / (clip_frames - 1)).astype(np.float32)

    def inference(self, state):
        return state.ema

    def saved_weights(self):
        return ("ema",)

    def trained(self, saved):
        return saved["ema"], saved["ema"], None

    def networks(self, config):
        return {"colour": {"colour": jax.ShapeDtypeStruct((3,), np.float32)}}

    def stored(self, model, names):
        shapes = {"colour": jax.ShapeDtypeStruct((3,), np.float32)}
        return {"params": shapes, "generator": shapes}

    def scores(self, config, state, clips, condition):
        return {}


def sampler():
    """Its class of samplers; made here, since importing rendering in a test's collection is slow."""
    from digan_jax.rendering.sampler import Sampler

    class ToySampler(Sampler):
        def latents(self, ids, motion_ids=None, truncation=1.0, label=None, seed=0):
            colours = rng.normal_by_id(jax.random.key(seed), jnp.asarray(ids), 3)
            return np.asarray(self.params["colour"]) + truncation * self.config.spread * np.asarray(colours)

        def stream(self, lat, times, grid=None):
            width, height = grid.size if hasattr(grid, "size") else (grid.width, grid.height) if grid else (32, 32)
            for t in np.atleast_1d(times):
                yield np.broadcast_to(lat[:, None, None, None], (len(lat), 1, height, width, 3)).astype(np.float32)

    return ToySampler
