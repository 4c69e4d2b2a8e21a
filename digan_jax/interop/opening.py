"""`digan.load`: opens a model from a run, an exported folder, a .npz state dict, the authors' network-snapshot-*.pkl,
the Hugging Face hub ("hf://user/name" or "hf://user/name@revision") or the package itself ("digan://quickstart").
"""

from __future__ import annotations

from typing import NamedTuple

from etils import epath

from digan_jax.config import FamilyConfig
from digan_jax.errors import InputError
from digan_jax.host.files import is_plain, read_json
from digan_jax.models import families
from digan_jax.rendering.sampler import Sampler
from digan_jax.rendering.samplers import SAMPLERS, of_weights
from digan_jax.runs import reading
from digan_jax.runs.reading import is_run
from digan_jax.runs.weights import Weights, facts_of, scores_of

HUB = "hf://"
ELSEWHERE = (HUB, "digan://")  # models that no folder of the user holds

_PLACES = "give a run (the --workdir of `digan train`), a folder of `digan export`, or a network-snapshot-*.pkl"


def read(path: epath.PathLike, training: bool = False, step: int | str | None = None) -> Weights:
    """The weights at `path`, in any of the module's formats.

    Args:
      training: also read `generator` and `critic`, if available.
      step: checkpoint of a run; "best": the one with the lowest FVD measured in training; None: the newest.

    Raises:
      InputError: nothing at `path`, no weights in it, damaged files, or weights of another method.
    """
    from digan_jax.interop import model_folder, npz, snapshot

    path = located(path, training)
    if not path.exists():
        raise InputError(f"{path}: no such run or file; {_PLACES}.")
    if path.is_dir() and model_folder.is_one(path):
        read_it = model_folder.read
    elif path.is_dir():
        _require_run(path)
        return _of_run(path, training, step)
    elif not is_plain(path):
        raise InputError(f"{path}: is no ordinary file; {_PLACES}.")
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


def located(path: epath.PathLike, training: bool = False) -> epath.Path:
    """The file or folder of a model, whether it is there or not; a model of the hub is downloaded first. Raises as `read`."""
    from digan_jax.interop import shipped

    if str(path).startswith(HUB):
        from digan_jax.interop import hub

        repo, _, revision = str(path).removeprefix(HUB).partition("@")
        path = hub.download(repo, revision or None, training)
    return reading.home(shipped.located(path))


def _begins_as_pickle(path: epath.Path) -> bool:
    with path.open("rb") as file:
        return file.read(1) == b"\x80"


def _require_run(path: epath.Path) -> None:
    """Raises `InputError` if the folder is no run; the message depends on what it looks like instead."""
    if is_run(path):
        return
    inside = sorted(p.name for p in path.iterdir())
    if snapshots := [name for name in inside if name.endswith(".pkl")]:
        raise InputError(f"{path}: is a folder; name the file in it, such as {path / snapshots[-1]}.")
    if "config.json" in inside:
        try:
            read_json(path / "config.json")
        except InputError as error:
            raise InputError(f"{error} Get the whole folder again.") from None
    if foreign := [name for name in inside if name == "model_index.json" or name.endswith((".safetensors", ".bin"))]:
        raise InputError(f"{path}: holds {foreign[0]}, but it is no export of digan-jax; {_PLACES}.")


def _of_run(path: epath.Path, training: bool, step: int | str | None) -> Weights:
    def read(stored):
        config = stored.config()
        if not training:
            return config, stored.arrays("ema"), {}, stored.step
        found = stored.arrays("state", families.of(config).saved_weights())
        params, generator, critic = families.of(config).trained(found)
        return config, params, {"generator": generator, "critic": critic}, stored.step

    config, params, as_trained, step = reading.of_whole(path, step, read)
    return Weights(
        config.model,
        params,
        config.compute_dtype,
        **as_trained,
        class_names=reading.class_names(path),
        facts=facts_of(config, config.train.kimg(step)) | {"scores": scores_of(path, step)},
        family=config.family,
        step=step,
    )


def load(path: epath.PathLike, step: int | str | None = None) -> Sampler:
    """A model, ready to draw clips.

    Args:
      path: a run (the --workdir of `digan train`), a folder or .npz of `digan export`, "hf://user/name" on the hub,
        "digan://quickstart" in the package, or the authors' network-snapshot-*.pkl, which is read without executing it.
      step: checkpoint of a run; "best": the one with the lowest FVD measured in training; None: the newest.

    Raises:
      InputError: nothing at `path`, no such checkpoint, damaged files, or a file of another kind.
    """
    return of_weights(read(path, step=step))


class Glance(NamedTuple):
    """A model's properties, without its weights."""

    config: FamilyConfig
    class_names: tuple[str, ...]
    step: int | None  # of the checkpoint; None if the model is not from a run
    sampler: type[Sampler]


def look(path: epath.PathLike, step: int | str | None = None) -> Glance:
    """The properties of the model that `load(path, step)` returns. Raises as `load`."""
    if not reading.is_run(path):
        model = load(path, step)
        return Glance(model.config, model.class_names, None, type(model))
    config, step = reading.restore_config(path, step)
    return Glance(config.model, reading.class_names(path), step, SAMPLERS[config.family])
