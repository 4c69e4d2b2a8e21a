"""Reads runs without their mesh or devices: steps, configurations, and weights as NumPy arrays.

Without a requested step, skips damaged checkpoints with a note on stderr and takes the newest intact one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

import orbax.checkpoint as ocp
from etils import epath

from digan_jax import config as config_lib
from digan_jax.config import RunConfig
from digan_jax.errors import InputError
from digan_jax.host.buckets import by_copies
from digan_jax.host.files import read_json
from digan_jax.host.notes import say_once
from digan_jax.models import families
from digan_jax.runs.outbox import LAST
from digan_jax.runs.stored import Damaged, Stored
from digan_jax.shapes import Params

T = TypeVar("T")
CONFIG_FILE, CLASSES_FILE = "config.json", "classes.json"
FVD_FILE = "fvd.json"  # in a workdir: {step: FVD under the quick protocol}


def run_config(run: epath.PathLike | None) -> RunConfig | None:
    """The configuration of a run; None if `run` is no folder of a run.

    If config.json is damaged, uses the copy in the newest checkpoint that has one.

    Raises:
      InputError: config.json cannot be used, and no checkpoint has a copy.
    """
    if not run or not is_run(run):
        return None
    try:
        return read_config(home(run))
    except InputError as error:
        for step in reversed(finished_steps(run)):
            try:
                config = _stored(run, step).config()
            except Damaged:
                continue
            say_once(f"{error} The copy in the checkpoint of step {step} stands in.")
            return config
        raise InputError(f"{error} No checkpoint of {run} has a copy; bring the file back.") from None


def read_config(run: epath.PathLike) -> RunConfig:
    """Reads a run's config.json.

    Raises:
      InputError: it is missing, damaged, or no configuration.
    """
    file = home(run) / CONFIG_FILE
    record = read_json(file)
    try:
        return config_lib.parse(config_lib.upgraded(record))
    except (InputError, TypeError, AttributeError) as error:
        raise InputError(f"{file}: {error}") from None


def is_run(path: epath.PathLike) -> bool:
    """Whether `path` is the folder of a run, with checkpoints, and not a single model."""
    if str(path).startswith(("hf://", "digan://")):  # hub and package hold models only; etils would contact the hub
        return False
    return (home(path) / "checkpoints").is_dir()


def read_fvd(workdir: epath.PathLike) -> dict[int, float]:
    """{step: FVD} that a run measured during training. Empty, with a note on stderr, if the file cannot be read."""
    return _optional(home(workdir) / FVD_FILE, _fvd_of, {})


def _fvd_of(record: dict) -> dict[int, float]:
    fvd = {int(step): float(value) for step, value in record.items()}
    if not all(map(math.isfinite, fvd.values())):
        raise ValueError("holds what is no number")
    return fvd


def class_names(run: epath.PathLike) -> tuple[str, ...]:
    """Class names of a conditional run, in the order of their indices; empty if none are stored or readable."""
    return _optional(home(run) / CLASSES_FILE, lambda record: tuple(map(_text, record)), ())


def _text(name) -> str:
    if not isinstance(name, str):
        raise ValueError(f"{name!r} is no name")
    return name


def _optional(file: epath.Path, parse: Callable, missing):
    if not file.exists():
        return missing
    try:
        return parse(read_json(file))
    except (InputError, ValueError, TypeError, AttributeError) as error:
        reason = str(error) if str(file) in str(error) else f"{file}: {error}."
        say_once(f"{reason} It is ignored.")
        return missing


def newest_step(workdir: epath.PathLike) -> int | None:
    """The step of the newest finished checkpoint; None without one. A checkpoint being written does not count."""
    return max(finished_steps(workdir), default=None)


def best_step(workdir: epath.PathLike) -> int:
    """The step of the existing checkpoint with the lowest FVD.

    Raises:
      InputError: no existing checkpoint was measured.
    """
    fvd = read_fvd(workdir)
    steps = [step for step in finished_steps(workdir) if step in fvd]
    if not steps:
        raise InputError(f"{workdir}: no checkpoint of it was measured; train with --config.eval.every_kimg.")
    return min(steps, key=fvd.get)


def finished_steps(workdir: epath.PathLike) -> list[int]:
    """Steps of the finished checkpoints, ascending. Does not check whether they are intact."""
    folder = home(workdir) / "checkpoints"
    if not folder.is_dir():
        return []
    named = [path for path in folder.iterdir() if path.name.isdecimal() and str(int(path.name)) == path.name]
    return sorted(int(path.name) for path in named if path.is_dir() and _finished(path))


def _finished(checkpoint: epath.Path) -> bool:
    if by_copies(checkpoint):
        return (checkpoint / LAST).exists()
    return ocp.utils.is_checkpoint_finalized(checkpoint)


def restore_for_inference(run: epath.PathLike, step: int | str | None = None) -> tuple[RunConfig, Params]:
    """Reads the configuration and the averaged generator {"mapping", "synthesis", "w_avg"} of a run, as NumPy arrays.

    Args:
      run: the run's folder, its --workdir.
      step: of the checkpoint; "best": the one with the lowest FVD during training; None: the newest intact one.

    Raises:
      InputError: `run` is missing or no run, or has no such checkpoint; the checkpoint is damaged, or all are.
    """
    return of_whole(run, step, lambda stored: (stored.config(), stored.arrays("ema")))


def restore_config(run: epath.PathLike, step: int | str | None = None) -> tuple[RunConfig, int]:
    """(configuration, step) of the checkpoint that `restore_for_inference(run, step)` reads. Raises as it does."""

    def read(stored):
        if step is None:
            stored.arrays("ema")  # skips checkpoints whose weights are damaged
        return stored.config(), stored.step

    return of_whole(run, step, read)


def restore_weights(run: epath.PathLike, step: int | str | None = None) -> tuple[RunConfig, dict]:
    """Reads the configuration and the fields of the state named by `Family.saved_weights`, as NumPy arrays.

    Arguments and errors as in `restore_for_inference`.
    """

    def read(stored):
        config = stored.config()
        return config, stored.arrays("state", families.of(config).saved_weights())

    return of_whole(run, step, read)


def of_whole(run: epath.PathLike, step: int | str | None, read: Callable[[Stored], T]) -> T:
    """Returns `read(checkpoint)` of the given step, or of the newest intact checkpoint.

    Args:
      run, step: as `restore_for_inference`.
      read: raises `Damaged` for a damaged checkpoint.

    Raises:
      InputError: as `restore_for_inference`.
    """
    if step is not None:
        step = _named_step(run, step)
        try:
            return read(_stored(run, step))
        except Damaged as error:
            others = [other for other in finished_steps(run) if other != step]
            cure = f"choose another --step, of {others}" if others else "bring it back from a copy"
            raise Damaged(f"{error}; {cure}.") from None
    found, used, damaged = newest_whole(run, read)
    tell_damaged(damaged, used)
    return found


def newest_whole(run: epath.PathLike, read: Callable[[Stored], T]) -> tuple[T, int, list[Damaged]]:
    """Applies `read` to the newest intact checkpoint.

    Returns:
      (result, step, errors of the damaged checkpoints that are newer).

    Raises:
      InputError: there is no checkpoint, or all are damaged.
    """
    damaged: list[Damaged] = []
    for step in reversed(_steps(run)):
        try:
            return read(_stored(run, step)), step, damaged
        except Damaged as error:
            damaged.append(error)
    raise none_whole(run, damaged)


def none_whole(run: epath.PathLike, damaged: list[Damaged]) -> InputError:
    """The error for a run without an intact checkpoint; lists what is damaged."""
    reasons = "".join(f"\n  {error}" for error in damaged)
    return InputError(f"{run}: holds no checkpoint that is whole; bring one back from a copy, or train anew.{reasons}")


def tell_damaged(damaged: list[Damaged], used: int) -> None:
    """Prints on stderr which damaged checkpoints were skipped, and that step `used` was read."""
    for error in damaged:
        say_once(f"{error}. The checkpoint of step {used} is used instead.")


def _named_step(run: epath.PathLike, step: int | str) -> int:
    steps = _steps(run)
    if step == "best":
        return best_step(run)
    if step not in steps:
        raise InputError(f"{run}: has no checkpoint of step {step}; choose one of {steps}.")
    return step


def _steps(run: epath.PathLike) -> list[int]:
    folder = home(run)
    if not folder.is_dir():
        raise InputError(f"{run}: there is no such folder; give the --workdir of a run.")
    if not (folder / CONFIG_FILE).exists() and not (folder / "checkpoints").is_dir():
        raise InputError(f"{run}: is no run (it has neither config.json nor checkpoints); give the --workdir of one.")
    steps = finished_steps(folder)
    if not steps:
        raise InputError(f"{run}: holds no finished checkpoint yet; train further, until the first one is saved.")
    return steps


def _stored(run: epath.PathLike, step: int) -> Stored:
    return Stored(run, home(run) / "checkpoints", step)


def home(run: epath.PathLike) -> epath.Path:
    """The absolute path of a run's folder; URLs of buckets stay as they are."""
    path = epath.Path(run)
    return path if "://" in str(path) else path.expanduser().resolve()  # Orbax requires absolute paths
