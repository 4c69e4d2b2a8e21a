"""All model families, keyed by `config.family`."""

from __future__ import annotations

from digan_jax.config import RunConfig
from digan_jax.models.convgru.family import ConvGru
from digan_jax.models.digan.family import Digan
from digan_jax.models.interface import Family
from digan_jax.models.vidm.family import Vidm

FAMILIES: dict[str, Family] = {"digan": Digan(), "vidm": Vidm(), "convgru": ConvGru()}


def of(config: RunConfig) -> Family:
    """The model family of a run; `config.parse` has already checked the name."""
    return FAMILIES[config.family]
