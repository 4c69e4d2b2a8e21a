"""JSON records of configurations, as saved by runs and exports: writes, reads (all formats) and compares them."""

from __future__ import annotations

import dataclasses
import json

from digan_jax.config.vidm import VidmTrainConfig
from digan_jax.config.schema import MODELS, FamilyConfig, RunConfig, parse, require

FORMAT = 8  # of config.json; increase it when a field is added, renamed or changes its meaning
# Format -> {field added in it: value that older records imply}.
ADDED: dict[int, dict[str, object]] = {
    2: {"family": "digan", "eval.every_kimg": 0.0, "eval.weights": ""},
    3: {
        "model.basis": "content",
        "model.band": (0.5, 8.0),
        "model.constants": 0,
        "model.modulation_gain": 0.0,
        "model.motion": "linear",
        "model.upsample": "nearest",
        "model.base": 32,
        "model.critic": "pair",
        "model.critic_features": "none",
        "model.class_term": "embedding",
        "train.critic_learning_rate": 0.0,
        "train.loss": "non_saturating",
        "train.penalty": "lazy",
        "train.r2_gamma": 0.0,
        "train.penalty_sigma": 0.05,
        "train.horizon": 0.0,
        "train.features_weight": 0.1,
        "train.features_blur_kimg": 0.0,
        "train.classes_from_kimg": 0.0,
        "train.classes_by_kimg": 0.0,
    },
    4: {
        "model.places": 0,
        "data.held_out": "",
        **{f"vidm.{name}": value for name, value in dataclasses.asdict(VidmTrainConfig()).items()},
        "train.microbatch": 0,
        "train.remat": False,
        "mesh.fsdp": False,
        "model.condition_planes": 0,
        "model.condition_width": 32,
        "model.condition_skip": False,
        "task.name": "none",
        "task.factor": 4,
        "task.every": 1,
        "task.shown": 4,
        "task.hole": 0.5,
        "task.missing": 0.25,
        "task.adversarial": 1.0,
        "task.l1": 10.0,
    },
    5: {
        "train.motion_gamma": 1.0,
        "train.gamma_end": 1.0,
        "train.gamma_by_kimg": 0.0,
        "model.condition_gain": 1.0,
        "model.condition_depth": 2,
        "model.condition_reach": 1,
        "model.condition_warp": False,
        "model.condition_detail": False,
        "model.condition_alone": False,
        "task.factors": (),
        "task.fill": False,
        "task.noise": 50.0,
        "model.condition_style": 0,
        "task.feature_matching": 0.0,
        "model.last_frame": False,
        "model.sampling_guidance": 1.0,
        "vidm.label_dropout": 0.1,
    },
    6: {
        "model.doublings": 0,
        "train.span": 1.0,
        "train.phases": (),
        "task.warp": 0.0,
        "task.motion": 1.0,
        "task.steps": (),
        "task.style": "poster",
    },
    7: {"task.spread": 0.0, "train.anneal": 0.0, "model.condition_flow": "predicted"},
    8: {"model.condition_carried": False},
}


def record(config: RunConfig) -> dict:
    """A configuration as a dict for JSON, with the format number."""
    return {"format": FORMAT, **dataclasses.asdict(config)}


def to_json(config: RunConfig) -> str:
    """`record` as JSON text."""
    return json.dumps(record(config), indent=1)


def from_json(text: str) -> RunConfig:
    """The inverse of `to_json`, for records of this and older formats. Raises as `parse` and `upgraded`."""
    return parse(upgraded(json.loads(text)))


def upgraded(record) -> dict:
    """A record of any format as one of the current format, without the format number.

    Added fields get the values that older records imply. Records without a number have format 1.

    Raises:
      InputError: not a record, a newer format than this version reads, or an invalid format number.
    """
    require(isinstance(record, dict), f"{str(record)[:50]!r}: is no configuration; it must be a group of fields.")
    found = record.get("format", 1)
    require(type(found) is int and found >= 1, f"format {found!r}: is no format of digan-jax.")
    require(
        found <= FORMAT,
        f"format {found}: was written by a newer digan-jax; this one reads formats up to {FORMAT}. Install the newest.",
    )
    record = {key: dict(value) if isinstance(value, dict) else value for key, value in record.items()}
    record.pop("format", None)
    for added in range(found + 1, FORMAT + 1):
        for field, before in ADDED.get(added, {}).items():
            *group, name = field.split(".")
            if group and not isinstance(record.get(group[0], {}), dict):
                continue  # `parse` says what it must be
            if group == ["model"] and not _has(record.get("family", "digan"), name):
                continue  # a field of another family's model
            (record.setdefault(group[0], {}) if group else record).setdefault(name, before)
    return record


def _has(family, name: str) -> bool:
    """Whether the `model` group of a family has this field. Of unknown families `parse` speaks."""
    return not isinstance(family, str) or family not in MODELS or name in MODELS[family].__dataclass_fields__


def flatten(config: RunConfig) -> dict[str, object]:
    """{"train.seed": 0, ...}: all fields by their command-line names."""
    flat = {}
    for key, value in dataclasses.asdict(config).items():
        if isinstance(value, dict):
            flat.update({f"{key}.{k}": v for k, v in value.items()})
        else:
            flat[key] = value
    return flat


def model_differences(ours: FamilyConfig, theirs: FamilyConfig) -> list[str]:
    """`differences` of two `model` groups of one family."""
    a, b = (dataclasses.asdict(model) for model in (ours, theirs))
    return [f"model.{key}: {a[key]!r} -> {b[key]!r}" for key in a if a[key] != b[key]]


def differences(ours: RunConfig, theirs: RunConfig) -> list[str]:
    """One line per differing field, such as "train.seed: 0 -> 1"; empty for equal configurations."""
    a, b = flatten(ours), flatten(theirs)
    return [f"{key}: {a[key]!r} -> {b[key]!r}" for key in a if a[key] != b[key]]
