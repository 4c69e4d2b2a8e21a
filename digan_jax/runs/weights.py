"""Trained weights as every place of them gives them, and what is known of their making."""

from __future__ import annotations

import dataclasses
import math

from etils import epath

from digan_jax.config import FamilyConfig, RunConfig
from digan_jax.errors import InputError
from digan_jax.host.files import expanded, read_json
from digan_jax.runs.reading import read_fvd
from digan_jax.shapes import Params


@dataclasses.dataclass(frozen=True)
class Weights:
    """What a place holds.

    Attributes:
      config: the architecture.
      params: the averaged generator {"mapping", "synthesis", "w_avg"}.
      compute_dtype: of activations.
      generator, critic: as trained, for whoever trains on; None where they were left out.
      class_names: of a conditional model, where they are known; else empty.
      facts: what is known of their making, for a model card: {"data": {...}, "training": {"kimg": ...},
        "scores": [...]}, each missing where nobody knows it; numbers and strings alone.
      family: of models.
      step: of the checkpoint of a run; None: no run.
    """

    config: FamilyConfig
    params: Params
    compute_dtype: str = "float32"
    generator: Params | None = None
    critic: Params | None = None
    class_names: tuple[str, ...] = ()
    facts: dict = dataclasses.field(default_factory=dict)
    family: str = "digan"
    step: int | None = None


def facts_of(config: RunConfig, kimg: float) -> dict:
    """What a model card says of a run. No folders: they name a person's machine."""
    data, train = config.data, dataclasses.asdict(config.train)
    name = data.name or epath.Path(data.path).name or data.source
    return {
        "data": {"name": name, "split": data.split, "frames": data.frames, "stride": data.stride, "flip": data.flip},
        "training": {"kimg": kimg, **train, "augment": list(config.train.augment)},
    }


def scores_of(run: epath.PathLike, step: int) -> list[dict]:
    """[{"metric", "protocol", "mean", "deviation"}] of FVD and KVD: what `digan evaluate` left in the run's
    metrics.json about this step, or else what the run measured itself while it trained (fvd.json).

    Raises:
      InputError: a metrics.json that is no report; removing it is the cure.
    """
    run = expanded(run)
    report = _json(run / "metrics.json")
    protocols, subject = (_dict(report, key) for key in ("protocols", "subject"))
    scores = []
    if subject.get("step", step) == step:
        for protocol in protocols:
            for metric in ("fvd", "kvd"):
                numbers = _dict(_dict(protocols, protocol), metric)
                score = {key: numbers[key] for key in ("mean", "deviation") if _is_number(numbers.get(key))}
                if "mean" in score:
                    scores.append({"metric": metric.upper(), "protocol": protocol, **score})
    measured = read_fvd(run).get(step)
    if not scores and _is_number(measured):
        scores.append({"metric": "FVD", "protocol": "quick", "mean": measured})
    return scores


def _json(path: epath.Path) -> dict:
    try:
        content = read_json(path) if path.exists() else {}
    except InputError:
        content = None
    if not isinstance(content, dict):
        raise InputError(f"{path}: is no report of an evaluation; remove it, or evaluate the run again.")
    return content


def _dict(node: dict, key: str) -> dict:
    value = node.get(key)
    return value if isinstance(value, dict) else {}


def _is_number(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
