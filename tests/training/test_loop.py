import contextlib
import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from digan_jax import config as config_lib
from digan_jax import devices
from digan_jax.errors import InputError, TrainingDiverged
from digan_jax.host import signals
from digan_jax.runs import reading
from digan_jax.runs.stored import Stored
from digan_jax.training import compile as compiling
from digan_jax.training import loop
from digan_jax.training import start as starting
from tests.conftest import QUICK_COMPILING
from tests.training.conftest import RUN, arrays, assert_same_bits, metrics


def test_a_run_leaves_checkpoints_metrics_and_samples(tmp_path, make_config, quick_steps, capsys):
    loop.train(make_config(RUN | {"log.samples_every_kimg": 0.096, "data.held_out": "test"}), str(tmp_path))
    assert reading.finished_steps(tmp_path) == [8, 16, 24]
    assert [line["step"] for line in metrics(tmp_path)] == list(range(1, 25))
    samples = {"real.mp4", "real.png"} | {f"kimg_{k}.{s}" for k in ("000000.096", "000000.192") for s in ("mp4", "png")}
    assert {p.name for p in (tmp_path / "samples").iterdir()} == samples
    strip = np.asarray(Image.open(tmp_path / "samples" / "kimg_000000.192.png"))
    real = np.asarray(Image.open(tmp_path / "samples" / "real.png"))
    assert strip.shape[1] == 2 * real.shape[1] + 2  # held-out clips beside real ones
    assert not np.array_equal(strip[: len(real), : real.shape[1]], strip[: len(real), -real.shape[1] :])
    assert json.loads((tmp_path / "config.json").read_text())["data"]["source"] == "bouncing"
    assert "complete at 0.192 kimg" in capsys.readouterr().out


def test_held_out_clips_that_do_not_exist_are_named(tmp_path, make_config, small_run):
    with pytest.raises(InputError, match="data.held_out='val'.*bouncing shapes"):
        loop.train(make_config(RUN | {"data.held_out": "val"}), str(tmp_path))


@pytest.mark.parametrize("iterations, until", [(3, 12), (30, 10)])  # one ends by itself, one by the signal
def test_a_profile_is_a_trace_of_the_run(tmp_path, make_config, small_run, stop_at, iterations, until):
    stop_at(until)
    loop.train(make_config(RUN), str(tmp_path), profile_iterations=iterations)
    assert reading.finished_steps(tmp_path)[-1] == until
    [trace] = tmp_path.glob("profile/plugins/profile/*/*.trace.json.gz")
    names = {event.get("name") for event in json.loads(gzip.decompress(trace.read_bytes()))["traceEvents"]}
    assert any("iteration" in name for name in names if name)


def test_metrics_of_a_line_are_those_of_its_steps(tmp_path, make_config, small_run):
    loop.train(make_config(RUN), str(tmp_path / "each"))
    loop.train(make_config(RUN | {"log.every_kimg": 0.048}), str(tmp_path / "sixth"))
    each, sixth = metrics(tmp_path / "each"), metrics(tmp_path / "sixth")
    assert [line["step"] for line in sixth] == [6, 12, 18, 24]
    mean = np.mean([line["critic/loss"] for line in each[6:12]])
    np.testing.assert_allclose(sixth[1]["critic/loss"], mean, rtol=1e-6)  # sums in another order


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_says_how_to_go_on(tmp_path, make_config, small_run, stop_at, capsys, number):
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    stop_at(11, number)
    loop.train(make_config(RUN), str(tmp_path))
    assert reading.finished_steps(tmp_path)[-1] == 11
    assert metrics(tmp_path)[-1]["step"] == 11
    assert "saved at 0.088 kimg. To continue: " in capsys.readouterr().out
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers


def test_interrupted_and_continued_is_uninterrupted(tmp_path, make_config, small_run, stop_at):
    loop.train(make_config(RUN), str(tmp_path / "whole"))
    stop_at(11)
    loop.train(make_config(RUN), str(tmp_path / "pieces"))
    stop_at(18)
    loop.train(make_config(RUN | {"checkpoint.keep_last": 9}), str(tmp_path / "pieces"))  # may differ
    loop.train(make_config(RUN), str(tmp_path / "pieces"))
    assert_same_bits(tmp_path / "whole", tmp_path / "pieces", 24)
    assert metrics(tmp_path / "whole") == metrics(tmp_path / "pieces")


def test_a_longer_run_continues_a_finished_one(tmp_path, make_config, small_run, capsys):
    short = make_config(RUN | {"train.total_kimg": 0.08})
    loop.train(short, str(tmp_path))
    capsys.readouterr()
    before = (tmp_path / "metrics.jsonl").read_text()
    loop.train(short, str(tmp_path))
    said = capsys.readouterr().out
    assert "complete at 0.08 kimg" in said and "raise --config.train.total_kimg" in said
    assert (tmp_path / "metrics.jsonl").read_text() == before
    loop.train(make_config(RUN), str(tmp_path))
    assert reading.finished_steps(tmp_path)[-1] == 24


def test_another_configuration_is_refused_before_anything_is_done(tmp_path, make_config, small_run):
    loop.train(make_config(RUN | {"train.total_kimg": 0.008}), str(tmp_path))
    with pytest.raises(InputError, match=r"(?s)another configuration.*train\.seed: 0 -> 1"):
        loop.train(make_config(RUN | {"train.seed": 1}), str(tmp_path))
    assert reading.finished_steps(tmp_path) == [1]


def test_other_data_are_refused(tmp_path, make_config, small_run, monkeypatch):
    from digan_jax.data import sources

    loop.train(make_config(RUN | {"train.total_kimg": 0.008}), str(tmp_path))
    opened = sources.open_source

    def changed(data, model):
        source = opened(data, model)
        source.fingerprint = "other"
        return source

    monkeypatch.setattr(sources, "open_source", changed)
    with pytest.raises(InputError, match="the data changed since this run's last checkpoint"):
        loop.train(make_config(RUN), str(tmp_path))


def test_a_batch_that_devices_cannot_share_is_refused_before_compiling(tmp_path, make_config, monkeypatch):
    monkeypatch.setattr(compiling, "compile_iteration", lambda *_: pytest.fail("compiled"))
    with pytest.raises(InputError, match="train.batch_size=12: not divisible by the 8 data-parallel devices"):
        loop.train(make_config(RUN | {"train.batch_size": 12}), str(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_init_from_takes_weights_and_nothing_else(tmp_path, make_config, small_run):
    config = make_config(RUN)
    loop.train(config, str(tmp_path))
    mesh = devices.make_mesh()
    state = starting.fresh(config, mesh, str(tmp_path))
    _, weights = reading.restore_weights(tmp_path)
    for name, value in weights.items():
        jax.tree.map(np.testing.assert_array_equal, value, getattr(state, name))
    plain = starting.fresh(config, mesh)
    assert int(state.step) == 0
    jax.tree.map(np.testing.assert_array_equal, plain.critic_optimizer, state.critic_optimizer)
    assert not np.array_equal(plain.w_avg, state.w_avg)


def test_init_from_another_architecture_names_the_field(tmp_path, make_config, small_run):
    loop.train(make_config(RUN | {"train.total_kimg": 0.008}), str(tmp_path / "small"))
    wide = make_config(RUN | {"model.w_dim": 24})
    with pytest.raises(InputError, match=r"another architecture, model\.w_dim: 16 -> 24"):
        loop.train(wide, str(tmp_path / "wide"), init_from=str(tmp_path / "small"))


def test_init_from_weights_that_do_not_fit_names_the_array(tmp_path, make_config, small_run, monkeypatch):
    config = make_config(RUN | {"train.total_kimg": 0.008})
    loop.train(config, str(tmp_path))
    _, weights = reading.restore_weights(tmp_path)
    odd = weights | {"w_avg": np.zeros(3, np.float32)}
    monkeypatch.setattr(Stored, "arrays", lambda *_: odd)
    with pytest.raises(InputError, match=r"w_avg: \(3,\) -> \(8,\)"):
        starting.fresh(config, devices.make_mesh(), str(tmp_path))


def test_a_loss_that_is_not_finite_stops_and_names_itself(tmp_path, make_config, small_run, monkeypatch):
    compiled = compiling.compile_iteration

    def diverging(*args):
        iteration = compiled(*args)

        def with_nan(state, batch):
            state, metrics = iteration(state, batch)
            return state, metrics | {"critic/loss": jnp.where(state.step == 16, jnp.nan, metrics["critic/loss"])}

        return with_nan

    monkeypatch.setattr(compiling, "compile_iteration", diverging)
    with pytest.raises(TrainingDiverged, match=r"step 16: critic/loss is nan; the checkpoint of step 8 is good"):
        loop.train(make_config(RUN), str(tmp_path))
    assert reading.finished_steps(tmp_path) == [8]
    assert metrics(tmp_path)[-1]["step"] == 15


def test_stop_signal_is_harmless_outside_the_main_thread():
    seen = []

    def enter():
        with signals.StopSignal() as stop:
            seen.append(loop.agreed(stop, True))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [False]


# ---- real processes ----

PROGRAM = """
import sys, jax
from digan_jax import config
from digan_jax.training import loop
config_file, workdir, port, count, index = sys.argv[1:]
if int(count) > 1:
    jax.distributed.initialize(f"127.0.0.1:{port}", int(count), int(index))
loop.train(config.from_json(open(config_file).read()), workdir)
"""


@pytest.fixture
def start():
    """start(config file, workdir, ...): one process of a run, with one device or more; none outlives the test."""
    started = []

    def popen(config_file, workdir, port=0, count=1, index=0, devices=1):
        env = os.environ | {"XLA_FLAGS": f"--xla_force_host_platform_device_count={devices} {QUICK_COMPILING}"}
        arguments = map(str, (config_file, workdir, port, count, index))
        command = [sys.executable, "-c", PROGRAM, *arguments]
        started.append(subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield popen
    for process in started:
        process.kill()
        process.communicate()


def wait_for_step(run, step, process):
    """Returns once the log says that `step` is done."""
    deadline = time.monotonic() + 500  # the real iteration compiles for a minute or more on a busy machine
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError, IndexError):
            if json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])["step"] >= step:
                return
        time.sleep(0.02)
    pytest.fail(f"step {step} did not come; exit status {process.poll()}")


def test_killed_and_continued_equals_uninterrupted_bit_for_bit(tmp_path, make_config, start):
    """The real iteration: 12 steps of 4 clips, a checkpoint every 4 steps, R1 on both sides of the breaks."""
    small = {"train.batch_size": 4, "train.total_kimg": 0.048, "train.r1_every": 3}
    small |= {"log.every_kimg": 0.004, "checkpoint.every_kimg": 0.016}
    config_file = tmp_path / "config.json"
    config_file.write_text(config_lib.to_json(make_config(RUN | small)))
    whole, pieces = tmp_path / "whole", tmp_path / "pieces"
    assert start(config_file, whole).wait(600) == 0

    process = start(config_file, pieces)
    wait_for_step(pieces, 1, process)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=100)
    assert process.returncode == 0 and "To continue: " in said
    stopped = reading.finished_steps(pieces)[-1]
    assert 1 <= stopped < 12

    process = start(config_file, pieces)
    wait_for_step(pieces, max(stopped + 1, 9), process)
    process.kill()
    process.wait(60)
    assert reading.finished_steps(pieces)[-1] < 12

    assert start(config_file, pieces).wait(300) == 0
    assert_same_bits(whole, pieces, 12)
    assert metrics(whole) == metrics(pieces)


@pytest.mark.slow
@pytest.mark.parametrize("count, fsdp", [(2, False), (2, True), (4, False)])
def test_processes_train_as_one(tmp_path, make_config, start, count, fsdp):
    """The real iteration, R1 in the first of two steps: processes of two devices each, and one with all of them."""
    config_file = tmp_path / "config.json"
    config_file.write_text(config_lib.to_json(make_config(RUN | {"train.total_kimg": 0.016, "mesh.fsdp": fsdp})))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    one, two = tmp_path / "one", tmp_path / "two"
    processes = [start(config_file, one, devices=2 * count)]
    processes += [start(config_file, two, port, count, index, devices=2) for index in range(count)]
    outputs = [process.communicate(timeout=900)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * (count + 1)
    assert "complete at" in outputs[1] and not any("kimg" in text for text in outputs[2:])  # the first speaks for all
    ours, theirs = metrics(one), metrics(two)
    assert [line["step"] for line in theirs] == [1, 2]
    for name, value in ours[0].items():
        # First iteration: means over the batch are summed in another order, float32.
        np.testing.assert_allclose(theirs[0][name], value, rtol=1e-4, atol=1e-5, err_msg=name)
    for name, value in ours[1].items():
        # Second: Adam divides by the gradient's size, which turns rounding of near-zero gradients into whole steps.
        np.testing.assert_allclose(theirs[1][name], value, rtol=2e-2, atol=2e-3, err_msg=name)
    assert arrays(two, 2).keys() == arrays(one, 2).keys()
