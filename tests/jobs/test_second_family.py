"""The loop, checkpoints, resuming, rendering and evaluating know no family: all of them work for a toy one."""

import dataclasses
import json

import numpy as np
import pytest

import digan_jax as digan
from digan_jax import cli
from digan_jax.config import schema
from digan_jax.models import families
from digan_jax.rendering import samplers
from digan_jax.runs import reading
from digan_jax.training import loop
from tests import toy_family


@pytest.fixture
def toy(monkeypatch):
    monkeypatch.setitem(schema.MODELS, "toy", toy_family.ToyConfig)
    monkeypatch.setitem(families.FAMILIES, "toy", toy_family.Toy())
    monkeypatch.setitem(samplers.SAMPLERS, "toy", toy_family.sampler())


def config_of(total_kimg=0.064, **changes):
    from configs import base

    c = base.get_config()
    c.family, c.model = "toy", {"resolution": 32, "spread": 0.1, "n_classes": 0}
    c.data.source, c.data.frames, c.train.batch_size = "bouncing", 16, 8
    c.train.total_kimg, c.log.every_kimg, c.log.samples_every_kimg = total_kimg, 0.008, 0.032
    c.log.sample_clips, c.checkpoint.every_kimg = 4, 0.024
    c.update_from_flattened_dict(changes)
    return schema.parse(c)


def test_trained_resumed_rendered_and_evaluated(toy, tmp_path, quick_networks, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    whole, pieces = tmp_path / "whole", tmp_path / "pieces"
    loop.train(config_of(), str(whole))
    loop.train(config_of(total_kimg=0.032), str(pieces))
    loop.train(config_of(), str(pieces))
    assert reading.finished_steps(pieces)[-1] == 8
    (config, ours), (_, theirs) = (reading.restore_for_inference(run) for run in (whole, pieces))
    assert config.family == "toy" and config.model == toy_family.ToyConfig(32, 0.1)
    np.testing.assert_array_equal(ours["colour"], theirs["colour"])  # to the bit
    assert [json.loads(line)["step"] for line in (pieces / "metrics.jsonl").open()] == list(range(1, 9))
    assert (whole / "samples" / "kimg_000000.064.mp4").exists()

    model = digan.load(whole)
    clips = model.sample([0, 1], np.linspace(0, 1, 3))
    assert clips.shape == (2, 3, 32, 32, 3) and clips.std((1, 2, 3)).max() < 1e-6  # constant colours
    out = tmp_path / "a.npz"
    assert cli.main(["render", "--run", str(whole), "--ids", "0,1", "--grid", "2x1", "--frames", "3", "--out", str(out)]) == 0
    sheet = np.load(out)["frames"]
    assert sheet.shape == (3, 32, 64, 3) and (sheet[0, 0, 0] != sheet[0, 0, 63]).any()

    report = tmp_path / "report.json"
    words = ["evaluate", "--run", str(whole), "--real", "bouncing", "--protocol", "small", "--no-frames"]
    assert cli.main([*words, "--out", str(report)]) == 0
    assert np.isfinite(json.loads(report.read_text())["protocols"]["small"]["fvd"]["mean"])


def test_its_own_fields_are_checked(toy):
    with pytest.raises(digan.InputError, match="unknown config field model.channel_base; choose from"):
        config_of(**{"model.channel_base": 3})
    assert dataclasses.replace(config_of(), compute_dtype="bfloat16").family == "toy"
