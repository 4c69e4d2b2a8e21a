"""What goes wrong while a run is trained: damaged checkpoints, full disks, a second training, a workdir that goes."""

import json
import os
import shutil
import subprocess
import sys
import time

import jax.numpy as jnp
import orbax.checkpoint as ocp
import pytest

from digan_jax.errors import InputError, TrainingDiverged
from digan_jax.host import locks
from digan_jax.runs import reading
from digan_jax.training import compile as compiling
from digan_jax.training import hooks, loop
from tests.training.conftest import RUN, arrays, assert_same_bits, metrics

LOG_TWO = {"log.every_kimg": 0.016}  # a line every two steps


@pytest.fixture
def at_step(monkeypatch):
    """at_step({n: function}): called while step n runs."""

    def plan(calls):
        add = loop.Metering.add

        def add_and_call(self, step, metrics):
            add(self, step, metrics)
            calls.get(step, lambda: None)()

        monkeypatch.setattr(loop.Metering, "add", add_and_call)

    return plan


def largest(folder):
    return max(folder.glob("**/d/*"), key=lambda path: path.stat().st_size)


def wait_for_checkpoint(run, step):
    deadline = time.monotonic() + 30
    while step not in reading.finished_steps(run):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def flip_everywhere(folder):
    for file in folder.rglob("d/*"):
        content = bytearray(file.read_bytes())
        content[::7] = bytes(byte ^ 0x20 for byte in content[::7])
        file.write_bytes(content)


def cut(folder):
    """Every data file: some hold what another holds too."""
    for file in folder.rglob("d/*"):
        os.truncate(file, file.stat().st_size // 3)


def empty(folder):
    shutil.rmtree(folder.parent)
    folder.parent.mkdir()


@pytest.mark.parametrize("damage", [flip_everywhere, cut, shutil.rmtree, empty])
def test_training_goes_on_from_the_older_checkpoint_to_the_same_bits(tmp_path, make_config, small_run, capsys, damage):
    whole, damaged = tmp_path / "whole", tmp_path / "damaged"
    loop.train(make_config(RUN), str(whole))
    loop.train(make_config(RUN | {"train.total_kimg": 0.136}), str(damaged))
    assert reading.finished_steps(damaged) == [8, 16, 17]
    damage(damaged / "checkpoints" / "17" / "state")
    os.truncate(damaged / "config.json", 90)
    loop.train(make_config(RUN), str(damaged))
    said = capsys.readouterr().err
    assert "checkpoint of step 17 is damaged" in said and "checkpoint of step 16 is used instead" in said
    assert_same_bits(whole, damaged, 24)
    assert metrics(whole) == metrics(damaged)
    assert (damaged / "checkpoints" / "damaged-17").is_dir()
    assert reading.read_config(damaged) == make_config(RUN)


def test_a_run_of_damaged_checkpoints_alone_is_refused(tmp_path, make_config, small_run):
    (tmp_path / "checkpoints" / "160").mkdir(parents=True)
    with pytest.raises(InputError, match="config.json: is missing.*No checkpoint of .* has a copy"):
        loop.train(make_config(RUN), str(tmp_path))
    (tmp_path / "config.json").write_text(json.dumps(reading.config_lib.record(make_config(RUN))))
    with pytest.raises(InputError, match="(?s)holds no checkpoint that is whole.*160.*empty"):
        loop.train(make_config(RUN), str(tmp_path))
    assert (tmp_path / "checkpoints" / "160").is_dir()


# ---- full disks ----


@pytest.fixture
def disk(monkeypatch):
    """disk["error"] = ...: what every save meets while it is written."""
    state = {"error": None}
    save = ocp.JsonCheckpointHandler._save_fn

    async def failing(self, *args):
        if state["error"] is not None:
            raise state["error"]
        return await save(self, *args)

    monkeypatch.setattr(ocp.JsonCheckpointHandler, "_save_fn", failing)
    return state


FULL = OSError(28, "No space left on device")
ERRORS = [FULL, ValueError("RESOURCE_EXHAUSTED: No space left on device [code=28]"), OSError(5, "Input/output error")]


@pytest.mark.parametrize("error", ERRORS)
def test_a_failed_save_is_told_at_the_next_line_and_tried_again(
    tmp_path, make_config, small_run, at_step, disk, capsys, error
):
    said = {}
    note = lambda step: lambda: (time.sleep(0.2), said.update({step: capsys.readouterr().err}))
    full = lambda: disk.update(error=error)
    free = lambda: disk.update(error=None)
    at_step({14: full, 17: note(17), 19: note(19), 20: free, 22: lambda: time.sleep(0.2)})
    loop.train(make_config(RUN | LOG_TWO), str(tmp_path))
    assert said[17] == ""
    assert "could not be saved" in said[19] and "the checkpoint of step 8 is whole" in said[19]
    assert "the 0.08 kimg since then would be lost" in said[19]
    last = capsys.readouterr().err
    assert "the checkpoint of step 20 is saved" in last or "the checkpoint of step 22 is saved" in last
    steps = reading.finished_steps(tmp_path)
    assert 8 in steps and 24 in steps and 16 not in steps and {20, 22} & set(steps)
    assert not list((tmp_path / "checkpoints").glob("*tmp*"))
    reading.of_whole(tmp_path, 24, lambda stored: stored.arrays("state"))


@pytest.mark.parametrize("error", ERRORS)
def test_a_failed_last_save_is_an_error(tmp_path, make_config, small_run, at_step, disk, error):
    errors = [error]
    at_step({14: lambda: disk.update(error=errors.pop() if errors else None)})
    reason = "input/output|OSError" if error is ERRORS[2] else "no space left on device"
    with pytest.raises(InputError, match=f"(?i)({reason}).*; the checkpoint of step 8 is whole. .* repeat the command"):
        loop.train(make_config(RUN | LOG_TWO), str(tmp_path))
    assert reading.finished_steps(tmp_path) == [8]
    assert metrics(tmp_path)[-1]["step"] == 24
    disk["error"] = None
    loop.train(make_config(RUN | LOG_TWO), str(tmp_path))  # the command repeated
    assert reading.finished_steps(tmp_path) == [8, 16, 24]


def test_samples_that_do_not_fit_are_left_out(tmp_path, make_config, small_run, monkeypatch, capsys):
    def full(self, step, state):
        raise FULL

    monkeypatch.setattr(hooks.WriteSamples, "_draw", full)
    small = {"log.samples_every_kimg": 0.016, "train.total_kimg": 0.016}
    loop.train(make_config(RUN | small), str(tmp_path))
    assert "the samples of step 2 are missing" in capsys.readouterr().err
    assert reading.finished_steps(tmp_path) == [2]


# ---- one training at a time ----


def test_a_second_training_is_refused_and_harms_nothing(tmp_path, make_config, small_run, at_step):
    refused = []

    def second():
        wait_for_checkpoint(tmp_path, 8)
        half = tmp_path / "checkpoints" / "999.orbax-checkpoint-tmp"
        half.mkdir()
        with pytest.raises(
            InputError, match=f"is being trained already, by process {os.getpid()} on .*, since 20"
        ) as e:
            loop.train(make_config(RUN | {"train.total_kimg": 0.3}), str(tmp_path))
        assert half.exists()  # what may be a save of the first
        half.rmdir()
        refused.append(str(e.value))
        assert reading.restore_config(tmp_path)[1] == 8  # reading stays allowed

    at_step({11: second})
    loop.train(make_config(RUN), str(tmp_path))
    assert len(refused) == 1
    loop.train(make_config(RUN | {"train.total_kimg": 0.2}), str(tmp_path))  # free again
    assert reading.finished_steps(tmp_path)[-1] == 25


HOLDER = """
import sys, time
from digan_jax.host import locks
with locks.hold(sys.argv[1], ".training.lock", "being trained"):
    print("held", flush=True)
    time.sleep(100)
"""


def test_a_lock_ends_with_its_process(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "held\n"
        with pytest.raises(InputError, match=f"by process {process.pid} on"), hold(tmp_path):
            pass
        process.kill()
        process.wait()
        with hold(tmp_path) as held:
            held.check()
    finally:
        process.kill()
        process.communicate()


def hold(folder):
    return locks.hold(folder, ".training.lock", "being trained")


def test_a_bad_init_from_leaves_nothing(tmp_path, make_config, small_run):
    for bad in ("nowhere", str(tmp_path)):
        with pytest.raises(InputError):
            loop.train(make_config(RUN), str(tmp_path / "new"), init_from=bad)
    assert not (tmp_path / "new").exists()


# ---- a workdir that goes ----


@pytest.mark.parametrize("every", [{}, LOG_TWO, {"log.every_kimg": 9.0}])
def test_a_workdir_that_is_removed_is_one_message(tmp_path, make_config, small_run, at_step, every):
    run = tmp_path / "run"
    at_step({11: lambda: (wait_for_checkpoint(run, 8), shutil.rmtree(run))})
    with pytest.raises(InputError, match="run: was removed"):
        loop.train(make_config(RUN | every), str(tmp_path / "run"))
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_a_workdir_that_is_replaced_is_one_message(tmp_path, make_config, small_run, at_step):
    run = tmp_path / "run"
    at_step({11: lambda: (wait_for_checkpoint(run, 8), run.rename(tmp_path / "moved"), run.mkdir())})
    with pytest.raises(InputError, match="run: was removed or replaced"):
        loop.train(make_config(RUN), str(run))
    assert reading.finished_steps(tmp_path / "moved") == [8]


# ---- divergence, and starting again ----


def diverge_at(monkeypatch, at):
    compiled = compiling.compile_iteration

    def diverging(*args):
        iteration = compiled(*args)

        def with_nan(state, batch):
            state, metrics = iteration(state, batch)
            return state, metrics | {"critic/loss": jnp.where(state.step == at, jnp.nan, metrics["critic/loss"])}

        return with_nan

    monkeypatch.setattr(compiling, "compile_iteration", diverging)


def test_after_divergence_without_a_checkpoint_the_same_workdir_takes_another_rate(
    tmp_path, make_config, small_run, monkeypatch, capsys
):
    with monkeypatch.context() as patch:
        diverge_at(patch, 5)
        with pytest.raises(TrainingDiverged, match="no checkpoint yet; start again, in the same --workdir if you like"):
            loop.train(make_config(RUN), str(tmp_path))
    lower = make_config(RUN | {"train.learning_rate": 0.0001, "train.total_kimg": 0.064})
    loop.train(lower, str(tmp_path))
    said = capsys.readouterr().err
    assert "replaces a run without a checkpoint" in said and "train.learning_rate" in said
    assert reading.read_config(tmp_path) == lower
    assert [line["step"] for line in metrics(tmp_path)] == list(range(1, 9))
    assert [line["step"] for line in metrics(tmp_path / "replaced")] == [1, 2, 3, 4]
    assert reading.read_config(tmp_path / "replaced") == make_config(RUN)


def test_after_divergence_with_a_checkpoint_the_cure_is_a_new_workdir(tmp_path, make_config, small_run, monkeypatch):
    old, new = tmp_path / "old run", tmp_path / "new"
    lower = make_config(RUN | {"train.learning_rate": 0.0001, "train.total_kimg": 0.064})
    with monkeypatch.context() as patch:
        diverge_at(patch, 12)
        with pytest.raises(TrainingDiverged, match=r"step 8 is good; .* new --workdir, with --init-from '.*old run'"):
            loop.train(make_config(RUN), str(old))
    with pytest.raises(InputError, match="another configuration"):
        loop.train(lower, str(old))
    loop.train(lower, str(new), init_from=str(old))
    assert reading.finished_steps(new) == [8] and arrays(new, 8)
