"""Checkpoints of a run: Orbax composites {state, ema, config, data} at WORKDIR/checkpoints/STEP, saved asynchronously.

A checkpoint carries its final name only once all of it is on disk, so a save that was killed never looks finished.
Rendering reads `ema` and `config` alone, as plain arrays: it needs neither the mesh nor the devices of training.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence

import jax
import jax.numpy as jnp
import orbax.checkpoint as ocp
from etils import epath

from digan_jax import config as config_lib
from digan_jax.config import RunConfig, TrainConfig
from digan_jax.errors import InputError, TrainingDiverged, full_disk
from digan_jax.host.files import write_json
from digan_jax.models import families
from digan_jax.models.interface import State
from digan_jax.runs.reading import FVD_FILE, finished_steps, handlers, home, newest_step, read_fvd

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
    """Raises `InputError`, with what differs, when `workdir` holds a run of another configuration; FREE may differ."""
    record = home(workdir) / "config.json"
    if not record.exists():
        return
    theirs = config_lib.from_json(record.read_text())
    changed = [line for line in config_lib.differences(theirs, config) if not line.startswith(FREE)]
    if changed:
        raise InputError(
            f"{workdir} holds a run of another configuration; choose another --workdir, or take back "
            "(theirs -> yours):\n  " + "\n  ".join(changed)
        )


def claim(workdir: epath.PathLike, config: RunConfig, names: Sequence[str] = ()) -> None:
    """Makes `workdir` the home of this run: writes config.json there, and classes.json if the model is conditional and
    its classes have `names`. Raises as `check_workdir`."""
    check_workdir(workdir, config)
    if jax.process_index() == 0:
        write_json(home(workdir) / "config.json", config_lib.record(config))
        if config.model.n_classes and names:
            write_json(home(workdir) / "classes.json", names)


class Checkpointer:
    """Saves and restores the checkpoints of the run in `workdir`; every process of the run must call each method."""

    def __init__(self, workdir: epath.PathLike, config: RunConfig):
        keep = config.checkpoint
        milestones = Milestones(config.train, keep.keep_every_kimg)
        newest = ocp.checkpoint_managers.LatestN(keep.keep_last)
        self._fvd = read_fvd(workdir)
        self._workdir, self._config = workdir, config
        self._manager = ocp.CheckpointManager(
            home(workdir) / "checkpoints",
            item_handlers=handlers(),
            options=ocp.CheckpointManagerOptions(
                preservation_policy=ocp.checkpoint_managers.AnyPreservationPolicy([newest, milestones, Best(self._fvd)]),
                cleanup_tmp_directories=True,  # what a killed save left
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
        self._manager.save(
            step,
            args=ocp.args.Composite(
                state=ocp.args.PyTreeSave(state),
                ema=ocp.args.PyTreeSave(families.of(self._config).inference(state)),
                config=ocp.args.JsonSave(config_lib.record(self._config)),
                data=ocp.args.JsonSave(data),
            ),
        )

    def note_fvd(self, step: int, fvd: float) -> bool:
        """Records the FVD of a checkpoint that was just saved; whether it is the lowest so far.

        The save before it may remove old checkpoints by what was known then, so the best one is never lost.
        """
        best = fvd < min((v for s, v in self._fvd.items() if s != step), default=float("inf"))
        self._fvd[step] = fvd
        if jax.process_index() == 0:
            write_json(home(self._workdir) / FVD_FILE, self._fvd)
        return best

    def restore(self, like: State) -> tuple[State, dict]:
        """The newest checkpoint: the state, in the shapes and shardings of `like` (arrays or their abstract twins),
        and what was saved as `data`."""
        abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
        shardings = ocp.checkpoint_utils.construct_restore_args(abstract)
        arrays = ocp.args.PyTreeRestore(item=abstract, restore_args=shardings)
        args = ocp.args.Composite(state=arrays, data=ocp.args.JsonRestore())
        saved = self._manager.restore(newest_step(self._workdir), args=args)
        return saved.state, saved.data

    def diverged(self, step: int, term: str) -> TrainingDiverged:
        """The error that says so, once the last good checkpoint is on disk."""
        self.wait()
        good, change = newest_step(self._workdir), "a lower train.learning_rate or a higher train.r1_gamma"
        cure = f"there is no checkpoint yet; start again with {change}."
        if good is not None:
            cure = f"the checkpoint of step {good} is good; continue from it in a new --workdir, with "
            cure += f"--init-from {self._workdir} and {change}."
        return TrainingDiverged(f"step {step}: {term}; {cure}")

    def wait(self) -> None:
        """Returns when every save is on disk; raises what went wrong in one."""
        self._manager.wait_until_finished()

    def close(self) -> None:
        self._manager.close()


def write_run(workdir: epath.PathLike, config: RunConfig, step: int, state: State, data: dict) -> None:
    """A run with one checkpoint, without training: claims `workdir`, saves as `Checkpointer.save` does, and waits."""
    claim(workdir, config)
    with contextlib.closing(Checkpointer(workdir, config)) as saved:
        saved.save(step, state, data)
        saved.wait()


@jax.jit
def _finite(tree):
    return jax.tree.map(lambda x: jnp.isfinite(x).all(), tree)


@contextlib.contextmanager
def explain_full_disk(workdir: epath.PathLike) -> Iterator[None]:
    """Turns "no space left" of whatever library wrote into an `InputError` that names the last good checkpoint."""
    try:
        yield
    except Exception as error:
        reason = full_disk(error)
        if reason is None or isinstance(error, InputError):
            raise
        good = finished_steps(workdir)
        kept = f"the checkpoint of step {good[-1]} is whole" if good else "no checkpoint was finished"
        raise InputError(f"{workdir}: {reason.lower()}; {kept}. Free some space and repeat the command.") from error


