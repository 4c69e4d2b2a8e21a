"""What draws the clips of each model family: `Sampler`, and one class for each family."""

from __future__ import annotations

from digan_jax.config import RunConfig
from digan_jax.rendering.model import Model
from digan_jax.rendering.sampler import Sampler
from digan_jax.runs.weights import Weights
from digan_jax.shapes import Params

SAMPLERS: dict[str, type[Sampler]] = {"digan": Model}


def of_weights(found: Weights) -> Sampler:
    """The model that these weights make."""
    return SAMPLERS[found.family](found.config, found.params, found.compute_dtype, found.class_names)


def of_run(config: RunConfig, params: Params) -> Sampler:
    """The model of a run, from what `Family.inference` gives."""
    return SAMPLERS[config.family](config.model, params, config.compute_dtype, ())
