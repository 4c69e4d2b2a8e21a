"""What a run holds, read without its mesh or its devices: steps, configurations, weights as plain arrays.

Where no step is asked for, a damaged checkpoint is passed over for the newest one that is whole, with a note on stderr.
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
from digan_jax.host.files import read_json
from digan_jax.host.notes import say_once
from digan_jax.models import families
from digan_jax.runs.stored import Damaged, Stored
from digan_jax.shapes import Params

T = TypeVar("T")
CONFIG_FILE, CLASSES_FILE = "config.json", "classes.json"
FVD_FILE = "fvd.json"  # in a workdir: {step: FVD under the quick protocol}


def run_config(run: epath.PathLike | None) -> RunConfig | None:
    """How a run was made; None for what is no folder of a run. Where config.json is damaged, the copy in the newest
    whole checkpoint stands in.

    Raises:
      InputError: config.json cannot be used, and no checkpoint has a copy.
    """
    if not run or not is_run(home(run)):
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
    """What a run's config.json says.

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
    """Whether `path` is a folder with checkpoints, rather than one model."""
    if str(path).startswith("hf://"):  # the hub holds models; etils would ask it
        return False
    return (home(path) / "checkpoints").is_dir()


def read_fvd(workdir: epath.PathLike) -> dict[int, float]:
    """{step: FVD} that a run measured on itself. What cannot be read is left out, with a note."""
    return _optional(home(workdir) / FVD_FILE, _fvd_of, {})


def _fvd_of(record: dict) -> dict[int, float]:
    fvd = {int(step): float(value) for step, value in record.items()}
    if not all(map(math.isfinite, fvd.values())):
        raise ValueError("holds what is no number")
    return fvd


def class_names(run: epath.PathLike) -> tuple[str, ...]:
    """Names of a conditional run's classes, in the order of their indices; empty where the run kept none."""
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
    """Steps of the checkpoints whose saves were finished, ascending; whether they are whole still shows when read."""
    folder = home(workdir) / "checkpoints"
    if not folder.is_dir():
        return []
    named = [path for path in folder.iterdir() if path.name.isdecimal() and str(int(path.name)) == path.name]
    return sorted(int(path.name) for path in named if path.is_dir() and ocp.utils.is_checkpoint_finalized(path))


def restore_for_inference(run: epath.PathLike, step: int | str | None = None) -> tuple[RunConfig, Params]:
    """Configuration and {"mapping", "synthesis", "w_avg"} (moving averages) of a run's checkpoint, as numpy arrays.

    Args:
      run: the run's folder, its --workdir.
      step: which checkpoint; "best": of the lowest FVD that it measured while training; None: the newest that is whole.

    Raises:
      InputError: `run` is missing, is no run, or has no such checkpoint; or it is damaged, or all are.
    """
    return of_whole(run, step, lambda stored: (stored.config(), stored.arrays("ema")))


def restore_config(run: epath.PathLike, step: int | str | None = None) -> tuple[RunConfig, int]:
    """Configuration and step alone; otherwise as `restore_for_inference`, which takes the same step."""

    def read(stored):
        if step is None:
            stored.arrays("ema")  # or the weights might come from another checkpoint
        return stored.config(), stored.step

    return of_whole(run, step, read)


def restore_weights(run: epath.PathLike, step: int | str | None = None) -> tuple[RunConfig, dict]:
    """Configuration and the fields of the state that `Family.saved_weights` names; otherwise as
    `restore_for_inference`."""

    def read(stored):
        config = stored.config()
        return config, stored.arrays("state", families.of(config).saved_weights())

    return of_whole(run, step, read)


def chosen_step(run: epath.PathLike, step: int | str | None = None) -> int:
    """The step of the checkpoint that `restore_for_inference(run, step)` takes. Raises as it does."""
    return restore_config(run, step)[1] if step is None else _named_step(run, step)


def of_whole(run: epath.PathLike, step: int | str | None, read: Callable[[Stored], T]) -> T:
    """What `read` makes of a checkpoint: of `step`, or of the newest that is whole. Otherwise as
    `restore_for_inference`."""
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
    """What `read` makes of the newest checkpoint that is whole, its step, and what is wrong with the newer ones.

    Raises:
      InputError: there is none, or all are damaged.
    """
    damaged: list[Damaged] = []
    for step in reversed(_steps(run)):
        try:
            return read(_stored(run, step)), step, damaged
        except Damaged as error:
            damaged.append(error)
    raise none_whole(run, damaged)


def none_whole(run: epath.PathLike, damaged: list[Damaged]) -> InputError:
    reasons = "".join(f"\n  {error}" for error in damaged)
    return InputError(f"{run}: holds no checkpoint that is whole; bring one back from a copy, or train anew.{reasons}")


def tell_damaged(damaged: list[Damaged], used: int) -> None:
    """Says on stderr what was passed over."""
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
    path = epath.Path(run)
    return path if "://" in str(path) else path.expanduser().resolve()  # Orbax wants absolute ones
