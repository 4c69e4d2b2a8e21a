"""What a run holds, read without its mesh or its devices: steps, configurations, weights as plain arrays."""

from __future__ import annotations

import contextlib
import json
import logging

import jax
import numpy as np
import orbax.checkpoint as ocp
from etils import epath

from digan_jax import config as config_lib
from digan_jax.config import RunConfig
from digan_jax.errors import InputError
from digan_jax.models import families
from digan_jax.shapes import Params

# Orbax logs each error from several threads, with tracebacks; all of them reach us as exceptions too.
logging.getLogger("absl").addFilter(lambda record: "orbax" not in record.pathname)


def run_config(run: epath.PathLike | None) -> RunConfig | None:
    """How a run was made; None for what is no folder of a run."""
    run = epath.Path(run).expanduser() if run else None
    return config_lib.from_json((run / "config.json").read_text()) if run and is_run(run) else None


def is_run(path: epath.PathLike) -> bool:
    """Whether `path` is a folder with checkpoints, rather than one model."""
    if str(path).startswith("hf://"):  # the hub holds models; etils would ask it
        return False
    return (epath.Path(path) / "checkpoints").is_dir()


FVD_FILE = "fvd.json"  # in a workdir: {step: FVD under the quick protocol}


def read_fvd(workdir: epath.PathLike) -> dict[int, float]:
    """{step: FVD} that a run measured on itself."""
    file = home(workdir) / FVD_FILE
    return {int(step): value for step, value in json.loads(file.read_text()).items()} if file.exists() else {}


def newest_step(workdir: epath.PathLike) -> int | None:
    """Step of the newest finished checkpoint; one that is still being written does not count."""
    return max(finished_steps(workdir), default=None)


def best_step(workdir: epath.PathLike) -> int:
    """Step of the checkpoint with the lowest FVD among those that are there.

    Raises:
      InputError: none was measured.
    """
    fvd = read_fvd(workdir)
    steps = [step for step in finished_steps(workdir) if step in fvd]
    if not steps:
        raise InputError(f"{workdir}: no checkpoint of it was measured; train with --config.eval.every_kimg.")
    return min(steps, key=fvd.get)


def finished_steps(workdir: epath.PathLike) -> list[int]:
    """Steps of the checkpoints that are whole, ascending."""
    folder = home(workdir) / "checkpoints"
    return sorted(ocp.utils.checkpoint_steps(folder)) if folder.is_dir() else []


def restore_for_inference(run: epath.PathLike, step: int | str | None = None) -> tuple[RunConfig, Params]:
    """Configuration and {"mapping", "synthesis", "w_avg"} (moving averages) of a run's checkpoint, as numpy arrays.

    Args:
      run: the run's folder, its --workdir.
      step: which checkpoint; "best": of the lowest FVD that it measured while training; None: the newest.

    Raises:
      InputError: `run` is missing, is no run, or has no such checkpoint.
    """
    with _reader(run, step) as (manager, step):
        return _config_of(manager, step), _arrays(manager, step, "ema")


def restore_config(run: epath.PathLike, step: int | str | None = None) -> tuple[RunConfig, int]:
    """Configuration and step alone; otherwise as `restore_for_inference`."""
    with _reader(run, step) as (manager, step):
        return _config_of(manager, step), step


def class_names(run: epath.PathLike) -> tuple[str, ...]:
    """Names of a conditional run's classes, in the order of their indices; empty where the run kept none."""
    record = home(run) / "classes.json"
    return tuple(json.loads(record.read_text())) if record.exists() else ()


def restore_weights(run: epath.PathLike, step: int | str | None = None) -> tuple[RunConfig, dict]:
    """Configuration and the fields of the state that `Family.saved_weights` names; otherwise as `restore_for_inference`."""
    with _reader(run, step) as (manager, step):
        config = _config_of(manager, step)
        return config, _arrays(manager, step, "state", families.of(config).saved_weights())


def handlers() -> dict:
    """One for each item. Replicas share the writing of large arrays; of small ones, the cutting takes longer."""
    arrays = ocp.type_handlers.ArrayHandler(min_slice_bytes_for_replica_parallel=2**20)
    registry = ocp.type_handlers.create_type_handler_registry(
        (jax.Array, arrays), (np.ndarray, ocp.type_handlers.NumpyHandler())
    )
    trees = {item: ocp.PyTreeCheckpointHandler(type_handler_registry=registry) for item in ("state", "ema")}
    return trees | {item: ocp.JsonCheckpointHandler() for item in ("config", "data")}


def chosen_step(run: epath.PathLike, step: int | str | None = None) -> int:
    """The step of the checkpoint that `restore_for_inference(run, step)` takes. Raises as it does."""
    folder = home(run)
    if not folder.is_dir():
        raise InputError(f"{run}: there is no such folder; give the --workdir of a run.")
    if not (folder / "config.json").exists() and not (folder / "checkpoints").is_dir():
        raise InputError(f"{run}: is no run (it has neither config.json nor checkpoints); give the --workdir of one.")
    steps = finished_steps(folder)
    if not steps:
        raise InputError(f"{run}: holds no finished checkpoint yet; train further, until the first one is saved.")
    if step == "best":
        step = best_step(folder)
    if step is not None and step not in steps:
        raise InputError(f"{run}: has no checkpoint of step {step}; choose one of {steps}.")
    return steps[-1] if step is None else step


@contextlib.contextmanager
def _reader(run, step):
    step = chosen_step(run, step)
    options = ocp.CheckpointManagerOptions(read_only=True)
    with ocp.CheckpointManager(home(run) / "checkpoints", item_handlers=handlers(), options=options) as manager:
        yield manager, step


def _config_of(manager, step) -> RunConfig:
    saved = manager.restore(step, args=ocp.args.Composite(config=ocp.args.JsonRestore()))
    return config_lib.parse(config_lib.upgraded(saved.config))


def _arrays(manager, step, item, keys=None) -> dict:
    """One item as numpy: said for each array, or Orbax would ask for the devices that it was saved from."""
    tree = manager.item_metadata(step)[item].tree
    tree = {key: tree[key] for key in keys or tree}
    as_numpy = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), tree)
    args = ocp.args.PyTreeRestore(item=tree, restore_args=as_numpy, partial_restore=True)
    return manager.restore(step, args=ocp.args.Composite(**{item: args}))[item]


def home(run: epath.PathLike) -> epath.Path:
    path = epath.Path(run)
    return path if "://" in str(path) else path.expanduser().resolve()  # Orbax wants absolute ones
