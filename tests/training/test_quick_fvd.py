"""FVD while training: written to the log, the best checkpoint kept, nothing of the arithmetic changed."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from digan_jax import config as config_lib
from digan_jax.data import sources
from digan_jax.errors import InputError
from digan_jax.evaluation import protocols
from digan_jax.evaluation.features import extractors
from digan_jax.models.digan import family
from digan_jax.models.digan.state import init_state
from digan_jax.runs import checkpoint, reading
from digan_jax.training import compile as compiling
from digan_jax.training import hooks, loop
from tests.training.conftest import RUN, quick_iteration, small_state

# Every 4 of 24 steps.
WITH_FVD = RUN | {"data.frames": 16, "eval.every_kimg": 0.032, "checkpoint.keep_last": 1, "train.total_kimg": 0.192}


@pytest.fixture
def colours_for_i3d(monkeypatch):
    """Mean colours instead of I3D, and the quick protocol with 8 clips."""
    apply = lambda weights, clips, rows, columns: clips.astype("float32").mean((1, 2, 3))
    monkeypatch.setattr(
        extractors, "i3d_extractor", lambda resize, weights: extractors.Extractor("i3d", "0" * 64, {}, apply, 224, resize)
    )
    small = dataclasses.replace(protocols.PROTOCOLS["quick"], n_real=8, n_fake=8)
    monkeypatch.setitem(protocols.PROTOCOLS, "quick", small)


@pytest.fixture
def scripted(monkeypatch, colours_for_i3d):
    """The loop around a state that costs nothing; the FVD of the k-th measurement is the k-th of a list."""
    monkeypatch.setattr(compiling, "compile_iteration", quick_iteration)
    monkeypatch.setattr(family, "init_state", small_state)
    values = [50.0, 20.0, 30.0, 40.0, 60.0, 70.0]
    told = iter(values)
    numbers = lambda self, inference: {"eval/fvd_quick": next(told), "eval/fvd_quick_frozen": 9.0}
    monkeypatch.setattr(hooks.MeasureFvd, "_numbers", numbers)
    return values


def test_best_checkpoint_stays_and_the_log_says_so(tmp_path, make_config, scripted, capsys):
    loop.train(make_config(WITH_FVD), str(tmp_path))
    assert reading.finished_steps(tmp_path) == [8, 24]  # the best, and the newest
    assert reading.best_step(tmp_path) == 8
    written = {line["step"]: line["eval/fvd_quick"] for line in metrics_lines(tmp_path) if "eval/fvd_quick" in line}
    assert written == dict(zip(range(4, 25, 4), scripted))
    said = capsys.readouterr().out
    assert "FVD (quick) 20.0, the best so far; real clips, frozen: 9.0" in said
    assert "FVD (quick) 30.0; real" in said


def metrics_lines(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_measuring_changes_nothing_else(tmp_path, make_config, scripted):
    loop.train(make_config(WITH_FVD), str(tmp_path / "with"))
    loop.train(make_config(WITH_FVD | {"eval.every_kimg": 0.0}), str(tmp_path / "without"))
    ours, theirs = (reading.restore_weights(tmp_path / name, 24)[1] for name in ("with", "without"))
    jax.tree.map(np.testing.assert_array_equal, ours, theirs)
    assert not (tmp_path / "without" / reading.FVD_FILE).exists()


def test_a_longer_run_remembers_its_best(tmp_path, make_config, scripted):
    loop.train(make_config(WITH_FVD | {"train.total_kimg": 0.096}), str(tmp_path))
    assert reading.finished_steps(tmp_path) == [8, 12]
    loop.train(make_config(WITH_FVD), str(tmp_path))
    assert reading.finished_steps(tmp_path) == [8, 24] and len(reading.read_fvd(tmp_path)) == 6


def test_best_is_among_those_that_are_there(tmp_path):
    @dataclasses.dataclass
    class Info:
        step: int

    policy = checkpoint.Best({4: 1.0, 8: 3.0, 12: 2.0})
    assert policy.should_preserve([Info(8), Info(12), Info(16)], context=None) == [False, True, False]
    assert policy.should_preserve([Info(16)], context=None) == [False]
    with pytest.raises(InputError, match="no checkpoint of it was measured"):
        reading.best_step(tmp_path)


def test_numbers_of_a_state(tmp_path, make_config, colours_for_i3d, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    config = make_config({"eval.every_kimg": 1.0})
    source = sources.open_source(config.data, config.model)
    measured = hooks.MeasureFvd(config, source, tmp_path, None, None)
    state = init_state(jax.random.key(0), config)
    numbers = measured._numbers({**state.ema, "w_avg": state.w_avg})
    assert numbers["eval/fvd_quick"] > numbers["eval/fvd_quick_frozen"] >= 0
    assert measured._numbers({**state.ema, "w_avg": state.w_avg}) == numbers


def test_too_few_clips_or_no_weights_are_told_before_training(tmp_path, make_config, monkeypatch):
    monkeypatch.setattr(compiling, "compile_iteration", quick_iteration)
    monkeypatch.setattr(family, "init_state", small_state)
    monkeypatch.setattr(checkpoint.Checkpointer, "save", lambda *_: pytest.fail("trained"))
    few = dataclasses.replace(protocols.PROTOCOLS["quick"], n_real=10**9)
    with monkeypatch.context() as m:
        m.setitem(protocols.PROTOCOLS, "quick", few)
        with pytest.raises(InputError, match="too few real clips"):
            loop.train(make_config(WITH_FVD), str(tmp_path / "few"))
    with pytest.raises(InputError, match="no such file"):
        loop.train(make_config(WITH_FVD | {"eval.weights": str(tmp_path / "none.pt")}), str(tmp_path / "none"))


def test_runs_of_before_have_no_such_group(make_config):
    config = make_config()
    old = dataclasses.asdict(config)
    del old["eval"]
    assert config_lib.parse(config_lib.upgraded(old)) == config and config.eval.every_kimg == 0
    with pytest.raises(InputError, match="eval.every_kimg=-1.0: must be 0"):
        make_config({"eval.every_kimg": -1.0})
