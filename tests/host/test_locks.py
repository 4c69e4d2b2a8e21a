"""Leases, on a bucket that is a folder. Locks on disks: tests/training/test_failures.py."""

import json
import threading
import time

import pytest
from etils import epath

from digan_jax.errors import InputError
from digan_jax.host import files, locks

NAME = ".training.lock"


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    monkeypatch.setattr(locks, "BEAT", 0.05)
    monkeypatch.setattr(locks, "STALE", 1.0)
    monkeypatch.setattr(locks, "SETTLE", 0.1)


def lease(folder):
    return locks._leased(epath.Path(folder), NAME, "being trained")


def test_a_lease_is_alone_as_long_as_its_holder_lives(tmp_path):
    with lease(tmp_path) as held:
        time.sleep(1.3)  # longer than a lease without heartbeats
        with pytest.raises(InputError, match=r"is being trained already, by process \d+ on .*ends 1 seconds after"):
            lease(tmp_path).__enter__()
        held.check()
    assert not (tmp_path / NAME).exists()
    with lease(tmp_path):
        pass


@pytest.mark.parametrize(
    "left", [{"owner": "a", "host": "far", "pid": 7, "since": "then", "beat": 0}, {"beat": "x"}, [1], "", "{"]
)
def test_a_dead_lease_is_taken_over(tmp_path, left, capsys):
    (tmp_path / NAME).write_text(left if isinstance(left, str) else json.dumps(left))
    with lease(tmp_path) as held:
        held.check()
    if isinstance(left, dict) and "host" in left:
        assert "process 7 on far gave no sign of life; taken over" in capsys.readouterr().err


@pytest.mark.parametrize("what", ["removed", "taken over", "overwritten"])
def test_a_lost_lease_is_noticed(tmp_path, what):
    with lease(tmp_path) as held:
        if what == "removed":
            (tmp_path / NAME).unlink()
        else:
            (tmp_path / NAME).write_text(json.dumps({"owner": "other"}) if what == "taken over" else "[]")
        deadline = time.monotonic() + 10
        with pytest.raises(InputError, match="was removed or taken over"):
            while time.monotonic() < deadline:
                held.check()
                time.sleep(0.02)
    assert (tmp_path / NAME).exists() == (what != "removed")  # it is not ours to remove


def test_of_two_that_begin_at_once_one_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_mark", lambda: f"thread-{threading.get_ident()}")  # threads stand for processes
    both, outcome = threading.Barrier(2), []

    def begin():
        both.wait()
        try:
            with lease(tmp_path):
                outcome.append("held")
                time.sleep(0.5)
        except InputError:
            outcome.append("refused")

    threads = [threading.Thread(target=begin) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcome) == ["held", "refused"]
