"""The training loop: data to steps to logs, checkpoints and samples, until the end or until it is asked to stop."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import shlex
import signal
import sys
import threading
from functools import partial

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh

from digan_jax import config as config_lib
from digan_jax import logs, rng
from digan_jax.config import ModelConfig, RunConfig
from digan_jax.data import loader, sources
from digan_jax.errors import InputError
from digan_jax.interop import weights as weights_lib
from digan_jax.networks import Nets
from digan_jax.training import checkpoint, steps
from digan_jax.training import mesh as mesh_lib
from digan_jax.training.checkpoint import Checkpointer, due
from digan_jax.training.profile import Profile
from digan_jax.training.quick_fvd import QuickFvd
from digan_jax.training.snapshots import Snapshots
from digan_jax.training.state import GanState, init_state, state_from_params


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
    mesh = mesh_lib.make_mesh(config.mesh.model)
    batch_size = config.train.batch_size
    mesh_lib.check_batch(batch_size, mesh)
    source = sources.open_source(config.data, config.model)
    checkpoint.claim(workdir, config)
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
            state, metrics = iteration(state, mesh_lib.place_batch(next(batches), mesh))
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


def fresh(config: RunConfig, nets: Nets, mesh: Mesh, init_from: str | None = None) -> GanState:
    """The state of a new run, on the devices of `mesh`.

    Raises:
      InputError: the run `init_from` has another architecture; names the first field or array that differs.
    """
    key = jax.random.key(config.train.seed)
    if init_from is None:
        state = init_state(key, nets, config.train)
    else:
        theirs, weights = _starting_weights(init_from, key, nets)
        changed = config_lib.differences(dataclasses.replace(config, model=theirs), config)
        ours = jax.eval_shape(partial(init_state, nets=nets, config=config.train), key)
        changed += [line for name in weights for line in _misfits(name, weights[name], getattr(ours, name))]
        if changed:
            raise InputError(
                f"--init-from {init_from}: has another architecture, {changed[0]} (theirs -> yours); "
                "set the model's fields to theirs, or start without it."
            )
        state = state_from_params(**weights, config=config.train)
    # Through numpy and jit, not device_put: the devices may be spread over processes.
    place = jax.jit(lambda tree: tree, out_shardings=mesh_lib.of_state(mesh, state))
    return place(jax.tree.map(np.asarray, state))


def _starting_weights(place: str, key, nets: Nets) -> tuple[ModelConfig, dict]:
    """Architecture and {"generator", "critic", "ema", "w_avg"}. Where a model was given away without its critics, they
    start anew, against the averaged generator."""
    found = weights_lib.read(place, training=True)
    ema = {name: found.params[name] for name in ("mapping", "synthesis")}
    generator, critic = found.generator, found.critic
    if critic is None:
        if jax.process_index() == 0:
            print(f"{place}: has no critics; they start anew.", file=sys.stderr)
        generator, critic = jax.tree.map(np.copy, ema), nets.critic.init(rng.stream(key, "init/critic"))
    weights = {"generator": generator, "critic": critic, "ema": ema, "w_avg": found.params["w_avg"]}
    return found.config, weights


def _misfits(name: str, theirs, ours) -> list[str]:
    """One line for each array of a tree that is missing, too much or of another shape."""
    shapes = lambda tree: {jax.tree_util.keystr(path): np.shape(x) for path, x in jax.tree.leaves_with_path(tree)}
    a, b = shapes(theirs), shapes(ours)
    return [f"{name}{path}: {a.get(path)} -> {b.get(path)}" for path in sorted(a | b) if a.get(path) != b.get(path)]


def restored(config: RunConfig, nets: Nets, mesh: Mesh, saved: Checkpointer, position: dict) -> GanState:
    """The state of the newest checkpoint, on the devices of `mesh`.

    Raises:
      InputError: it was trained on other data, so that its place in them means nothing.
    """
    abstract = jax.eval_shape(partial(init_state, nets=nets, config=config.train), jax.random.key(0))
    place = lambda x, sharding: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding)
    state, theirs = saved.restore(jax.tree.map(place, abstract, mesh_lib.of_state(mesh, abstract)))
    if theirs["dataset"] not in (None, position["dataset"]):  # None: imported, from another implementation's data
        raise InputError(
            f"the data changed since this run's last checkpoint ({theirs['dataset']} -> {position['dataset']}); "
            "bring the old data back, or start a new --workdir with --init-from this one."
        )
    return state


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


class StopSignal:
    """While it is entered, the first Ctrl-C or SIGTERM is a wish and the second ends the process at once."""

    def __init__(self):
        self._wished, self._before = False, {}

    def __enter__(self) -> StopSignal:
        if threading.current_thread() is threading.main_thread():  # no other may handle signals
            self._before = {s: signal.signal(s, self._wish) for s in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _wish(self, number, frame):
        self._wished = True
        for each in self._before:
            signal.signal(each, signal.SIG_DFL)
        os.write(2, b"\nfinishing the step and saving; once more to stop at once\n")  # print is not safe in a handler

    def agreed(self, may_ask: bool) -> bool:
        """Whether to stop now. Several processes ask one another, and only when `may_ask`, which all must say alike:
        one that stopped alone would leave the others waiting."""
        if jax.process_count() == 1:
            return self._wished
        return may_ask and bool(multihost_utils.process_allgather(np.array(self._wished)).any())


def _completed(workdir, kimg) -> str:
    return (
        f"{workdir}: complete at {kimg:g} kimg. To train further, raise --config.train.total_kimg; "
        f"to see it: digan render --run {shlex.quote(str(workdir))} --out clips.mp4"
    )


def _stopped(workdir, kimg) -> str:
    called = os.path.basename(sys.argv[0]) in ("digan", "__main__.py") and sys.argv[1:2] == ["train"]
    command = shlex.join(["digan", *sys.argv[1:]]) if called else f"digan_jax.training.loop.train(config, {workdir!r})"
    return f"saved at {kimg:g} kimg. To continue: {command}"
