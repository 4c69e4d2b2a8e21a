"""The sampler class of each model family."""

from __future__ import annotations

from digan_jax.config import RunConfig
from digan_jax.rendering.convgru import ConvGruModel
from digan_jax.rendering.model import Model
from digan_jax.rendering.sampler import Sampler
from digan_jax.rendering.vidm import VidmModel
from digan_jax.runs.weights import Weights
from digan_jax.shapes import Params

SAMPLERS: dict[str, type[Sampler]] = {"digan": Model, "vidm": VidmModel, "convgru": ConvGruModel}


def of_weights(found: Weights) -> Sampler:
    """The sampler of given weights."""
    return SAMPLERS[found.family](found.config, found.params, found.compute_dtype, found.class_names)


def of_run(config: RunConfig, params: Params) -> Sampler:
    """The sampler of a run, with the weights that `Family.inference` returns."""
    return SAMPLERS[config.family](config.model, params, config.compute_dtype, ())
