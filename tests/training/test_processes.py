"""Several processes of one run, as a person starts them: one is late, killed, frozen or started otherwise."""

import os
import re
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from digan_jax.runs import reading
from tests.conftest import TINY
from tests.training.conftest import metrics
from tests.training.test_loop import wait_for_step

WHOLE = "import sys; from digan_jax import cli; sys.exit(cli.main())"
# `digan train` around a state and an iteration that cost nothing.
PROGRAM = """
import sys
from digan_jax import cli
from digan_jax.models.digan import family
from digan_jax.training import compile as compiling
from tests.training import conftest
compiling.compile_iteration, family.init_state = conftest.quick_iteration, conftest.small_state
sys.exit(cli.main())
"""
FIELDS = {f"model.{name}": value for name, value in TINY.items()} | {
    "data.source": "bouncing", "data.frames": 4, "train.batch_size": 12, "log.every_kimg": 0.012, "log.sample_clips": 4,
    "log.samples_every_kimg": 90000, "checkpoint.every_kimg": 0.096, "checkpoint.keep_every_kimg": 0,
}  # fmt: skip


@pytest.fixture
def coordinator():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture
def start(request, tmp_path, coordinator):
    """start(id, *words, count, devices): one process of the run at tmp_path/name; none outlives the test."""
    started = []

    def popen(number, *words, count=2, devices=1, steps=10000, fields={}, name="run", program=PROGRAM):
        flags = f"--xla_force_host_platform_device_count={devices} --xla_backend_optimization_level=0"
        env = os.environ | {"XLA_FLAGS": flags, "GLIBC_TUNABLES": "", "PYTHONPATH": str(request.config.rootpath)}
        command = [sys.executable, "-c", program, "train", "--config", "base", "--workdir", str(tmp_path / name)]
        if count > 1:
            command += ["--coordinator", coordinator, "--process-id", str(number), "--process-count", str(count)]
        command += [
            f"--config.{name}={value}"
            for name, value in (FIELDS | {"train.total_kimg": steps * 0.012} | fields).items()
        ]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        started.append(subprocess.Popen([*command, *words], env=env, cwd=tmp_path, **pipes))
        return started[-1]

    yield popen
    for process in started:
        process.kill()
        process.communicate()


def told(process, seconds=60):
    """(exit status, what digan said on stderr, the rest of stderr)."""
    _, err = process.communicate(timeout=seconds)
    ours = [line for line in err.splitlines() if line.startswith("digan: ")]
    return process.returncode, ours, [line for line in err.splitlines() if line not in ours]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("there", "absent"), [([0], "process 1 of 2"), ([1], "process 0 of 2"), ([2, 0], "processes 1, 3 of 4")]
)
def test_who_did_not_come_is_named(start, there, absent):
    count = int(absent[-1])
    processes = [start(number, "--wait", "4", count=count) for number in there]
    for process in processes:
        status, said, _ = told(process)
        assert status == 3 and len(said) == 1 and re.search(rf"{absent} did not come .*within 4 s", said[0])


@pytest.mark.slow
@pytest.mark.parametrize("victims", [[1], [0], [1, 2]])
def test_who_was_killed_is_named_and_the_run_goes_on(start, tmp_path, victims):
    count = 3 if len(victims) > 1 else 2
    processes = [start(number, count=count) for number in range(count)]
    wait_for_step(tmp_path / "run", 20, processes[0])
    for victim in victims:
        processes[victim].kill()
    killed = time.monotonic()
    for number in set(range(count)) - set(victims):
        status, said, rest = told(processes[number])
        assert status == 3 and len(said) == 1 and not rest, (said, rest)
        assert re.search(
            rf"process ({'|'.join(map(str, victims))}) of {count} is gone .*start all {count} again", said[0]
        )
    assert time.monotonic() - killed < 30
    step = reading.newest_step(tmp_path / "run")
    assert step >= 8
    # One process with another number of devices goes on where they stopped, with the batches of a run that never stopped.
    for name, devices in (("run", 2 * count), ("whole", 1)):
        alone = start(0, count=1, devices=devices, steps=step + 10, name=name)
        out, err = alone.communicate(timeout=120)
        assert alone.returncode == 0 and "complete at" in out, err
    lines = metrics(tmp_path / "run")
    assert [line["step"] for line in lines] == list(range(1, step + 11))
    for ours, theirs in zip(lines, metrics(tmp_path / "whole"), strict=True):
        np.testing.assert_allclose(ours["generator/loss"], theirs["generator/loss"], rtol=1e-5)  # a mean over the batch


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 4])
def test_processes_train_the_model_as_one_does(start, tmp_path, count):
    """The real iteration, two devices a process, against one process with eight devices."""
    fields = {"train.batch_size": 16, "log.every_kimg": 0.016, "train.total_kimg": 0.048, "model.critic": "shared"}
    fields |= {"train.loss": "relativistic", "train.penalty": "finite_differences", "train.augment": "()"}
    words = {"steps": 3, "fields": fields, "program": WHOLE}
    processes = [start(i, "--wait", "300", count=count, devices=2, name="several", **words) for i in range(count)]
    ends = [told(process, 900) for process in processes]
    assert [status for status, *_ in ends] == [0] * count, ends
    assert told(start(0, count=1, devices=8, name="one", **words), 900)[0] == 0
    ours, theirs = metrics(tmp_path / "several"), metrics(tmp_path / "one")
    assert [line["step"] for line in ours] == [line["step"] for line in theirs] == [1, 2, 3]
    for step, (line, expected) in enumerate(zip(ours, theirs)):
        # As between layouts (test_layouts.py): sums in another order, which Adam magnifies from the second step on.
        rtol, atol = (1e-4, 1e-5) if step == 0 else (2e-2, 2e-3)
        for name in (name for name in expected if "sign" not in name):
            np.testing.assert_allclose(line[name], expected[name], rtol=rtol, atol=atol, err_msg=name)


@pytest.mark.slow
def test_who_is_frozen_is_gone_too(start, tmp_path):
    processes = [start(number) for number in range(2)]
    wait_for_step(tmp_path / "run", 5, processes[0])
    processes[1].send_signal(signal.SIGSTOP)
    stopped = time.monotonic()
    status, said, rest = told(processes[0], 80)
    assert status == 3 and len(said) == 1 and "process 1 of 2 is gone" in said[0] and not rest
    assert time.monotonic() - stopped < 60


@pytest.mark.slow
def test_training_goes_on_when_nobody_reads_its_output(start, tmp_path):
    process = start(0, count=1, steps=40)
    wait_for_step(tmp_path / "run", 2, process)
    process.stdout.close()
    assert process.wait(60) == 0 and not process.stderr.read()
    assert [line["step"] for line in metrics(tmp_path / "run")] == list(range(1, 41))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_one_saves_and_ends_all(start, tmp_path, number):
    processes = [start(i) for i in range(2)]
    wait_for_step(tmp_path / "run", 5, processes[0])
    processes[1].send_signal(number)
    ends = [told(process) for process in processes]
    assert [status for status, *_ in ends] == [0, 0] and not ends[0][1] + ends[1][1]


@pytest.mark.slow
def test_processes_that_do_not_fit_are_told_so(start):
    wrong = [
        start(5, count=4),
        start(1, count=3),
        start(1, fields={"train.seed": 1}),
        start(1, fields={"data.workers": 3}),
    ]
    ends = [told(process) for process in (start(0, "--wait", "6", count=3), *wrong)]
    assert [status for status, *_ in ends] == [3, 2, 3, 2, 2]
    assert "--process-id 5: must be 0 to 3" in ends[1][1][0]
    assert "--process-count 2: process 0 was started with 3" in ends[3][1][0]
    assert "process 2 of 3 did not come" in ends[0][1][0] and "process 2 of 3 did not come" in ends[2][1][0]


@pytest.mark.slow
def test_another_configuration_is_refused(start):
    ends = [told(process) for process in (start(0, "--wait", "6"), start(1, fields={"train.seed": 1}))]
    assert [status for status, *_ in ends] == [3, 2]
    assert "process 1 has another configuration than process 0" in ends[1][1][0]


@pytest.mark.slow
def test_an_error_of_one_is_its_own(start, tmp_path):
    there = tmp_path / "videos"
    processes = [start(i, fields={"data.source": "folder", "data.path": there / str(i)}) for i in (0, 1)]
    ends = [told(process) for process in processes]
    assert [status for status, *_ in ends] == [2, 2]
    assert all(f"{there}/{i}" in said[0] and len(said) == 1 for i, (_, said, _) in enumerate(ends))
