"""Commands that are ended from outside, as real processes: one line, a status of its own, nothing left behind."""

import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from digan_jax.host import files
from tests.data.conftest import scene, write


@pytest.fixture
def start(request, tmp_path):
    """start(words) -> a running `digan` in tmp_path/work, temporary files in tmp_path/tmp, in a group of its own."""
    started = []
    for name in ("work", "tmp"):
        (tmp_path / name).mkdir()

    def popen(*words, **env):
        env = os.environ | {"TMPDIR": str(tmp_path / "tmp"), "PYTHONPATH": str(request.config.rootpath)} | env
        env |= {"XLA_FLAGS": "", "GLIBC_TUNABLES": ""}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
        command = [sys.executable, "-m", "digan_jax", *map(str, words)]
        started.append(subprocess.Popen(command, cwd=tmp_path / "work", env=env, **pipes))
        return started[-1]

    yield popen
    for process in started:
        process.kill()
        process.communicate()


def wait_for(found, process, seconds=60):
    until = time.monotonic() + seconds
    while not found():
        assert process.poll() is None and time.monotonic() < until, process.communicate()
        time.sleep(0.01)


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    for i in range(3):
        write(folder / f"{i}.mkv", scene(700, 96, 96, seed=i))
    return folder


ENDS = [
    (signal.SIGTERM, False, 143, "terminated"),
    (signal.SIGINT, True, 130, "interrupted"),
    (signal.SIGHUP, False, 129, "terminated"),
]


def end(process, number, everybody, status, word):
    (os.killpg if everybody else os.kill)(process.pid, number)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, err, out) == (status, f"digan: {word}\n", "")


@pytest.mark.slow
@pytest.mark.parametrize("ended", ENDS, ids=lambda ended: ended[-1])
def test_render_leaves_nothing(start, tmp_path, tiny_run, ended):
    work = tmp_path / "work"
    process = start("render", "--run", tiny_run, "--frames", "5000", "--size", "256x256", "--out", "a.mp4")
    wait_for(lambda: any(work.iterdir()), process)
    end(process, *ended)
    assert not list(work.iterdir()) + list((tmp_path / "tmp").iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("ended", ENDS, ids=lambda ended: ended[-1])
def test_prepare_leaves_nothing(start, tmp_path, videos, ended, workers):
    process = start("prepare", videos, "--name", "sky", "--size", "96", "--data-dir", "sets", "--workers", workers)
    wait_for(lambda: list((tmp_path / "tmp").glob("digan_*/*")), process)
    end(process, *ended)
    assert [path.name for path in (tmp_path / "work").rglob("*")] == ["sets", ".sky.lock"]
    assert not list((tmp_path / "tmp").iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [1.2, 1.6, 2.0, 2.4])
def test_export_leaves_nothing_or_all(start, tmp_path, tiny_run, seconds):
    work = tmp_path / "work"
    process = start("export", tiny_run, "--format", "stablehlo", "--samples", "0", "--out", "model")
    time.sleep(seconds)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    # -15: before the first line of ours, or after the last
    assert process.returncode in (0, 143, -15) and "Segmentation" not in err and "Traceback" not in err
    names = [path.name for path in work.iterdir()]
    assert names in ([], ["model"]) and (not names or (work / "model" / "native.stablehlo").exists())


@pytest.mark.slow
def test_evaluate_ends_with_one_line(start, tmp_path, tiny_run):
    process = start("evaluate", "--run", tiny_run, "--real", "bouncing", "--cache", "cache")
    time.sleep(4)
    end(process, *ENDS[1])
    assert not [path for path in (tmp_path / "work").iterdir() if path.name.startswith(".")]


@pytest.mark.slow
def test_what_a_killed_process_left_goes_with_the_next(start, tmp_path, videos, tiny_run):
    work, tmp = tmp_path / "work", tmp_path / "tmp"
    render = ["render", "--run", tiny_run, "--out", "a.mp4"]
    process = start(*render, "--frames", "50000")
    wait_for(lambda: any(work.iterdir()), process)
    process.kill()
    process.wait()
    assert [path.name[:3] for path in work.iterdir()] == [".a."]
    assert start(*render, "--frames", "2").wait(60) == 0
    assert [path.name for path in work.iterdir()] == ["a.mp4"]

    prepare = ["prepare", videos, "--name", "sky", "--size", "96", "--data-dir", "sets", "--workers", "2"]
    process = start(*prepare)
    wait_for(lambda: list(tmp.glob("digan_*/*")), process)
    process.kill()
    process.wait()
    assert list(tmp.glob("digan_*"))
    again = start(*prepare)
    assert again.wait(60) == 0, again.communicate()
    assert sorted(path.name for path in (work / "sets").iterdir()) == [".sky.lock", "sky"] and not list(tmp.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize(
    "words", ["config --config quickstart", "config --list", "config --config quickstart --arrays", "render --help"]
)
def test_a_reader_that_leaves_is_no_error(start, words):
    process = start(*words.split())
    process.stdout.close()
    assert process.wait(60) in (141, 0) and not process.stderr.read()


@pytest.mark.slow
@pytest.mark.parametrize("words", ["config --config quickstart", "config --list"])
def test_output_to_a_full_disk(start, words):
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-m", "digan_jax", *words.split()], stdout=full, stderr=-1, text=True)
    assert done.returncode == 2 and re.fullmatch("digan: the output: no space left .*\n", done.stderr)


# ---- what is unfinished, without processes ----

DEAD = 2**22 + 1  # above the largest number that Linux gives


@pytest.mark.parametrize("end", ["mp4", "npz", "json"])
def test_only_what_nobody_works_on_is_removed(tmp_path, monkeypatch, end):
    monkeypatch.setattr(files, "_machine", lambda: "0123abcd")
    kept = [f".a.0123abcd-{os.getpid()}.{end}", f".a.89abcdef-{DEAD}.{end}", f"a.{end}", f".a.{DEAD}.{end}", ".a.lock"]
    for name in (*kept, f".a.0123abcd-{DEAD}.{end}", f".a.b.c.0123abcd-{DEAD}.{end}"):
        (tmp_path / name).write_text(name)
    files.remove_abandoned(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)


def test_a_folder_that_was_moved_aside_returns(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_machine", lambda: "0123abcd")
    for name in (f".model.0123abcd-{DEAD}", f".model.0123abcd-{DEAD}.old", f".other.0123abcd-{DEAD}.old", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "weights").write_text(name)
    files.remove_abandoned(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "other"]
    assert (tmp_path / "model" / "weights").read_text().endswith(".old")
    assert (tmp_path / "other" / "weights").read_text() == "other"


def test_a_long_name_has_room_for_its_unfinished_form(tmp_path):
    path = tmp_path / ("é" * 120 + ".npz")
    with files.moved_in(path) as unfinished:
        np.savez(unfinished, a=1)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
