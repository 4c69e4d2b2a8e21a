"""Saves and restores the checkpoints of a run.

A checkpoint is a folder WORKDIR/checkpoints/STEP of the Orbax items {state, ema, config, data, digest}. Saves are
asynchronous and atomic: a checkpoint gets its final name when all of it is on disk. Rendering reads only `ema` and
`config`, as NumPy arrays, and needs neither the mesh nor the devices of training.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import math
import shlex
import time
import types
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
from digan_jax.host.buckets import by_copies
from digan_jax.host.files import on_full_disk, write_json
from digan_jax.host.notes import say_once
from digan_jax.models import families
from digan_jax.models.interface import State
from digan_jax.runs.outbox import Outbox
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

# Configuration fields that may change when a run continues: they affect the computation of a step by rounding at most.
FREE = (
    "train.total_kimg", "train.microbatch", "train.remat", "data.workers", "data.data_dir", "mesh.", "checkpoint.",
    "log.", "eval.", "model.sampling_",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Milestones:
    """Orbax preservation policy: keeps the first checkpoint at or after each multiple of `every_kimg`."""

    train: TrainConfig
    every_kimg: float

    def should_preserve(self, checkpoints, *, context) -> list[bool]:
        return [self.train.due(c.step, self.every_kimg) for c in checkpoints]


@dataclasses.dataclass(frozen=True)
class Best:
    """Orbax preservation policy: keeps the existing checkpoint with the lowest FVD.

    Attributes:
      fvd: {step: FVD}, filled during the run.
    """

    fvd: dict[int, float]

    def should_preserve(self, checkpoints, *, context) -> list[bool]:
        best = min((c.step for c in checkpoints if c.step in self.fvd), key=self.fvd.get, default=None)
        return [c.step == best for c in checkpoints]


def check_workdir(workdir: epath.PathLike, config: RunConfig) -> None:
    """Checks that a run with this configuration may use `workdir`.

    Fields in FREE may differ. A workdir without a finished checkpoint may be used with any configuration.

    Raises:
      InputError: `workdir` holds checkpoints of a run with another configuration; lists the differences. Or it is in a
        bucket to which several processes cannot write together.
    """
    if by_copies(workdir) and jax.process_count() > 1:
        raise InputError(
            f"{workdir}: several processes save together on shared disks and to gs:// alone; choose another --workdir, or "
            "mount this bucket and give its folder."
        )
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
    """Sets up `workdir` for this run: writes config.json, and classes.json for a conditional model with class `names`.

    Moves the files of a run with another configuration and no checkpoint to WORKDIR/replaced.

    Raises:
      InputError: as `check_workdir`.
    """
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
    """`path`, or `path`-2, `path`-3, …: the first that does not exist."""
    names = itertools.chain([path.name], (f"{path.name}-{number}" for number in itertools.count(2)))
    return next(path.parent / name for name in names if not (path.parent / name).exists())


class Checkpointer:
    """Saves and restores the checkpoints of the run in `workdir`. Every process of the job must call each method."""

    def __init__(self, workdir: epath.PathLike, config: RunConfig):
        self._fvd = read_fvd(workdir)
        self._workdir, self._config = workdir, config
        self._folder, self._outbox = home(workdir) / "checkpoints", None
        if by_copies(workdir):
            self._outbox = Outbox(self._folder, lambda: finished_steps(workdir), self._kept)
            self._folder = self._outbox.local
        quieten_tensorstore()
        self._manager = self._open()

    def _open(self) -> ocp.CheckpointManager:
        return ocp.CheckpointManager(
            self._folder,
            item_handlers=handlers(),
            options=ocp.CheckpointManagerOptions(
                preservation_policy=ocp.checkpoint_managers.LatestN(1) if self._outbox else self._policy(),
                cleanup_tmp_directories=True,  # left by killed or failed saves
            ),
        )

    def _policy(self) -> ocp.checkpoint_managers.AnyPreservationPolicy:
        keep = self._config.checkpoint
        newest = ocp.checkpoint_managers.LatestN(keep.keep_last)
        milestones = Milestones(self._config.train, keep.keep_every_kimg)
        return ocp.checkpoint_managers.AnyPreservationPolicy([newest, milestones, Best(self._fvd)])

    def _kept(self, steps: list[int]) -> Sequence[bool]:
        """Whether each of the checkpoints of these steps, ascending, is to be kept."""
        of_step = [types.SimpleNamespace(step=step) for step in steps]
        return self._policy().should_preserve(of_step, context=None)

    def due(self, step: int) -> bool:
        """Whether the configuration asks for a checkpoint at `step`."""
        every = self._config.checkpoint
        return any(self._config.train.due(step, e) for e in (every.every_kimg, every.keep_every_kimg))

    def save(self, step: int, state: State, data: dict) -> None:
        """Starts an asynchronous save. Does nothing if `step` is already saved.

        Returns when the arrays are copied from the devices, so the next iteration may donate `state`.

        Args:
          data: position in the data, as JSON.

        Raises:
          TrainingDiverged: an array of `state` is not finite; nothing is saved.
          Exception: of any type, if the previous save failed while it was being written.
        """
        if step in (finished_steps(self._workdir) if self._outbox else self._manager.all_steps()):
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
        """The error of the last save, reported once; None if it succeeded or is still being written.

        After an error another save may be started.

        Args:
          wait: wait until the save has ended.
        """
        writing = self._manager.is_saving_in_progress()
        if not wait and _any_process(writing):
            return None
        error = None
        try:
            self._manager.wait_until_finished()
        except Exception as met:
            error = met
        if not _any_process(error is not None):
            return self._sent(wait) if self._outbox else None
        self._begin_anew()
        return error or RuntimeError("another process could not write its part")

    def _sent(self, wait: bool) -> Exception | None:
        """Sends what is saved on this machine's disk; the error as `failure`."""
        self._outbox.send(self._manager.all_steps())
        return self._outbox.failure(wait)

    def _begin_anew(self) -> None:
        """Reopens the manager after a failed save, because its list of checkpoints is wrong. Removes partial files."""
        with contextlib.suppress(Exception):
            self._manager.close()
        if jax.process_index() == 0:
            _remove_unfinished(self._folder)
        self._manager = self._open()

    def note_fvd(self, step: int, fvd: float) -> bool:
        """Records the FVD of a checkpoint that was just saved. Returns whether it is the lowest so far.

        Call it after the save: old checkpoints are removed by the values known then, so the best one is kept.
        """
        if not math.isfinite(fvd):
            return False
        best = fvd < min((v for s, v in self._fvd.items() if s != step), default=float("inf"))
        self._fvd[step] = fvd
        if jax.process_index() == 0:
            try:
                write_json(home(self._workdir) / FVD_FILE, self._fvd)
            except OSError as error:  # the next measurement writes all values again
                if not full_disk(error):
                    raise
                say_once(f"{self._workdir}: {FVD_FILE} could not be written ({full_disk(error)}).")
        return best

    def restore(self, like: State) -> tuple[State, dict]:
        """Reads the newest intact checkpoint. Renames newer, damaged ones to checkpoints/damaged-STEP.

        Args:
          like: arrays or `jax.ShapeDtypeStruct`s with the shapes, dtypes and shardings of the result.

        Returns:
          (state, data) as given to `save`.

        Raises:
          InputError: no checkpoint is intact, or its arrays differ in names, shapes or dtypes from `like`.
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
        """The error for a value that is not finite. Waits for pending saves, and names the last good checkpoint.

        Args:
          term: what is not finite, such as "critic/loss is nan"; part of the message.
        """
        with contextlib.suppress(Exception):
            self.wait()
        good, change = newest_step(self._workdir), "a lower train.learning_rate"
        change += " or a higher train.r1_gamma" if self._config.family == "digan" else ""
        cure = f"there is no checkpoint yet; start again, in the same --workdir if you like, with {change}."
        if good is not None:
            cure = f"the checkpoint of step {good} is good; continue from it in a new --workdir, with "
            cure += f"--init-from {shlex.quote(str(self._workdir))} and {change}."
        return TrainingDiverged(f"step {step}: {term}; {cure}")

    def wait(self) -> None:
        """Waits until all saves are on disk, or in the bucket. Raises the error of a failed save."""
        self._manager.wait_until_finished()
        if self._outbox and (error := self._sent(wait=True)):
            raise error

    def close(self) -> None:
        """Closes the manager. Raises no errors of saves; `failure` and `wait` report them."""
        with contextlib.suppress(Exception):
            self._manager.close()
        if self._outbox:
            self._outbox.close()


def write_run(workdir: epath.PathLike, config: RunConfig, step: int, state: State, data: dict) -> None:
    """Writes a run with one checkpoint, without training. Returns when it is on disk.

    Raises:
      InputError: as `check_workdir`.
      TrainingDiverged: an array of `state` is not finite.
    """
    claim(workdir, config)
    with contextlib.closing(Checkpointer(workdir, config)) as saved:
        saved.save(step, state, data)
        saved.wait()


def _remove_unfinished(checkpoints: epath.Path) -> None:
    """Removes partial checkpoints. Tries several times: after one array fails, others are still being written."""
    for _ in range(50):
        unfinished = [path for path in checkpoints.iterdir() if ".orbax-checkpoint-tmp" in path.name]
        for path in unfinished:
            with contextlib.suppress(Exception):
                path.rmtree()
        if not unfinished:
            return
        time.sleep(0.1)


def _any_process(yes: bool) -> bool:
    """Whether `yes` is true in any process. All processes must call it."""
    return yes if jax.process_count() == 1 else bool(multihost_utils.process_allgather(np.array(yes)).any())


@jax.jit
def _finite(tree):
    return jax.tree.map(lambda x: jnp.isfinite(x).all(), tree)


def explain_full_disk(workdir: epath.PathLike) -> contextlib.AbstractContextManager[None]:
    """Within the block, replaces any error for a full disk by an `InputError` that names the last good checkpoint."""
    cure = "Free some space and repeat the command."
    return on_full_disk(lambda reason: InputError(f"{workdir}: {reason.lower()}; {last_good(workdir)}. {cure}"))


def last_good(workdir: epath.PathLike) -> str:
    """States the last finished checkpoint of a run, for messages."""
    good = finished_steps(workdir)
    return f"the checkpoint of step {good[-1]} is whole" if good else "no checkpoint was finished"


def unsaved(workdir: epath.PathLike, error: Exception) -> InputError:
    """The error at the end of a run whose last save failed; names the last finished checkpoint."""
    reason = full_disk(error)
    cure = "Free some space and repeat the command." if reason else "Mend that and repeat the command."
    return InputError(f"{workdir}: {reason.lower() if reason else short(error)}; {last_good(workdir)}. {cure}")


def short(error: Exception) -> str:
    """An error of a library in one line, with its type."""
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or ['no more is known'])[0][:200]}"
