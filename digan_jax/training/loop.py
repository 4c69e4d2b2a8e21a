"""The training loop: iterations with logs, checkpoints and samples, until the end or a request to stop."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator

import jax
import numpy as np
from jax.experimental import multihost_utils

from digan_jax import devices, flops
from digan_jax.config import LogConfig, RunConfig, TrainConfig, phases
from digan_jax.data import loader, sources
from digan_jax.host import locks
from digan_jax.host.signals import StopSignal
from digan_jax.models.interface import State
from digan_jax.runs import checkpoint, reading
from digan_jax.runs.checkpoint import Checkpointer
from digan_jax.shapes import Batch
from digan_jax.training import compile as compiling
from digan_jax.training import logs
from digan_jax.training.hooks import Hook, MeasureFvd, SaveCheckpoint, WriteSamples
from digan_jax.training.pace import Pace
from digan_jax.training.profile import Profile
from digan_jax.training.start import fresh, restored


def train(config: RunConfig, workdir: str, init_from: str | None = None, profile_iterations: int = 0) -> None:
    """Trains until train.total_kimg; continues the run in `workdir` if there is one. Every process of a job calls it.

    After Ctrl-C or SIGTERM it finishes the step, saves and returns. A second signal ends the process at once.

    Args:
      config: of the run.
      workdir: folder for checkpoints, metrics.jsonl and samples.
      init_from: a run, an export or a network-snapshot.pkl whose weights initialise a new run, with a new optimizer, at
        step 0. Ignored when a run continues.
      profile_iterations: number of iterations, soon after the start, to trace to `workdir`/profile; 0: none.

    Raises:
      InputError: the devices cannot share the batch; unusable data; `workdir` holds a run with another configuration or
        other data, is being trained by another process, or holds only damaged checkpoints; `init_from` has another
        architecture; the last checkpoint could not be saved.
      TrainingDiverged: a loss or a weight is not finite; that state is not saved.
    """
    workdir = os.fspath(reading.home(workdir))
    checkpoint.check_workdir(workdir, config)
    mesh = devices.make_mesh(config.mesh.model)
    devices.check_batch(config.train.batch_size, mesh, config.train.microbatch)
    source = sources.open_source(config.data, config.model)
    sources.check_labels(source, config)
    with contextlib.ExitStack() as stack:
        stack.enter_context(checkpoint.explain_full_disk(workdir))
        begun = bool(reading.finished_steps(workdir))
        new = None if begun else fresh(config, mesh, init_from)  # may raise: before the folder is made
        held = stack.enter_context(_held(workdir))
        if jax.process_count() > 1:
            multihost_utils.sync_global_devices("the workdir is held")  # process 0 alone holds it
        begun = bool(reading.finished_steps(workdir))  # another process may have trained meanwhile
        checkpoint.claim(workdir, config, source.class_names)
        saved = stack.enter_context(contextlib.closing(Checkpointer(workdir, config)))
        state = restored(config, mesh, saved, source.fingerprint) if begun else new
        step = int(jax.device_get(state.step))
        writer = logs.open_writers(workdir, config.train, step)
        stack.enter_context(contextlib.closing(writer))
        run = Run(config, str(workdir), mesh, source, saved, writer, held)
        if step >= run.total:
            return writer.write_text(step, "note", _completed(run, step))
        step = _train_on(run, step, state, stack.enter_context(Profile(workdir, step, profile_iterations)))
        end = _completed if step >= run.total else _stopped
        writer.write_text(step, "note", end(run, step))


@dataclasses.dataclass(frozen=True)
class Run:
    """A run during training.

    Attributes:
      source: the training data.
      saved: its checkpoints.
      writer: of its log.
      held: the lock on its workdir.
    """

    config: RunConfig
    workdir: str
    mesh: jax.sharding.Mesh
    source: sources.Source
    saved: Checkpointer
    writer: logs.Writer
    held: locks.Held

    @property
    def total(self) -> int:
        """Iterations of the whole run."""
        return self.config.train.steps(self.config.train.total_kimg)

    def position(self, step: int) -> dict:
        """The position in the data, as stored in a checkpoint."""
        return {"seed": self.config.train.seed, "dataset": self.source.fingerprint, "step": step}


def _train_on(run: Run, step: int, state: State, profile: Profile) -> int:
    """Trains from `step` until the end or a request to stop, saves, and returns the last step."""
    config = run.config
    processes = {"process_index": jax.process_index(), "process_count": jax.process_count()}
    batches = loader.make_loader(run.source, config, start_step=step, **processes)
    report = Metering(config.train, config.log, run.saved, run.writer)
    save = SaveCheckpoint(config, run.workdir, run.saved, run.position, report.settle, run.held)
    hooks: list[Hook] = [
        save,
        WriteSamples(config, run.source, run.workdir, run.writer),
        MeasureFvd(config, run.source, run.workdir, save, run.writer),
    ]
    with StopSignal() as stop:
        for end in phases.ends(config, step, run.total):
            iteration = compiling.compile_iteration(config, run.mesh, step)
            pace = Pace(config.train, run.writer, step, end)
            while step < end and not agreed(stop, config.train.due(step, config.log.every_kimg)):
                profile.at(step)
                batch = devices.place_batch(report.waiting(batches), run.mesh)
                if not pace.begun:
                    pace.compiling()
                    report.expect(_least_seconds(run, iteration, state, batch))
                state, metrics = iteration(state, batch)
                step += 1
                report.add(step, metrics)
                pace.ended(step)
                for hook in hooks:
                    hook(step, state)
            if step < end:
                break
        save.last(step, state)
    return step


def _least_seconds(run: Run, iteration: Callable, state: State, batch: Batch) -> float | None:
    """What a step would take if the devices did all the FLOPs that they can; None if their peak is not known."""
    peak = flops.peak(run.mesh.devices.flat[0].device_kind)
    if peak is None:
        return None
    work = compiling.work(run.config, iteration, state, batch)
    return work / (getattr(peak, run.config.compute_dtype) * run.mesh.size)


def _held(workdir: str) -> contextlib.AbstractContextManager[locks.Held]:
    """Locks the workdir, so that one job at a time trains there. Process 0 holds the lock for the whole job."""
    if jax.process_index() != 0:
        return contextlib.nullcontext(locks.Held())
    return locks.hold(reading.home(workdir), ".training.lock", "being trained")


def agreed(stop: StopSignal, may_ask: bool) -> bool:
    """Whether to stop now. All processes of a job decide together: if one stopped alone, the others would wait for it.

    Args:
      may_ask: communicate at this step; must be the same in all processes. Ignored with a single process.
    """
    if jax.process_count() == 1:
        return stop.wished
    return may_ask and bool(multihost_utils.process_allgather(np.array(stop.wished)).any())


class Metering:
    """Moves metrics from the device to the log, one step late, so that the device does not wait for them."""

    def __init__(self, train: TrainConfig, log: LogConfig, saved: Checkpointer, writer: logs.Writer):
        self._train, self._log, self._saved, self._writer = train, log, saved, writer
        self._meter = logs.Meter(train)
        self._pending = None

    def add(self, step: int, metrics: dict[str, jax.Array]) -> None:
        """Keeps the metrics of `step` on the device, and settles those of the previous step. Raises as `settle`."""
        self.settle()
        self._pending = step, metrics

    def expect(self, seconds: float | None) -> None:
        """See `logs.Meter.expect`."""
        self._meter.expect(seconds)

    def waiting(self, batches: Iterator[Batch]) -> Batch:
        """The next batch; counts the time that it takes to come."""
        began = time.monotonic()
        batch = next(batches)
        self._meter.wait(time.monotonic() - began)
        return batch

    def settle(self) -> None:
        """Fetches the pending metrics, adds them to the means, and writes a line of the log if one is due.

        Raises:
          TrainingDiverged: a metric is not finite.
        """
        if self._pending is None:
            return
        step, metrics = self._pending[0], jax.device_get(self._pending[1])
        self._pending = None
        for name, value in metrics.items():
            if not np.isfinite(value):
                raise self._saved.diverged(step, f"{name} is {value}")
        self._meter.add(metrics)
        self._writer.progress(step)
        if self._train.due(step, self._log.every_kimg):
            self._writer.write_scalars(step, self._meter.summary(step))


def _completed(run: Run, step: int) -> str:
    return (
        f"{run.workdir}: complete at {run.config.train.kimg(step):g} kimg. To train further, raise "
        f"--config.train.total_kimg; to see it: digan render --run {shlex.quote(run.workdir)} --out clips.mp4"
    )


def _stopped(run: Run, step: int) -> str:
    called = os.path.basename(sys.argv[0]) in ("digan", "__main__.py") and sys.argv[1:2] == ["train"]
    command = f"digan_jax.training.loop.train(config, {run.workdir!r})"
    command = shlex.join(["digan", *sys.argv[1:]]) if called else command
    return f"saved at {run.config.train.kimg(step):g} kimg. To continue: {command}"
