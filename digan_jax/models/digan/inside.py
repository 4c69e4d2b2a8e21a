"""The waves inside a generator, for figures and notebooks: frequencies and phases of each level."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from digan_jax.config import ModelConfig
from digan_jax.models.digan import architecture
from digan_jax.models.digan.generator import FourierFeatures, Places
from digan_jax.shapes import Array, Latents, Params


class Waves(NamedTuple):
    """What the Fourier features of one level are the sines and cosines of: frequency · (x, y) + phase."""

    resolution: int  # of the level
    frequency: Float[np.ndarray, "b f 2"]  # radians per half frame; a wave of 2 pi has two periods a frame
    phase: Float[np.ndarray, "b t f"]  # radians


def waves(config: ModelConfig, params: Params, lat: Latents, times: Float[Array, "b t"]) -> list[Waves]:
    """The waves of each level, coarsest first, as `Generator` makes them of these latents.

    The motion vector and time enter a generator here and nowhere else (paper, eq. 5).
    """
    lat, times = Latents(*map(jnp.asarray, lat)), jnp.asarray(times, jnp.float32)
    synthesis, first, places, found = params["synthesis"], 0, None, []
    if config.places:
        places = Places(config).apply({"params": synthesis["places"]}, lat.content[:, 0], lat.motion, times)
    for r, layers in architecture.blocks(config).items():
        if layers[0].n_fourier:
            level, weights = max(r, config.base), {"params": synthesis[f"b{r}"]["fourier"]}
            of_level = FourierFeatures(config, level)
            given = lat.content[:, first], lat.motion, times, places
            frequency, phase = of_level.apply(weights, *given, method="waves")
            shape = len(times), *frequency.shape[-2:]
            found.append(Waves(level, np.broadcast_to(frequency, shape), np.asarray(phase)))
        first += len(layers)
    return found
