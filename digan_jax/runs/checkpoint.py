"""Checkpoints of a run: Orbax composites {state, ema, config, data, digest} at WORKDIR/checkpoints/STEP, saved
asynchronously.

A checkpoint carries its final name only once all of it is on disk, so a save that was killed never looks finished.
Rendering reads `ema` and `config` alone, as plain arrays: it needs neither the mesh nor the devices of training.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import math
import shlex
import time
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
from etils import epath
from jax.experimental import multihost_utils

from digan_jax import config as config_lib
from digan_jax.config import RunConfig, TrainConfig
from digan_jax.errors import InputError, TrainingDiverged, full_disk
from digan_jax.host.files import on_full_disk, write_json
from digan_jax.host.notes import say_once
from digan_jax.models import families
from digan_jax.models.interface import State
from digan_jax.runs.reading import (
    CLASSES_FILE,
    CONFIG_FILE,
    FVD_FILE,
    finished_steps,
    home,
    newest_step,
    newest_whole,
    read_config,
    read_fvd,
    run_config,
    tell_damaged,
)
from digan_jax.runs.stored import Damaged, Stored, digest_of, folder_of, handlers, quieten_tensorstore

# What may change when a run continues: none of it enters the arithmetic of a step.
FREE = ("train.total_kimg", "data.workers", "data.data_dir", "mesh.", "checkpoint.", "log.", "eval.")


@dataclasses.dataclass(frozen=True)
class Milestones:
    """Orbax preservation policy: keeps the first checkpoint at or after every multiple of `every_kimg` for good."""

    train: TrainConfig
    every_kimg: float

    def should_preserve(self, checkpoints, *, context) -> list[bool]:
        return [self.train.due(c.step, self.every_kimg) for c in checkpoints]


@dataclasses.dataclass(frozen=True)
class Best:
    """Orbax preservation policy: keeps the checkpoint of the lowest FVD among those that are there.

    Attributes:
      fvd: {step: FVD}, filled as the run goes.
    """

    fvd: dict[int, float]

    def should_preserve(self, checkpoints, *, context) -> list[bool]:
        best = min((c.step for c in checkpoints if c.step in self.fvd), key=self.fvd.get, default=None)
        return [c.step == best for c in checkpoints]


def check_workdir(workdir: epath.PathLike, config: RunConfig) -> None:
    """Raises `InputError` when `workdir` holds checkpoints of a run of another configuration, with what differs; FREE
    may. Without a finished checkpoint nothing is lost, and any configuration may start there."""
    changed = _changes(workdir, config)
    if changed and finished_steps(workdir):
        raise InputError(
            f"{workdir} holds a run of another configuration; choose another --workdir, or take back "
            "(theirs -> yours):\n  " + "\n  ".join(changed)
        )


def _changes(workdir: epath.PathLike, config: RunConfig) -> list[str]:
    if finished_steps(workdir):
        theirs = run_config(workdir)
    elif (home(workdir) / CONFIG_FILE).exists():
        theirs = read_config(workdir)  # damaged or foreign: somebody's folder, which is not replaced
    else:
        return []
    return [line for line in config_lib.differences(theirs, config) if not line.startswith(FREE)]


def claim(workdir: epath.PathLike, config: RunConfig, names: Sequence[str] = ()) -> None:
    """Makes `workdir` the home of this run: writes config.json there, and classes.json if the model is conditional and
    its classes have `names`. What a run of another configuration began there moves aside. Raises as `check_workdir`."""
    if jax.process_index() != 0:
        return
    check_workdir(workdir, config)
    if changed := _changes(workdir, config):
        aside = _set_beginning_aside(home(workdir))
        changed = ", ".join(changed)
        say_once(f"{workdir}: replaces a run without a checkpoint ({changed}); its log is in {aside} now.")
    write_json(home(workdir) / CONFIG_FILE, config_lib.record(config))
    if config.model.n_classes and names:
        write_json(home(workdir) / CLASSES_FILE, names)


def _set_beginning_aside(workdir: epath.Path) -> epath.Path:
    aside = _free_name(workdir / "replaced")
    aside.mkdir()
    for name in (CONFIG_FILE, CLASSES_FILE, FVD_FILE, "metrics.jsonl", "tensorboard", "samples"):
        if (workdir / name).exists():
            (workdir / name).rename(aside / name)
    return aside


def _free_name(path: epath.Path) -> epath.Path:
    """`path`, or with the first number behind it under which nothing lies."""
    names = itertools.chain([path.name], (f"{path.name}-{number}" for number in itertools.count(2)))
    return next(path.parent / name for name in names if not (path.parent / name).exists())


class Checkpointer:
    """Saves and restores the checkpoints of the run in `workdir`; every process of the run must call each method."""

    def __init__(self, workdir: epath.PathLike, config: RunConfig):
        self._fvd = read_fvd(workdir)
        self._workdir, self._config = workdir, config
        quieten_tensorstore()
        self._manager = self._open()

    def _open(self) -> ocp.CheckpointManager:
        keep = self._config.checkpoint
        newest = ocp.checkpoint_managers.LatestN(keep.keep_last)
        milestones = Milestones(self._config.train, keep.keep_every_kimg)
        policy = ocp.checkpoint_managers.AnyPreservationPolicy([newest, milestones, Best(self._fvd)])
        return ocp.CheckpointManager(
            home(self._workdir) / "checkpoints",
            item_handlers=handlers(),
            options=ocp.CheckpointManagerOptions(
                preservation_policy=policy,
                cleanup_tmp_directories=True,  # what a killed or failed save left
            ),
        )

    def due(self, step: int) -> bool:
        """Whether the configuration wants a checkpoint at `step`."""
        every = self._config.checkpoint
        return any(self._config.train.due(step, e) for e in (every.every_kimg, every.keep_every_kimg))

    def save(self, step: int, state: State, data: dict) -> None:
        """Starts to save; `data` is the position in the data, as JSON. Does nothing if `step` is saved already.

        Returns once the arrays are copied off the devices, so the next step may donate `state`.

        Raises:
          TrainingDiverged: an array of `state` is not finite; nothing is saved.
          Exception: of whatever kind the save before met while it was written.
        """
        if step in self._manager.all_steps():
            return
        for path, finite in jax.tree.leaves_with_path(jax.device_get(_finite(state))):
            if not finite:
                raise self.diverged(step, f"state{jax.tree_util.keystr(path)} is not finite")
        config, ema = config_lib.record(self._config), families.of(self._config).inference(state)
        items = ocp.args.Composite(
            state=ocp.args.PyTreeSave(state),
            ema=ocp.args.PyTreeSave(ema),
            config=ocp.args.JsonSave(config),
            data=ocp.args.JsonSave(data),
            digest=ocp.args.JsonSave(digest_of(state, ema, config, data)),
        )
        try:
            self._manager.save(step, args=items)
        except Exception:
            self._begin_anew()
            raise

    def failure(self, wait: bool = False) -> Exception | None:
        """What the save that was begun last met while it was written, said once; None if nothing, or if it goes on
        still and we do not `wait`. Another save may be begun after it."""
        writing = self._manager.is_saving_in_progress()
        if not wait and _any_process(writing):
            return None
        error = None
        try:
            self._manager.wait_until_finished()
        except Exception as met:
            error = met
        if not _any_process(error is not None):
            return None
        self._begin_anew()
        return error or RuntimeError("another process could not write its part")

    def _begin_anew(self) -> None:
        """After a failed save Orbax's books are not those of the disk; removes what it left, which takes space."""
        with contextlib.suppress(Exception):
            self._manager.close()
        if jax.process_index() == 0:
            _remove_unfinished(home(self._workdir) / "checkpoints")
        self._manager = self._open()

    def note_fvd(self, step: int, fvd: float) -> bool:
        """Records the FVD of a checkpoint that was just saved; whether it is the lowest so far.

        The save before it may remove old checkpoints by what was known then, so the best one is never lost.
        """
        if not math.isfinite(fvd):
            return False
        best = fvd < min((v for s, v in self._fvd.items() if s != step), default=float("inf"))
        self._fvd[step] = fvd
        if jax.process_index() == 0:
            try:
                write_json(home(self._workdir) / FVD_FILE, self._fvd)
            except OSError as error:  # the next measurement writes all of them
                if not full_disk(error):
                    raise
                say_once(f"{self._workdir}: {FVD_FILE} could not be written ({full_disk(error)}).")
        return best

    def restore(self, like: State) -> tuple[State, dict]:
        """The newest checkpoint that is whole: the state, in the shapes and shardings of `like` (arrays or their
        abstract twins), and what was saved as `data`. Newer ones, which are damaged, move to checkpoints/damaged-STEP.

        Raises:
          InputError: there is none that is whole, or it holds other arrays than `like`.
        """

        def read(stored: Stored):
            found, error = None, None
            try:
                found = stored.state(like), stored.data(), stored.config()
            except Damaged as met:
                error = met
            if _any_process(error is not None):
                raise error or Damaged(f"{self._workdir}: another process cannot read the checkpoint of {stored.step}")
            return found[:2]

        found, step, damaged = newest_whole(self._workdir, read)
        tell_damaged(damaged, step)
        if damaged:
            if jax.process_index() == 0:
                for newer in (other for other in finished_steps(self._workdir) if other > step):
                    folder = folder_of(home(self._workdir) / "checkpoints", newer)
                    folder.rename(_free_name(folder.parent / f"damaged-{newer}"))
            multihost_utils.sync_global_devices("damaged checkpoints are aside")
            self._manager.reload()
        return found

    def diverged(self, step: int, term: str) -> TrainingDiverged:
        """The error that says so, once the last good checkpoint is on disk."""
        with contextlib.suppress(Exception):
            self.wait()
        good, change = newest_step(self._workdir), "a lower train.learning_rate or a higher train.r1_gamma"
        cure = f"there is no checkpoint yet; start again, in the same --workdir if you like, with {change}."
        if good is not None:
            cure = f"the checkpoint of step {good} is good; continue from it in a new --workdir, with "
            cure += f"--init-from {shlex.quote(str(self._workdir))} and {change}."
        return TrainingDiverged(f"step {step}: {term}; {cure}")

    def wait(self) -> None:
        """Returns when every save is on disk; raises what went wrong in one."""
        self._manager.wait_until_finished()

    def close(self) -> None:
        """What a save met is told by `failure` and `wait`, not here."""
        with contextlib.suppress(Exception):
            self._manager.close()


def write_run(workdir: epath.PathLike, config: RunConfig, step: int, state: State, data: dict) -> None:
    """A run with one checkpoint, without training: claims `workdir`, saves as `Checkpointer.save` does, and waits."""
    claim(workdir, config)
    with contextlib.closing(Checkpointer(workdir, config)) as saved:
        saved.save(step, state, data)
        saved.wait()


def _remove_unfinished(checkpoints: epath.Path) -> None:
    """Some arrays are still being written when a save fails by another, so removing takes several tries."""
    for _ in range(50):
        unfinished = [path for path in checkpoints.iterdir() if ".orbax-checkpoint-tmp" in path.name]
        for path in unfinished:
            with contextlib.suppress(Exception):
                path.rmtree()
        if not unfinished:
            return
        time.sleep(0.1)


def _any_process(yes: bool) -> bool:
    """Whether one of the processes says so; all must ask."""
    return yes if jax.process_count() == 1 else bool(multihost_utils.process_allgather(np.array(yes)).any())


@jax.jit
def _finite(tree):
    return jax.tree.map(lambda x: jnp.isfinite(x).all(), tree)


def explain_full_disk(workdir: epath.PathLike) -> contextlib.AbstractContextManager[None]:
    """Turns "no space left" of whatever library wrote into an `InputError` that names the last good checkpoint."""
    cure = "Free some space and repeat the command."
    return on_full_disk(lambda reason: InputError(f"{workdir}: {reason.lower()}; {last_good(workdir)}. {cure}"))


def last_good(workdir: epath.PathLike) -> str:
    """What is kept of a run, for messages."""
    good = finished_steps(workdir)
    return f"the checkpoint of step {good[-1]} is whole" if good else "no checkpoint was finished"


def unsaved(workdir: epath.PathLike, error: Exception) -> InputError:
    """What to say at the end of a run that could not write, with what is kept of it."""
    reason = full_disk(error)
    cure = "Free some space and repeat the command." if reason else "Mend that and repeat the command."
    return InputError(f"{workdir}: {reason.lower() if reason else short(error)}; {last_good(workdir)}. {cure}")


def short(error: Exception) -> str:
    """A foreign error in one line."""
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or ['no more is known'])[0][:200]}"
