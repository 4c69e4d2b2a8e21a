"""All model families by name, as `config.family` gives it."""

from __future__ import annotations

from digan_jax.config import RunConfig
from digan_jax.models.digan.family import Digan
from digan_jax.models.interface import Family

FAMILIES: dict[str, Family] = {"digan": Digan()}


def of(config: RunConfig) -> Family:
    """The family of a run. `config.parse` has checked its name."""
    return FAMILIES[config.family]
