import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from digan_jax.models.digan.state import state_from_params
from digan_jax.runs import checkpoint
from digan_jax.runs.checkpoint import Checkpointer

SCHEDULE = {
    "train.batch_size": 20, "checkpoint.every_kimg": 0.2, "checkpoint.keep_last": 2, "checkpoint.keep_every_kimg": 1.0,
}  # fmt: skip


@pytest.fixture
def config(make_config):
    return make_config(SCHEDULE)


@pytest.fixture(scope="module")
def state(make_config):
    """A state of few arrays, all of them different."""
    rng = np.random.default_rng(0)
    draw = lambda *shape: jnp.asarray(rng.normal(size=shape), jnp.float32)
    dense = lambda: {"weight": draw(4, 8), "bias": draw(8)}
    generator, ema = ({"mapping": {"fc0": dense()}, "synthesis": {"b4": {"conv": dense()}}} for _ in range(2))
    critic = {"motion": {"b4": dense()}, "image": {"b4": dense()}}
    fresh = state_from_params(generator, critic, ema, draw(8), make_config(SCHEDULE).train)
    moments = lambda tree: jax.tree.map(lambda x: draw(*x.shape).astype(x.dtype), tree)
    return dataclasses.replace(
        fresh,
        step=jnp.asarray(7, jnp.int32),
        generator_optimizer=moments(fresh.generator_optimizer),
        critic_optimizer=moments(fresh.critic_optimizer),
        path_length_mean=draw(),
    )


def saved_run(workdir, config, state, steps=(1,)):
    checkpoint.claim(workdir, config)
    saved = Checkpointer(workdir, config)
    for step in steps:
        saved.save(step, state, {"step": step})
    saved.wait()
    return saved
