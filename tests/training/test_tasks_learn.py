"""The shipped configurations of three tasks, 300 steps on bouncing shapes: better than before on clips they have not seen.

Slow: about two minutes each.
"""

import dataclasses

import numpy as np
import pytest

import digan_jax as digan
from digan_jax.config import files
from digan_jax.data import loader
from digan_jax.data.conditions import unit_range
from digan_jax.data.sources import open_source
from digan_jax.training import loop

STEPS, CLIPS = 300, 16


def config_of(task: str, steps: int):
    fields = {
        "data.source": "bouncing", "data.name": "", "model.channel_max": 16, "model.condition_width": 16,
        "checkpoint.every_kimg": 100, "log.samples_every_kimg": 100, "train.batch_size": 8,
    }  # fmt: skip
    if task == "translate":  # which would else begin with the colours, and learn textures much later
        fields |= {"model.condition_skip": False, "model.condition_carried": False, "model.condition_gain": 1.0}
    config = files.load(task, [f"--config.{name}={value}" for name, value in fields.items()])
    kimg = steps * config.train.batch_size / 1000
    return dataclasses.replace(config, train=dataclasses.replace(config.train, total_kimg=kimg))


def error(run, config) -> float:
    """Mean absolute difference from clips of the split test, in [0, 2]."""
    unseen = dataclasses.replace(config, data=dataclasses.replace(config.data, split="test"))
    source = open_source(unseen.data, unseen.model)
    truth, _ = loader.sample_clips(source, unseen.data, CLIPS)
    condition = loader.sample_conditions(source, unseen, CLIPS)
    model = digan.load(run)
    clips = model.generate(model.latents(range(CLIPS)), np.linspace(0, 1, truth.shape[1]), None, condition)
    return float(np.abs(clips - unit_range(truth)).mean())


@pytest.mark.slow
@pytest.mark.parametrize("task", ["translate", "upscale", "predict"])
def test_three_hundred_steps(task, tmp_path):
    errors = []
    for steps in (1, STEPS):
        config = config_of(task, steps)
        loop.train(config, str(tmp_path / str(steps)))
        errors.append(error(tmp_path / str(steps), config))
    before, after = errors
    assert after < 0.99 * before
