"""Trained weights wherever they lie: a run, an exported folder, a .npz state dict, the authors' network-snapshot.pkl,
or a model of the Hugging Face hub, "hf://user/name" or "hf://user/name@revision"."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator

import numpy as np
from etils import epath

from digan_jax.config import ModelConfig, RunConfig
from digan_jax.errors import InputError
from digan_jax.shapes import Params

HUB = "hf://"
_PLACES = "give a run (the --workdir of `digan train`), a folder of `digan export`, or a network-snapshot-*.pkl"


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
    """

    config: ModelConfig
    params: Params
    compute_dtype: str = "float32"
    generator: Params | None = None
    critic: Params | None = None
    class_names: tuple[str, ...] = ()
    facts: dict = dataclasses.field(default_factory=dict)


def read(path: epath.PathLike, training: bool = False, step: int | str | None = None) -> Weights:
    """The weights at `path`, of whatever kind it is.

    Args:
      path: see the top of this file.
      training: read `generator` and `critic` too, where they are.
      step: which checkpoint of a run, or "best": of the lowest FVD that it measured; the newest if None.

    Raises:
      InputError: nothing there, no weights in it, damaged, or weights of another method; says which.
    """
    from digan_jax.interop import model_folder, npz, snapshot

    if str(path).startswith(HUB):
        from digan_jax.interop import hub

        repo, _, revision = str(path).removeprefix(HUB).partition("@")
        path = hub.download(repo, revision or None, training)
    path = epath.Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such run or file; {_PLACES}.")
    if path.is_dir() and model_folder.is_one(path):
        read_it = model_folder.read
    elif path.is_dir():
        _require_run(path)
        return _of_run(path, training, step)
    elif path.suffix == ".npz":
        read_it = npz.read
    elif path.suffix in (".safetensors", ".json") and model_folder.is_one(path.parent):
        raise InputError(f"{path}: is a part of an exported model; give its folder, {path.parent}.")
    elif path.suffix in (".pkl", ".pickle") or _begins_as_pickle(path):
        read_it = snapshot.read
    else:
        raise InputError(f"{path}: is not a model; {_PLACES}.")
    if step is not None:
        raise InputError(f"{path}: holds one state of the weights; only runs have a choice of steps.")
    return read_it(path, training)


def _begins_as_pickle(path: epath.Path) -> bool:
    with path.open("rb") as file:
        return file.read(1) == b"\x80"


def is_run(path: epath.PathLike) -> bool:
    """Whether `path` is a folder with checkpoints, rather than one model."""
    return (epath.Path(path) / "checkpoints").is_dir()


def leaves(tree: Params, prefix: str = "") -> Iterator[tuple[str, np.ndarray]]:
    """Dotted name and numpy array of each leaf of a nested dict, in order."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key, np.asarray(value)


def _require_run(path: epath.Path) -> None:
    """`checkpoint` says what a run lacks; here, what else people take for one."""
    if is_run(path):
        return
    inside = sorted(p.name for p in path.iterdir())
    if snapshots := [name for name in inside if name.endswith(".pkl")]:
        raise InputError(f"{path}: is a folder; name the file in it, such as {path / snapshots[-1]}.")
    if "config.json" in inside and not _is_json(path / "config.json"):
        raise InputError(f"{path / 'config.json'}: is no JSON; get the whole folder again.")
    if foreign := [name for name in inside if name == "model_index.json" or name.endswith((".safetensors", ".bin"))]:
        raise InputError(f"{path}: holds {foreign[0]}, but it is no export of digan-jax; {_PLACES}.")


def _is_json(path: epath.Path) -> bool:
    try:
        json.loads(path.read_text())
    except (ValueError, RecursionError):  # of encoding too
        return False
    return True


def _of_run(path: epath.Path, training: bool, step: int | str | None) -> Weights:
    from digan_jax.training import checkpoint

    step = checkpoint.chosen_step(path, step)
    if training:
        config, found = checkpoint.restore_weights(path, step)
        params = {**found["ema"], "w_avg": found["w_avg"]}
        as_trained = {name: found[name] for name in ("generator", "critic")}
    else:
        config, params = checkpoint.restore_for_inference(path, step)
        as_trained = {}
    facts = facts_of(config, step * config.train.batch_size / 1000) | {"scores": scores_of(path, step)}
    class_names = checkpoint.class_names(path)
    return Weights(config.model, params, config.compute_dtype, **as_trained, class_names=class_names, facts=facts)


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
    run = epath.Path(run)
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
    measured = _json(run / "fvd.json").get(str(step))
    if not scores and _is_number(measured):
        scores.append({"metric": "FVD", "protocol": "quick", "mean": measured})
    return scores


def _json(path: epath.Path) -> dict:
    try:
        content = json.loads(path.read_text()) if path.exists() else {}
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise InputError(f"{path}: is no report of an evaluation; remove it, or evaluate the run again.")
    return content


def _dict(node: dict, key: str) -> dict:
    value = node.get(key)
    return value if isinstance(value, dict) else {}


def _is_number(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
