"""The interface through which rendering, evaluation and training draw clips of any model family."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from digan_jax import grids
from digan_jax.config import FamilyConfig
from digan_jax.errors import InputError
from digan_jax.rendering import tiles
from digan_jax.shapes import Condition, Params

OneGrid = tiles.GridRequest | grids.Grid
Grid = OneGrid | Sequence[OneGrid] | None  # a sequence has one grid per frame; None is the trained grid


class Sampling(NamedTuple):
    """How a diffusion model draws; None: as its configuration says."""

    method: str | None = None  # "ancestral", "ddim" or "dpm"
    steps: str | None = None  # kept steps: "20", "10,15,20" by section, "ddim100" or "lambda20"
    eta: float | None = None  # of "ddim": 0 is deterministic, 1 as noisy as "ancestral"
    guidance: float | None = None  # of classes: 1 as trained, more is nearer to the class


@dataclasses.dataclass(frozen=True, eq=False)
class Sampler:
    """A generator with its weights: ids in, clips out. Each family defines its latents and how clips are drawn.

    Attributes:
      config: the architecture.
      params: nested dict of arrays, as `Family.inference` returns; DIGAN's is {"mapping", "synthesis", "w_avg"}.
      compute_dtype: type of activations, "float32" or "bfloat16"; frames are always float32.
      class_names: class names of a conditional model; empty if unknown.
      bands: devices that share a picture, each with a band of its rows, in families that can.
    """

    config: FamilyConfig
    params: Params
    compute_dtype: str = "float32"
    class_names: tuple[str, ...] = ()
    bands: int = 1

    @staticmethod
    def layers(config: FamilyConfig) -> int:
        """Number of layers that `digan.mix` can mix; 0 if the family has no style mixing."""
        return 0

    @staticmethod
    def estimate(config: FamilyConfig, grid: grids.Grid, clips: int, frames: int, devices: int, by_frame: bool):
        """The cost of a render as an `estimate.Estimate`; None if unknown."""
        return None

    @staticmethod
    def sampled(config: FamilyConfig, given: Sampling) -> FamilyConfig:
        """The configuration with another sampler.

        Raises:
          InputError: this family has none to choose, or there is no such sampler.
        """
        if given != Sampling():
            raise InputError(
                "`sampler`: this model draws a clip in one pass; leave sampler, steps, eta and guidance out."
            )
        return config

    def sampling(
        self,
        method: str | None = None,
        steps: str | None = None,
        eta: float | None = None,
        guidance: float | None = None,
    ) -> Sampler:
        """The same weights, drawn from in another way: see `Sampling`.

        Raises:
          InputError: an unknown method, or steps that the process does not have.
        """
        return dataclasses.replace(self, config=self.sampled(self.config, Sampling(method, steps, eta, guidance)))

    @staticmethod
    def check_bands(config: FamilyConfig, grid: grids.Grid, bands: int) -> None:
        """Raises `InputError` if so many devices of this process cannot share a picture."""
        raise InputError(f"mesh={bands}: this model family draws a picture on one device; leave it out.")

    def latents(self, ids, **options):
        """Latents of these ids: a tree of arrays [b ...]. Row i depends on id i alone."""
        raise NotImplementedError

    def stream(self, lat, times, grid: Grid = None, condition: Condition | None = None) -> Iterator[Float[np.ndarray, "b t_piece h w c"]]:
        """`generate` in pieces of a few frames of all clips, in order of time, for clips that do not fit in memory."""
        raise NotImplementedError

    def walk(self, ids, steps: int, *args, **options):
        """A latent walk through ids, for `stream`.

        Raises:
          InputError: this family has none.
        """
        raise InputError("`walk`: this model family has no latent walks; leave it out.")

    def directions(self, *args, **options):
        """Directions of the latents in which clips change most, for edits.

        Raises:
          InputError: this family has none.
        """
        raise InputError("directions: this model family has none.")

    def animate(
        self, still: Float[np.ndarray, "h w 3"], ids, times, grid: Grid = None, **options
    ) -> Iterator[Float[np.ndarray, "b t_piece h w c"]]:
        """Clips that begin with a picture, in pieces as `stream`; each id moves it in another way.

        Args:
          still: in [-1, 1], of the model's resolution.
          times: [t], ascending from 0.

        Raises:
          InputError: this model does not begin with a picture.
        """
        raise InputError("this model family begins with no picture; give a model of the task 'animate'.")

    def generate(
        self, lat, times, grid: Grid = None, condition: Condition | None = None
    ) -> Float[np.ndarray, "b t h w c"]:
        """Clips: float32, about in [-1, 1], not clamped.

        Args:
          lat: from `latents`.
          times: [t] for all clips or [b t], in clips: 0 is the first frame, 1 the last.
          grid: None for the trained grid, or `digan.grid(...)`.
          condition: for models that take one.
        """
        given = {} if condition is None else {"condition": condition}  # families without conditions know no such word
        return np.concatenate(list(self.stream(lat, times, grid, **given)), axis=1)

    def sample(
        self, ids, times, grid: Grid = None, condition: Condition | None = None, **options
    ) -> Float[np.ndarray, "b t h w c"]:
        """`generate` of `latents(ids, **options)`."""
        given = {} if condition is None else {"condition": condition}
        return self.generate(self.latents(ids, **options), times, grid, **given)
