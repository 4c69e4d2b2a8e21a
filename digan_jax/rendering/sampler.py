"""What draws clips, of whatever family: the face of a model to renders, evaluation and training."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float

from digan_jax import grids
from digan_jax.config import FamilyConfig
from digan_jax.errors import InputError
from digan_jax.rendering import tiles
from digan_jax.shapes import Params

OneGrid = tiles.GridRequest | grids.Grid
Grid = OneGrid | Sequence[OneGrid] | None  # a sequence: one for each frame


@dataclasses.dataclass(frozen=True, eq=False)
class Sampler:
    """A generator and its weights: ids in, clips out. A family says what latents are and how clips are drawn.

    Attributes:
      config: the architecture.
      params: nested dict of arrays {"mapping", "synthesis", "w_avg"}, named as in the authors' release.
      compute_dtype: of activations, "float32" or "bfloat16"; frames are float32 whatever it is.
      class_names: of a conditional model, where its run kept them; else empty.
    """

    config: FamilyConfig
    params: Params
    compute_dtype: str = "float32"
    class_names: tuple[str, ...] = ()

    @staticmethod
    def layers(config: FamilyConfig) -> int:
        """How many layers `digan.mix` can take from another clip; 0 where there is nothing to mix."""
        return 0

    @staticmethod
    def estimate(config: FamilyConfig, grid: grids.Grid, clips: int, frames: int, devices: int, by_frame: bool):
        """What drawing takes, as an `estimate.Estimate`; None where nobody knows."""
        return None

    def latents(self, ids, **options):
        """What makes the clips of these ids: any tree of arrays [b ...]; row i depends on id i alone."""
        raise NotImplementedError

    def stream(self, lat, times, grid: Grid = None) -> Iterator[Float[np.ndarray, "b t_piece h w c"]]:
        """`generate` in pieces of some frames of all clips, in order of time, for clips that do not fit in memory."""
        raise NotImplementedError

    def walk(self, ids, steps: int, *args, **options):
        """A walk through ids, for `stream`."""
        raise InputError("--walk: this family of models has no space to walk in.")

    def generate(self, lat, times, grid: Grid = None) -> Float[np.ndarray, "b t h w c"]:
        """Clips, float32, about in [-1, 1], not clamped.

        Args:
          lat: from `latents`.
          times: [t] for all clips or [b t]: 0 is the first frame of a clip, 1 its last.
          grid: None as trained, or `digan.grid(...)`.
        """
        return np.concatenate(list(self.stream(lat, times, grid)), axis=1)

    def sample(self, ids, times, grid: Grid = None, **options) -> Float[np.ndarray, "b t h w c"]:
        """`generate` of `latents(ids, **options)`."""
        return self.generate(self.latents(ids, **options), times, grid)
