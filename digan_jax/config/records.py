"""The JSON records that runs and exports keep of their configuration: written, read in every format so far, compared."""

from __future__ import annotations

import dataclasses
import json

from digan_jax.config.schema import RunConfig, parse, require

FORMAT = 2  # of the config.json of runs and exports; a field that is added, renamed or means something else raises it
# Format -> fields that came with it, and the value that a record from before then stands for.
ADDED: dict[int, dict[str, object]] = {2: {"family": "digan", "eval.every_kimg": 0.0, "eval.weights": ""}}


def record(config: RunConfig) -> dict:
    """What a run keeps of its configuration; JSON holds it."""
    return {"format": FORMAT, **dataclasses.asdict(config)}


def to_json(config: RunConfig) -> str:
    """`record` as text."""
    return json.dumps(record(config), indent=1)


def from_json(text: str) -> RunConfig:
    """The inverse of `to_json`, for records of every format so far; raises as `parse` and `upgraded`."""
    return parse(upgraded(json.loads(text)))


def upgraded(record) -> dict:
    """A record of an older format as one of today, without its number: what was added since has its old meaning.

    Records without a number are from before there was one, which was format 1.

    Raises:
      InputError: what is no record, or one of a format that is newer than this version, or of none that exists.
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
            (record.setdefault(group[0], {}) if group else record).setdefault(name, before)
    return record


def flatten(config: RunConfig) -> dict[str, object]:
    """{"train.seed": 0, ...}: one entry for each field, named as on the command line."""
    flat = {}
    for key, value in dataclasses.asdict(config).items():
        if isinstance(value, dict):
            flat.update({f"{key}.{k}": v for k, v in value.items()})
        else:
            flat[key] = value
    return flat


def differences(ours: RunConfig, theirs: RunConfig) -> list[str]:
    """One line for each field that differs, "train.seed: 0 -> 1"; empty when the configurations are equal."""
    a, b = flatten(ours), flatten(theirs)
    return [f"{key}: {a[key]!r} -> {b[key]!r}" for key in a if a[key] != b[key]]
