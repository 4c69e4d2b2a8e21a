"""Configurations: their fields and checks (`schema`), their records in JSON (`records`), files and flags (`files`)."""

from digan_jax.config.records import differences, from_json, to_json, upgraded
from digan_jax.config.schema import (
    RESOLUTIONS,
    CheckpointConfig,
    DataConfig,
    EvalConfig,
    LogConfig,
    MeshConfig,
    ModelConfig,
    RunConfig,
    TrainConfig,
    check_dtype,
    parse,
    parse_model,
)

__all__ = [
    "RESOLUTIONS", "CheckpointConfig", "DataConfig", "EvalConfig", "LogConfig", "MeshConfig", "ModelConfig", "RunConfig",
    "TrainConfig", "check_dtype", "differences", "from_json", "parse", "parse_model", "to_json", "upgraded",
]  # fmt: skip
