import io
import json
import os

import jax
import numpy as np
import pytest
from rich.console import Console

from digan_jax.errors import InputError
from digan_jax.host import files
from digan_jax.training import logs


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_jsonl_continues_without_saying_a_step_twice(tmp_path):
    path = tmp_path / "metrics.jsonl"
    first = logs.JsonlWriter(path)
    for step in (10, 20, 30):
        first.write_scalars(step, {"critic/loss": step / 10})
    logs.JsonlWriter(path, start_step=20).write_scalars(30, {"critic/loss": 7.0})
    assert lines(path) == [
        {"step": 10, "critic/loss": 1.0}, {"step": 20, "critic/loss": 2.0}, {"step": 30, "critic/loss": 7.0},
    ]  # fmt: skip


@pytest.mark.parametrize("half", ['{"step": 2, "critic/lo', '{"step": 2', "[1]\n", "\n", '{"loss": 1}\n'])
def test_jsonl_drops_what_is_no_whole_line(tmp_path, half):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n' + half)
    logs.JsonlWriter(path, start_step=5).write_scalars(6, {})
    assert lines(path) == [{"step": 1}, {"step": 6}]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a Linux device")
def test_jsonl_on_a_full_disk_keeps_its_lines_until_there_is_space(tmp_path, capsys):
    path = tmp_path / "metrics.jsonl"
    writer = logs.JsonlWriter(path)
    writer.write_scalars(1, {"critic/loss": 1.0})
    path.rename(tmp_path / "whole")
    path.symlink_to("/dev/full")
    for step in (2, 3):
        writer.write_scalars(step, {"critic/loss": 2.0})
    path.unlink()
    (tmp_path / "whole").rename(path)
    assert [line["step"] for line in lines(path)] == [1]
    writer.write_scalars(4, {"critic/loss": 4.0})
    assert [line["step"] for line in lines(path)] == [1, 2, 3, 4]
    assert capsys.readouterr().err.count("no space left on device; its lines wait") == 1


def test_a_line_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    """A disk that takes a few bytes more and then none."""
    path, room = tmp_path / "metrics.jsonl", [20, 0]

    class Nearly(io.FileIO):
        def write(self, data):
            if not room:
                return super().write(data)
            if taken := room.pop(0):
                return super().write(bytes(data[:taken]))
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "open", lambda path, mode, buffering: Nearly(path, "a"), raising=False)
    writer = logs.JsonlWriter(path)
    writer.write_scalars(1, {"critic/loss": 1.0})
    assert path.read_bytes() == b""
    writer.write_scalars(2, {"critic/loss": 2.0})
    writer.close()
    assert [line["step"] for line in lines(path)] == [1, 2]


def test_other_writers_on_a_full_disk_do_not_end_a_training(capsys):
    class Full(logs.Writer):
        def write_scalars(self, step, scalars):
            raise OSError(28, "No space left on device")

    class Broken(logs.Writer):
        def write_scalars(self, step, scalars):
            raise OSError(5, "Input/output error")

    logs.MultiWriter([Full()]).write_scalars(1, {})
    assert "Full: no space left on device" in capsys.readouterr().err
    with pytest.raises(OSError, match="Input/output"):
        logs.MultiWriter([Broken()]).write_scalars(1, {})


@pytest.mark.parametrize(
    "more", [b'{"step": 2, "a": "\xff"}\n', b"\xff\xfe\n", b'{"step": "x"}\n[[[', b'{"step": null}', b"[" * 100_000]
)
def test_jsonl_drops_what_is_no_text(tmp_path, more):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"step": 1}\n' + more)
    logs.JsonlWriter(path, start_step=5).write_scalars(6, {})
    assert lines(path) == [{"step": 1}, {"step": 6}]


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_jsonl_wants_a_file(tmp_path, make):
    make(tmp_path / "metrics.jsonl")
    with pytest.raises(InputError, match="metrics.jsonl: is no ordinary file"):
        logs.JsonlWriter(tmp_path / "metrics.jsonl")


@pytest.fixture
def train(make_config):
    """train(batch size, total kimg) -> its configuration."""
    make = lambda size, kimg: make_config({"train.batch_size": size, "train.total_kimg": kimg}).train
    return lambda batch_size, total_kimg=1.0: make(batch_size, total_kimg)


def console(terminal):
    return Console(file=io.StringIO(), force_terminal=terminal, width=200, highlight=False, soft_wrap=True)


def test_console_line_says_place_rate_losses_signs_and_memory(train):
    out = console(terminal=False)
    writer = logs.ConsoleWriter(train(64, 10.0), console=out)
    writer.progress(25)
    writer.write_scalars(25, {
        "rate/clips_per_second": 50.0, "rate/seconds_per_kimg": 20.0, "memory/peak_gib": 1.5,
        "critic/loss": 1.25, "critic/sign_real": 0.5, "critic/r1": 3.0,
    })  # fmt: skip
    writer.close()
    assert out.file.getvalue().strip().split("  ") == [
        "1.600 kimg", "50.0 clips/s", "20.0 s/kimg", "critic/loss +1.250", "critic/sign_real +0.500", "1.50 GiB",
    ]  # fmt: skip


def test_console_shows_a_bar_on_a_terminal_only(train):
    shown = {}
    for terminal in (False, True):
        out = console(terminal)
        writer = logs.ConsoleWriter(train(100, 10.0), start_step=10, console=out)
        for step in range(11, 51):
            writer.progress(step)
        writer.write_text(50, "note", "saved [1]")  # brackets are no markup
        writer.close()
        shown[terminal] = out.file.getvalue()
    assert shown[False] == "saved [1]\n"
    assert "5.0/10 kimg" in shown[True] and "left" in shown[True] and "saved [1]" in shown[True]


def test_meter_averages_each_metric_over_the_steps_that_have_it(monkeypatch, train):
    # Ends of three steps, first summary; end of a step, second summary.
    clock = iter([100.0, 101.0, 104.0, 104.0, 105.0, 105.0])
    monkeypatch.setattr(logs.time, "monotonic", lambda: next(clock))
    meter = logs.Meter(train(8))
    meter.wait(50.0)  # for the first batch, which opens the data
    meter.add({"loss": np.float32(1.0), "r1": 5.0})
    meter.wait(0.5)
    meter.add({"loss": 2.0})
    meter.wait(0.5)
    meter.add({"loss": 6.0})
    first = meter.summary(step=125)
    assert (first["loss"], first["r1"], first["progress/kimg"]) == (3.0, 5.0, 1.0)
    assert 0.01 < first["memory/peak_gib"] < 1000  # GiB of this process: not KiB, not bytes
    # Two steps in four seconds: the first one, which compiled, began before the clock.
    assert (first["rate/clips_per_second"], first["rate/seconds_per_kimg"]) == (4.0, 250.0)
    assert (first["rate/step_seconds_p50"], first["rate/input_share"]) == (2.0, 0.25)  # of 1 and 3 seconds; 1 of 4
    np.testing.assert_allclose(first["rate/step_seconds_p95"], 2.9)
    meter.add({"loss": 9.0})
    second = meter.summary(step=126)
    assert (second["loss"], second["rate/clips_per_second"], "r1" in second) == (9.0, 8.0, False)
    assert (second["rate/step_seconds_p95"], second["rate/input_share"]) == (1.0, 0.0)


def test_the_bar_says_compiling_until_the_first_step_has_ended(train):
    out = console(terminal=True)
    writer = logs.ConsoleWriter(train(100, 10.0), console=out)
    writer.write_text(0, "note", "begun")
    begun = len(out.file.getvalue())
    writer.progress(1)
    writer.close()
    shown = out.file.getvalue()
    assert "compiling" in shown[:begun] and "compiling" not in shown[begun:].split("0.1/10 kimg")[-1]
    assert "0.1/10 kimg" in shown[begun:]


def test_utilisation_is_said_where_the_peak_is_known(monkeypatch, train):
    clock = iter([100.0, 102.0, 104.0, 104.0])  # ends of three steps, the summary
    monkeypatch.setattr(logs.time, "monotonic", lambda: next(clock))
    meter = logs.Meter(train(8))
    meter.expect(0.5)  # seconds a step at the peak; steps take two
    for _ in range(3):
        meter.add({})
    summary = meter.summary(step=3)
    assert summary["rate/mfu"] == 0.25
    out = console(terminal=False)
    logs.ConsoleWriter(train(8), console=out).write_scalars(3, summary)
    assert "25% of the peak" in out.file.getvalue()


@pytest.mark.parametrize("share, said", [(0.05, False), (0.25, True)])
def test_the_console_says_when_data_are_late(train, share, said):
    out = console(terminal=False)
    scalars = {"rate/clips_per_second": 50.0, "rate/seconds_per_kimg": 20.0, "rate/input_share": share}
    logs.ConsoleWriter(train(64, 10.0), console=out).write_scalars(25, scalars)
    assert ("25% of the time waiting for data" in out.file.getvalue()) == said


def test_a_log_line_after_the_first_step_has_no_rate_yet(train):
    meter = logs.Meter(train(8))
    meter.add({"critic/loss": 1.0})
    summary = meter.summary(step=1)
    assert not any(key.startswith("rate") for key in summary)
    out = console(terminal=False)
    logs.ConsoleWriter(train(8), console=out).write_scalars(1, summary)
    assert "0.008 kimg  critic/loss +1.000" in out.file.getvalue()


def test_multi_writer_reaches_all_with_every_call():
    calls = []

    class Recorder(logs.Writer):
        def __getattribute__(self, name):
            return lambda *args: calls.append((name, *args))

    both = logs.MultiWriter([Recorder(), Recorder()])
    methods = [name for name, value in vars(logs.Writer).items() if callable(value) and not name.startswith("_")]
    for name in methods:
        getattr(both, name)(*([name] if name != "close" else []))
    assert len(calls) == 2 * len(methods) and set(methods) == {call[0] for call in calls}


def test_writers_are_on_the_first_process_alone(tmp_path, monkeypatch, train):
    monkeypatch.setattr(jax, "process_index", lambda: 1)
    writer = logs.open_writers(tmp_path, train(8), 0)
    writer.write_scalars(1, {"loss": 1.0})
    writer.close()
    assert list(tmp_path.iterdir()) == []


def test_tensorboard_events_hold_scalars_pictures_histograms_and_text(tmp_path):
    pytest.importorskip("tensorflow", reason="needs the extra [tensorboard]")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    writer = logs.TensorBoardWriter(tmp_path)
    writer.write_scalars(3, {"critic/loss": 1.5})
    writer.write_image(3, "samples/strip", np.zeros((8, 16, 3), np.uint8))
    writer.write_histogram(3, "scores/motion_real", np.arange(9.0))
    writer.write_text(3, "note", "hello")
    writer.close()
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    tags = set(events.Tags()["tensors"])
    assert {"critic/loss", "samples/strip", "scores/motion_real", "note"} <= tags
    assert events.Tensors("critic/loss")[0].step == 3
