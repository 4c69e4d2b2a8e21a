"""Trained weights in one form for all their sources, with facts about the training."""

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
    """Weights from a run, an export or another implementation.

    Attributes:
      config: the architecture.
      params: what `Family.inference` returns; DIGAN's averaged generator {"mapping", "synthesis", "w_avg"}.
      compute_dtype: of activations.
      generator, critic: current weights, to continue training; None: not read, not stored, or no critic in the family.
      class_names: of a conditional model; empty: unknown or unconditional.
      facts: for a model card: {"data": {...}, "training": {"kimg": ...}, "scores": [...]}, of numbers and strings, and
        the "task" of a conditional model. Unknown keys are missing.
      family: of models.
      step: of the run's checkpoint; None: the weights are not from a run.
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
    """`Weights.facts` of a run, without scores. Leaves out paths, which reveal the user's machine."""
    data, train = config.data, dataclasses.asdict(config.train)
    name = data.name or epath.Path(data.path).name or data.source
    own = {"vidm": dataclasses.asdict(config.vidm)} if config.family == "vidm" else {}
    task = {} if config.task.name == "none" else {"task": dataclasses.asdict(config.task)}
    return task | {
        "data": {"name": name, "split": data.split, "frames": data.frames, "stride": data.stride, "flip": data.flip},
        "training": {"kimg": kimg, **train, "augment": list(config.train.augment), **own},
    }


def scores_of(run: epath.PathLike, step: int) -> list[dict]:
    """FVD and KVD of a checkpoint: [{"metric", "protocol", "mean", "deviation"}].

    Reads the report of `digan evaluate` (metrics.json) if it is about this step, otherwise the FVD measured during
    training (fvd.json).

    Raises:
      InputError: metrics.json is no report of an evaluation.
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
