"""The training loop: data to steps to logs, checkpoints and samples, until the end or until it is asked to stop."""

from __future__ import annotations

import contextlib
import math
import os
import shlex
import sys

import jax
import numpy as np

from digan_jax import devices
from digan_jax.config import RunConfig
from digan_jax.data import loader, sources
from digan_jax.host.signals import StopSignal
from digan_jax.models.digan import steps
from digan_jax.runs import checkpoint
from digan_jax.runs.checkpoint import Checkpointer, due
from digan_jax.training import logs
from digan_jax.training.profile import Profile
from digan_jax.training.quick_fvd import QuickFvd
from digan_jax.training.snapshots import Snapshots
from digan_jax.training.start import fresh, restored


def train(config: RunConfig, workdir: str, init_from: str | None = None, profile_iterations: int = 0) -> None:
    """Trains until train.total_kimg, or continues the run that `workdir` holds. Every process of a job calls it.

    Ctrl-C or SIGTERM finishes the step, saves and returns; a second one ends the process at once.

    Args:
      config: of the run.
      workdir: folder for checkpoints, metrics.jsonl and samples.
      init_from: another run, an export or a network-snapshot.pkl, whose weights a new run starts from, with a fresh
        optimizer, at step 0.
      profile_iterations: how many, soon after the start, to trace to `workdir`/profile.

    Raises:
      InputError: a batch that the devices cannot share, unusable data, a `workdir` with a run of another configuration
        or other data, an `init_from` of another architecture, no space left on the device.
      TrainingDiverged: a loss or a weight is not finite; it was not saved.
    """
    checkpoint.check_workdir(workdir, config)
    mesh = devices.make_mesh(config.mesh.model)
    batch_size = config.train.batch_size
    devices.check_batch(batch_size, mesh)
    source = sources.open_source(config.data, config.model)
    checkpoint.claim(workdir, config, source.class_names)
    nets = steps.networks_of(config)
    total = math.ceil(config.train.total_kimg * 1000 / batch_size)
    processes = {"process_index": jax.process_index(), "process_count": jax.process_count()}
    position = {"seed": config.train.seed, "dataset": source.fingerprint}
    with contextlib.ExitStack() as stack:
        stack.enter_context(checkpoint.explain_full_disk(workdir))
        saved = stack.enter_context(contextlib.closing(Checkpointer(workdir, config)))
        latest = saved.latest_step()
        step = latest or 0
        writer = logs.open_writers(workdir, batch_size, config.train.total_kimg, step)
        stack.enter_context(contextlib.closing(writer))
        if step >= total:
            return writer.write_text(step, "note", _completed(workdir, step * batch_size / 1000))
        begun = latest is not None  # an imported run may have a checkpoint of step 0
        state = restored(config, nets, mesh, saved, position) if begun else fresh(config, nets, mesh, init_from)
        batches = loader.make_loader(source, config.data, config.train, start_step=step, **processes)
        snapshots = Snapshots(config, nets, source, workdir, writer)
        quick_fvd = QuickFvd(config, source, workdir, saved, writer)
        iteration = steps.compile_iteration(config, nets, mesh)
        report = Report(config, saved, writer)
        profile = stack.enter_context(Profile(workdir, step, profile_iterations))
        stop = stack.enter_context(StopSignal())
        while step < total and not stop.agreed(due(step, batch_size, config.log.every_kimg)):
            profile.at(step)
            state, metrics = iteration(state, devices.place_batch(next(batches), mesh))
            step += 1
            report.add(step, metrics)
            if saved.due(step):
                report.settle()
                saved.save(step, state, position | {"step": step})
            if due(step, batch_size, config.log.samples_every_kimg):
                snapshots.write(step, state)
            if quick_fvd.due(step):
                report.settle()
                quick_fvd.measure(step, state, position | {"step": step})
        report.settle()
        saved.save(step, state, position | {"step": step})
        saved.wait()
        end = _completed if step >= total else _stopped
        writer.write_text(step, "note", end(workdir, step * batch_size / 1000))


class Report:
    """Metrics from the device to the log, fetched one step late so that the device never waits for them."""

    def __init__(self, config: RunConfig, saved: Checkpointer, writer: logs.Writer):
        self._batch_size, self._every_kimg = config.train.batch_size, config.log.every_kimg
        self._saved, self._writer = saved, writer
        self._meter = logs.Meter(self._batch_size)
        self._pending = None

    def add(self, step: int, metrics: dict[str, jax.Array]) -> None:
        """Takes the metrics of `step` and settles those of the step before."""
        self.settle()
        self._pending = step, metrics

    def settle(self) -> None:
        """Fetches what is pending, counts it, and writes a line where one is due.

        Raises:
          TrainingDiverged: one of the metrics is not finite.
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
        if due(step, self._batch_size, self._every_kimg):
            self._writer.write_scalars(step, self._meter.summary(step))


def _completed(workdir, kimg) -> str:
    return (
        f"{workdir}: complete at {kimg:g} kimg. To train further, raise --config.train.total_kimg; "
        f"to see it: digan render --run {shlex.quote(str(workdir))} --out clips.mp4"
    )


def _stopped(workdir, kimg) -> str:
    called = os.path.basename(sys.argv[0]) in ("digan", "__main__.py") and sys.argv[1:2] == ["train"]
    command = shlex.join(["digan", *sys.argv[1:]]) if called else f"digan_jax.training.loop.train(config, {workdir!r})"
    return f"saved at {kimg:g} kimg. To continue: {command}"
