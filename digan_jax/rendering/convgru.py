"""A trained ConvGRU predictor for rendering: given frames in, the frames after them out."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import jax
import numpy as np
from jaxtyping import Float

from digan_jax.config.convgru import ConvGruConfig
from digan_jax.errors import InputError
from digan_jax.models.convgru.network import continued
from digan_jax.rendering import latents as latents_lib
from digan_jax.rendering.model import check_times
from digan_jax.rendering.sampler import Grid, Sampler
from digan_jax.shapes import Array, Condition, Params


class ConvGruModel(Sampler):
    """A predictor. It has one future for each beginning: ids change nothing."""

    config: ConvGruConfig

    def latents(self, ids, **options):
        """The ids [b], checked."""
        return latents_lib.check_ids(ids)

    def stream(
        self, lat, times, grid: Grid = None, condition: Condition | None = None
    ) -> Iterator[Float[np.ndarray, "b t h w c"]]:
        """All frames at once, of the size of the given ones; a time between two frames gets the nearer one.

        Raises:
          InputError: no frames are given, their sides are odd, or a grid is.
        """
        if condition is None or condition.maps is None:
            raise InputError(
                "condition: this model continues frames; from Python give condition=digan.Condition(maps=...)."
            )
        if grid is not None:
            raise InputError(
                "`size` and `region`: a ConvGRU draws frames of the size that it is given; leave them out."
            )
        maps = np.asarray(condition.maps, np.float32)[..., :3]
        b, s, h, w, _ = maps.shape
        if h % 2 or w % 2:
            raise InputError(f"frames of {w}x{h}: a ConvGRU halves them; make both sides even.")
        at = np.linspace(0, 1, s) if condition.at is None else np.asarray(condition.at).reshape(-1, s)[0]
        gap = at[1] - at[0] if s > 1 else 1.0
        numbers = np.rint((check_times(times, len(lat)) - at[0]) / gap).astype(int).clip(0)
        made = np.asarray(_continued(self.params, maps, self.config, max(1, int(numbers.max()) - s + 1)))
        frames = np.broadcast_to(np.concatenate([maps, made], axis=1), (len(lat), s + made.shape[1], h, w, 3))
        yield np.stack([clip[row] for clip, row in zip(frames, numbers)])


@partial(jax.jit, static_argnames=("config", "ahead"))
def _continued(params: Params, frames: Float[Array, "b s h w 3"], config: ConvGruConfig, ahead: int):
    return continued(config, params, frames, ahead)
