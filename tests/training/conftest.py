"""The whole training loop around a state and an iteration that cost nothing."""

import dataclasses
import json
import os
import signal

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import pytest

from digan_jax import rng
from digan_jax.models.digan import family
from digan_jax.models.digan.state import state_from_params
from digan_jax.training import compile as compiling
from digan_jax.training import loop

RUN = {  # 24 steps of 8 clips: a line each step, a checkpoint every 8 steps
    "train.total_kimg": 0.192, "log.every_kimg": 0.008, "log.samples_every_kimg": 9.0, "log.sample_clips": 4,
    "checkpoint.every_kimg": 0.064, "checkpoint.keep_every_kimg": 0.0, "data.frames": 4,
}  # fmt: skip


def quick_iteration(config, mesh, step=0):
    """In place of compile_iteration: compiles at once and mixes state, batch and step as the real one does."""

    def iteration(state, batch):
        seen = batch.frames.astype(jnp.float32).mean() / 255 + batch.times.sum()
        move = lambda x: x * 0.9 + seen * jnp.sin(state.step.astype(x.dtype))
        moved = {name: jax.tree.map(move, getattr(state, name)) for name in ("generator", "critic", "ema", "w_avg")}
        metrics = {"generator/loss": seen, "critic/loss": seen * 2, "critic/sign_motion_real": jnp.float32(1)}
        return dataclasses.replace(state, step=state.step + 1, **moved), metrics

    return jax.jit(iteration, donate_argnums=0)


def small_state(key, config):
    """In place of init_state: a state of few arrays, drawn from the key."""
    names = ("generator", "critic")
    dense = lambda name: {"weight": jax.random.normal(rng.stream(key, name), (4, 8)), "bias": jnp.zeros(8)}
    generator, critic = ({"mapping": {"fc0": dense(name)}, "synthesis": {}} for name in names)
    ema = jax.tree.map(jnp.copy, generator)
    return state_from_params(generator, critic, ema, jnp.zeros(8), config.train)


@pytest.fixture
def quick_steps(monkeypatch):
    monkeypatch.setattr(compiling, "compile_iteration", quick_iteration)


@pytest.fixture
def small_run(monkeypatch, quick_steps):
    """The whole loop around a state and an iteration that cost nothing."""
    monkeypatch.setattr(family, "init_state", small_state)


@pytest.fixture
def stop_at(monkeypatch):
    """stop_at(n, signal): the process gets it while step n runs."""

    def stop(step, number=signal.SIGINT):
        add = loop.Metering.add

        def add_and_signal(self, s, metrics):
            add(self, s, metrics)
            if s == step:
                os.kill(os.getpid(), number)

        monkeypatch.setattr(loop.Metering, "add", add_and_signal)

    return stop


def arrays(run, step):
    """Everything in a checkpoint's state, by name."""
    reader = ocp.PyTreeCheckpointer()
    folder = run / "checkpoints" / str(step) / "state"
    as_numpy = lambda _: ocp.RestoreArgs(restore_type=np.ndarray)
    state = reader.restore(folder, restore_args=jax.tree.map(as_numpy, reader.metadata(folder).item_metadata.tree))
    return {jax.tree_util.keystr(path): x for path, x in jax.tree.leaves_with_path(state)}


def assert_same_bits(run, other, step):
    ours, theirs = arrays(run, step), arrays(other, step)
    assert ours.keys() == theirs.keys() and ours
    different = [name for name in ours if ours[name].tobytes() != theirs[name].tobytes()]
    assert different == []


def metrics(run):
    """Lines of the log without what depends on the clock."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if not k.startswith(("rate", "memory"))} for line in lines]
