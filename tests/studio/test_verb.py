"""`digan studio`: what it offers by itself, what it warns of, what it refuses in one sentence."""

import contextlib
import sys

import pytest

from digan_jax import cli
from digan_jax.interop import shipped
from digan_jax.studio import server, shelf


@pytest.fixture
def served_requests(monkeypatch):
    """What would be served, as [(request, login)]; each studio ends at once, as by Ctrl-C."""
    seen = []

    @contextlib.contextmanager
    def serving(request, login):
        seen.append((request, login))
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(server, "serving", serving)
    monkeypatch.setattr(server, "bound_programs", lambda: None)
    return seen


def test_runs_of_the_folder_and_models_of_the_package_are_offered(served_requests, followed_run, monkeypatch):
    monkeypatch.chdir(followed_run.parent)
    monkeypatch.setattr(shipped, "names", lambda: ["quickstart"])
    monkeypatch.setattr(shelf, "found_in", lambda folder, found=shelf.found_in: found("."))
    assert cli.main(["studio"]) == 130
    assert served_requests[0][0].runs == ("followed", "digan://quickstart") and served_requests[0][1] is None


def test_an_open_studio_is_warned_of(served_requests, capsys):
    assert cli.main(["studio", "--run", "r", "--host", "0.0.0.0"]) == 130
    assert "everybody who reaches 0.0.0.0 may use this studio; give --login" in capsys.readouterr().err
    assert cli.main(["studio", "--run", "r", "--host", "0.0.0.0", "--login", "me:hunter2"]) == 130
    said = capsys.readouterr()
    assert "the password travels unencrypted" in said.err and "hunter2" not in said.err + said.out
    assert served_requests[1][1] == ("me", "hunter2") and "hunter2" not in repr(served_requests[1][0])
    assert cli.main(["studio", "--run", "r"]) == 130 and "warning" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "words, message",
    [
        ([], "--run (): give a run"),
        (["--run", "r", "--max-frames", "0"], "--max-frames 0: a limit is 1 or more"),
        (["--run", "r", "--login", "hunter2"], "login: write user:password"),
        (["--run", "r", "--port", "-1"], "--port -1: ports are 0 to 65535"),
    ],
)
def test_what_cannot_be_is_told(served_requests, tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(shipped, "names", lambda: [])
    assert cli.main(["studio", *words]) == 2
    said = capsys.readouterr().err
    assert message in said and "hunter2" not in said and served_requests == []


def test_the_extra_is_named(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "gradio", None)
    assert cli.main(["studio", "--run", "r"]) == 2
    assert 'pip install "digan-jax[studio]"' in capsys.readouterr().err
