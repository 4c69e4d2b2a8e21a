"""Configurations: fields and checks (`schema`), JSON records (`records`), Python files and flags (`files`)."""

from digan_jax.config.records import differences, from_json, model_differences, record, to_json, upgraded
from digan_jax.config.schema import (
    MODELS,
    RESOLUTIONS,
    CheckpointConfig,
    DataConfig,
    EvalConfig,
    FamilyConfig,
    LogConfig,
    MeshConfig,
    ModelConfig,
    RunConfig,
    TrainConfig,
    check_dtype,
    parse,
    parse_model,
)
from digan_jax.config.tasks import TaskConfig
from digan_jax.config.vidm import VidmConfig, VidmTrainConfig

__all__ = [
    "MODELS", "RESOLUTIONS", "CheckpointConfig", "DataConfig", "EvalConfig", "FamilyConfig", "LogConfig",
    "MeshConfig", "ModelConfig", "RunConfig", "TaskConfig", "TrainConfig", "VidmConfig", "VidmTrainConfig",
    "check_dtype", "differences", "from_json", "model_differences", "parse", "parse_model", "record", "to_json",
    "upgraded",
]  # fmt: skip
